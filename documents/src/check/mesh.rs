//! `Mesh`: what holds for all services.

use super::{Checker, Sourced};
use crate::error::Report;
use crate::names;
use crate::wire::MeshSpec;

/// The trust domain where no `Mesh` says another.
const TRUST_DOMAIN_DEFAULT: &str = "outrider.local";

/// Checks the one `Mesh` there may be; gives the trust domain.
pub(crate) fn check_meshes(meshes: &[Sourced<MeshSpec>], report: &mut Report<'_>) -> String {
    let mut trust_domain = None;
    let mut first = None;
    for Sourced { origin, document } in meshes {
        let mut checker = Checker::new(*origin, report);
        checker.identity(&document.metadata);
        let at = document.metadata.name.referenced;
        if let Some(first) = first {
            let message = format!("there is another Mesh at {}", checker.name(first));
            checker.refuse(at, message);
        }
        first = first.or(Some(checker.place(at)));
        trust_domain = trust_domain.or_else(|| check_trust_domain(&document.spec, &mut checker));
    }
    trust_domain.unwrap_or_else(|| TRUST_DOMAIN_DEFAULT.to_owned())
}

fn check_trust_domain(spec: &MeshSpec, checker: &mut Checker<'_, '_>) -> Option<String> {
    let MeshSpec { trust_domain } = spec;
    let name = trust_domain.as_ref()?;
    if !names::is_trust_domain(&name.value) {
        let message = format!(
            "`{}` is no trust domain: write lower-case letters, digits, dots, hyphens and underscores",
            name.value
        );
        checker.refuse(name.referenced, message);
    }
    Some(name.value.clone())
}
