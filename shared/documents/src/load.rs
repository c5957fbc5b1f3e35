//! A set of files to one configuration: all of it, or every reason why not.

use crate::check::{self, Directory, LocatedDocument};
use crate::error::{DocumentError, Report, Warning};
use crate::kind::Kind;
use crate::model::Documents;
use crate::stream::{self, Text};
use crate::wire::{GrpcRouteSpec, Head, MeshSpec, ServiceSpec, TrafficPolicySpec};
use serde::de::DeserializeOwned;

/// Loads a set of files, each as (name, text), as one configuration. The order of
/// the files decides nothing. No I/O happens here.
///
/// # Errors
/// Everything that is wrong in all the files, in their order.
pub fn load(files: &[(&str, &str)]) -> Result<Documents, Vec<DocumentError>> {
    let mut report = Report::new(files);
    let parsed = parse(files, &mut report);
    let documents = check(&parsed, &mut report);
    if report.is_empty() {
        Ok(documents)
    } else {
        Err(report.into_errors())
    }
}

/// What is right in a set of files and does nothing, in their order: for people who check what they
/// write. No I/O happens here.
pub fn warnings(files: &[(&str, &str)]) -> Vec<Warning> {
    let mut report = Report::new(files);
    let parsed = parse(files, &mut report);
    check(&parsed, &mut report);
    report.into_warnings()
}

/// The documents of all files by kind, in order; those that do not parse are left out.
#[derive(Default)]
struct Parsed {
    meshes: Vec<LocatedDocument<MeshSpec>>,
    services: Vec<LocatedDocument<ServiceSpec>>,
    routes: Vec<LocatedDocument<GrpcRouteSpec>>,
    policies: Vec<LocatedDocument<TrafficPolicySpec>>,
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
            Ok(Kind::GrpcRoute) => self.routes.extend(parse_as(text, report)),
            Err(problem) => report.push(text.origin.place(kind.referenced), problem),
        }
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

fn check(parsed: &Parsed, report: &mut Report<'_>) -> Documents {
    let incomplete = !report.is_empty();
    check::check_names("TrafficPolicy", &parsed.policies, report);
    check::check_names("GRPCRoute", &parsed.routes, report);
    let mesh = check::check_meshes(&parsed.meshes, report);
    let mut services = check::check_services(&parsed.services, report);
    let directory = Directory::new(&services, incomplete);
    let mut policies = check::check_policies(&parsed.policies, &directory, report);
    let mut rules = check::check_routes(&parsed.routes, &policies, &directory, report);
    for service in &mut services {
        service.policy = policies.remove(&service.name).unwrap_or_default();
        service.rules = rules.remove(&service.name).unwrap_or_default();
    }
    Documents { mesh, services }
}
