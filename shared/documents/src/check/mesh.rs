//! `Mesh`: what holds for all services.

use super::{Checker, LocatedDocument};
use crate::error::Report;
use crate::model::{Connections, Keepalive, Mesh};
use crate::names;
use crate::wire::{self, AuthorizationDefault, MeshSpec, Tracing, Verify};
use outrider_policy::Lifetimes;
use serde_saphyr::Spanned;
use std::time::Duration;

/// The trust domain where no `Mesh` says another.
const TRUST_DOMAIN_DEFAULT: &str = "outrider.local";

/// Checks the one `Mesh` there may be.
pub(crate) fn check_meshes(meshes: &[LocatedDocument<MeshSpec>], report: &mut Report<'_>) -> Mesh {
    let mut mesh = Mesh {
        trust_domain: TRUST_DOMAIN_DEFAULT.to_owned(),
        sampled_per_million: None,
        verify: Verify::default(),
        connections: Connections::default(),
        authorization_default: AuthorizationDefault::default(),
    };
    let mut first = None;
    for LocatedDocument { origin, document } in meshes {
        let mut checker = Checker::new(*origin, report);
        checker.identity(&document.metadata);
        let at = document.metadata.name.referenced;
        if let Some(first) = first {
            let message = format!("there is another Mesh at {}", checker.name(first));
            checker.refuse(at, message);
        }
        first = first.or(Some(checker.place(at)));
        let MeshSpec {
            trust_domain,
            tracing,
            registration,
            connections,
            authorization,
        } = &document.spec;
        if let Some(name) = trust_domain {
            mesh.trust_domain = check_trust_domain(name, &mut checker);
        }
        if let Some(tracing) = tracing {
            mesh.sampled_per_million = check_tracing(tracing, &mut checker);
        }
        let verify = registration.as_ref().and_then(|it| it.verify.as_ref());
        if let Some(verify) = verify {
            mesh.verify = verify.value;
        }
        if let Some(connections) = connections {
            mesh.connections = check_connections(connections, &mut checker);
        }
        let default = authorization.as_ref().and_then(|it| it.default.as_ref());
        if let Some(default) = default {
            mesh.authorization_default = default.value;
        }
    }
    mesh
}

fn check_trust_domain(name: &Spanned<String>, checker: &mut Checker<'_, '_>) -> String {
    if !names::is_trust_domain(&name.value) {
        let message = format!(
            "`{}` is no trust domain: write lower-case letters, digits, dots, hyphens and underscores",
            name.value
        );
        checker.refuse(name.referenced, message);
    }
    name.value.clone()
}

/// The share in parts per million; below one part nothing is sampled.
fn check_tracing(tracing: &Tracing, checker: &mut Checker<'_, '_>) -> Option<u32> {
    let Tracing { sample_percent } = tracing;
    let percent = sample_percent.as_ref()?;
    if !(0.0..=100.0).contains(&percent.value) {
        let message = format!("{} is out of range: 0 to 100", percent.value);
        checker.refuse(percent.referenced, message);
        return None;
    }
    Some((percent.value * 10_000.0).round() as u32)
}

fn check_connections(spec: &wire::Connections, checker: &mut Checker<'_, '_>) -> Connections {
    let wire::Connections {
        handshake_timeout,
        header_timeout,
        stalled_timeout,
        idle_timeout,
        max_age,
        keepalive,
        foreign_keepalive,
    } = spec;
    let mut check_keepalive = |spec: &Option<wire::Keepalive>, least| {
        spec.as_ref().map(|spec| Keepalive {
            interval: checker.duration_from(&spec.interval, least),
            timeout: checker.duration(&spec.timeout),
        })
    };
    Connections {
        keepalive: check_keepalive(keepalive, Duration::ZERO),
        foreign_keepalive: check_keepalive(foreign_keepalive, Lifetimes::FOREIGN_KEEPALIVE_MIN),
        handshake_timeout: checker.duration(handshake_timeout),
        header_timeout: checker.duration(header_timeout),
        stalled_timeout: checker.duration(stalled_timeout),
        idle_timeout: checker.duration_or_off(idle_timeout),
        max_age: checker.duration_or_off(max_age),
    }
}
