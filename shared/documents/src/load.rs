//! A set of files to one configuration: all of it, or every reason why not.

use crate::check::{self, Directory, LocatedAuthorization, LocatedDocument};
use crate::error::{DocumentError, Place, Report, Warning};
use crate::kind::Kind;
use crate::model::Documents;
use crate::stream::{self, Text};
use crate::wire::{
    AuthorizationPolicySpec, GrpcRouteSpec, Head, MeshSpec, ServiceSpec, TrafficPolicySpec,
};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Loads a set of files, each as (name, text), as one configuration. The order of
/// the files decides nothing. No I/O happens here.
///
/// # Errors
/// Everything that is wrong in all the files, in their order.
pub fn load(files: &[(&str, &str)]) -> Result<Documents, Vec<DocumentError>> {
    Ok(load_located(files)?.documents)
}

/// As [`load`], with the places of what decides who may call.
pub(crate) fn load_located(files: &[(&str, &str)]) -> Result<Checked, Vec<DocumentError>> {
    let mut report = Report::new(files);
    let checked = check(&parse(files, &mut report), &mut report);
    if report.is_empty() {
        Ok(checked)
    } else {
        Err(report.into_errors())
    }
}

/// What is right in a set of files and does nothing, in their order: for people who check what they
/// write. No I/O happens here.
pub fn warnings(files: &[(&str, &str)]) -> Vec<Warning> {
    let mut report = Report::new(files);
    check(&parse(files, &mut report), &mut report);
    report.into_warnings()
}

/// The documents of all files by kind, in order; those that do not parse are left out.
#[derive(Default)]
struct Parsed {
    meshes: Vec<LocatedDocument<MeshSpec>>,
    services: Vec<LocatedDocument<ServiceSpec>>,
    routes: Vec<LocatedDocument<GrpcRouteSpec>>,
    policies: Vec<LocatedDocument<TrafficPolicySpec>>,
    authorizations: Vec<LocatedDocument<AuthorizationPolicySpec>>,
}

fn parse(files: &[(&str, &str)], report: &mut Report<'_>) -> Parsed {
    let mut parsed = Parsed::default();
    for (index, (_, text)) in files.iter().enumerate() {
        for text in stream::split(index, text) {
            if let Some(head) = text.parse::<Head>(report) {
                parsed.add(&text, &head, report);
            }
        }
    }
    parsed
}

impl Parsed {
    fn add(&mut self, text: &Text<'_>, head: &Head, report: &mut Report<'_>) {
        let (Some(version), Some(kind)) = (&head.api_version, &head.kind) else {
            report.push(text.place(), "a document needs `apiVersion` and `kind`");
            return;
        };
        match Kind::find(&version.value, &kind.value) {
            Ok(Kind::Mesh) => self.meshes.extend(parse_as(text, report)),
            Ok(Kind::Service) => self.services.extend(parse_as(text, report)),
            Ok(Kind::TrafficPolicy) => self.policies.extend(parse_as(text, report)),
            Ok(Kind::AuthorizationPolicy) => self.authorizations.extend(parse_as(text, report)),
            Ok(Kind::GrpcRoute) => self.routes.extend(parse_as(text, report)),
            Err(problem) => report.push(text.origin.place(kind.referenced), problem),
        }
    }
}

impl Parsed {
    fn authorization_default(&self) -> Option<Place> {
        self.meshes.iter().find_map(|mesh| {
            let written = mesh
                .document
                .spec
                .authorization
                .as_ref()?
                .default
                .as_ref()?;
            Some(mesh.origin.place(written.referenced))
        })
    }
}

fn parse_as<Spec: DeserializeOwned>(
    text: &Text<'_>,
    report: &mut Report<'_>,
) -> Option<LocatedDocument<Spec>> {
    let document = text.parse(report)?;
    let origin = text.origin;
    Some(LocatedDocument { origin, document })
}

/// The documents, and where in the files their authorization stands.
pub(crate) struct Checked {
    pub documents: Documents,
    /// By service; as many for each as it has policies, in the same order.
    pub authorizations: BTreeMap<String, Vec<LocatedAuthorization>>,
    /// `authorization.default` of the Mesh, if it is written.
    pub authorization_default_at: Option<Place>,
}

fn check(parsed: &Parsed, report: &mut Report<'_>) -> Checked {
    let incomplete = !report.is_empty();
    check::check_names("TrafficPolicy", &parsed.policies, report);
    check::check_names("AuthorizationPolicy", &parsed.authorizations, report);
    check::check_names("GRPCRoute", &parsed.routes, report);
    let mesh = check::check_meshes(&parsed.meshes, report);
    let mut services = check::check_services(&parsed.services, report);
    let directory = Directory::new(&services, incomplete);
    let mut policies = check::check_policies(&parsed.policies, &directory, report);
    let mut rules = check::check_routes(&parsed.routes, &policies, &directory, report);
    let domain = &mesh.trust_domain;
    let authorizations =
        check::check_authorizations(&parsed.authorizations, domain, &directory, report);
    for service in &mut services {
        let located = authorizations.get(&service.name).into_iter().flatten();
        service.authorization = located.map(|located| located.policy.clone()).collect();
        service.policy = policies.remove(&service.name).unwrap_or_default();
        service.rules = rules.remove(&service.name).unwrap_or_default();
    }
    Checked {
        documents: Documents { mesh, services },
        authorizations,
        authorization_default_at: parsed.authorization_default(),
    }
}
