//! References from routes and policies to services.

use super::Checker;
use crate::model::Service;
use crate::names;
use crate::wire::{BackendRef, Reference};
use serde_saphyr::{Location, Spanned};
use std::collections::BTreeMap;

/// Groups under which a Service is known: the Gateway API's for core Services, and ours.
const SERVICE_GROUPS: [&str; 3] = ["", "core", "outrider.dev"];

/// All services, to look references up.
pub(crate) struct Directory<'s> {
    services: BTreeMap<&'s str, &'s Service>,
    /// Some document could not be read: it may be what a reference is looking for.
    pub incomplete: bool,
}

impl<'s> Directory<'s> {
    pub fn new(services: &'s [Service], incomplete: bool) -> Directory<'s> {
        let services = services
            .iter()
            .map(|service| (service.name.as_str(), service));
        Directory {
            services: services.collect(),
            incomplete,
        }
    }

    /// Resolves a `parentRefs` or `targetRefs` entry of a document in `namespace`.
    pub fn find(
        &self,
        reference: &Reference,
        namespace: &str,
        checker: &mut Checker<'_, '_>,
    ) -> Option<&'s Service> {
        let Reference {
            group,
            kind,
            name,
            namespace: other,
            port,
            section_name,
        } = reference;
        checker.enforced(&[("port", port), ("sectionName", section_name)]);
        let kind_is_service = kind.as_ref().is_some_and(|kind| kind.value == "Service");
        if !kind_is_service {
            let at = kind
                .as_ref()
                .map_or(name.referenced, |kind| kind.referenced);
            checker.refuse(at, "only a reference with `kind: Service` is enforced");
        }
        check_group(group.as_ref(), checker);
        self.look_up(name, other.as_ref(), namespace, checker)
    }

    /// Resolves an entry of `backendRefs`; its `kind` is Service by default.
    pub fn find_backend(
        &self,
        backend: &BackendRef,
        namespace: &str,
        checker: &mut Checker<'_, '_>,
    ) -> Option<&'s Service> {
        let BackendRef {
            group,
            kind,
            name,
            namespace: other,
            port,
            weight: _,
            filters,
        } = backend;
        checker.enforced(&[("port", port), ("filters", filters)]);
        if let Some(kind) = kind.as_ref().filter(|kind| kind.value != "Service") {
            checker.refuse(
                kind.referenced,
                "only a reference with `kind: Service` is enforced",
            );
        }
        check_group(group.as_ref(), checker);
        self.look_up(name, other.as_ref(), namespace, checker)
    }

    fn look_up(
        &self,
        name: &Spanned<String>,
        other: Option<&Spanned<String>>,
        own: &str,
        checker: &mut Checker<'_, '_>,
    ) -> Option<&'s Service> {
        let namespace = other.map_or(own, |other| other.value.as_str());
        let found = self.services.get(name.value.as_str()).copied();
        let found = found.filter(|service| service.namespace == namespace);
        if found.is_none() && !self.incomplete {
            let message = format!(
                "there is no Service `{}` in namespace `{namespace}`",
                name.value
            );
            checker.refuse(name.referenced, message);
        }
        found
    }
}

fn check_group(group: Option<&Spanned<String>>, checker: &mut Checker<'_, '_>) {
    if let Some(group) = group.filter(|group| !SERVICE_GROUPS.contains(&group.value.as_str())) {
        let message = format!(
            "no Service is in group `{}`: write \"\", core or outrider.dev",
            group.value
        );
        checker.refuse(group.referenced, message);
    }
}

/// Is the gRPC service one that this service says it implements?
pub(super) fn check_implements(
    service: &Service,
    grpc_service: &str,
    at: Location,
    checker: &mut Checker<'_, '_>,
) {
    let listed = service
        .grpc_services
        .iter()
        .any(|name| name == grpc_service);
    if !listed && !names::is_everybodys(grpc_service) {
        let message = format!(
            "Service `{}` does not list `{grpc_service}` in its grpcServices",
            service.name
        );
        checker.refuse(at, message);
    }
}
