//! `Service`: its names, its transport and its endpoints.

use super::{Checker, LocatedDocument};
use crate::error::{Place, Report};
use crate::model::{self, Service, TrafficPolicy};
use crate::names::{self, Address, Host};
use crate::wire::{AddressFamily, Endpoints, ServiceSpec, StaticEndpoint, Tls};
use serde_saphyr::Spanned;
use std::collections::{BTreeMap, BTreeSet};

/// Most entries of `endpoints.static`: more than people write by hand.
const ENDPOINTS_MAX: usize = 10_000;

/// Checks all services; what two of them claim is refused at the second.
pub(crate) fn check_services(
    services: &[LocatedDocument<ServiceSpec>],
    report: &mut Report<'_>,
) -> Vec<Service> {
    let mut claims = Claims::default();
    let mut checked: Vec<Service> = services
        .iter()
        .map(|LocatedDocument { origin, document }| {
            let mut checker = Checker::new(*origin, report);
            let (namespace, name) = checker.identity(&document.metadata);
            claims.name(&document.metadata.name, &mut checker);
            check_service(namespace, name, &document.spec, &mut claims, &mut checker)
        })
        .collect();
    checked.sort_by(|a, b| a.name.cmp(&b.name));
    checked
}

fn check_service(
    namespace: String,
    name: String,
    spec: &ServiceSpec,
    claims: &mut Claims,
    checker: &mut Checker<'_, '_>,
) -> Service {
    let ServiceSpec {
        grpc_services,
        tls,
        endpoints,
    } = spec;
    for grpc_service in grpc_services {
        check_grpc_service(grpc_service, checker);
        claims.grpc_service(grpc_service, &name, checker);
    }
    Service {
        name,
        namespace,
        grpc_services: grpc_services
            .iter()
            .map(|name| name.value.clone())
            .collect(),
        tls: tls.as_ref().map_or(Tls::default(), |tls| tls.value),
        endpoints: check_transport(tls.as_ref(), endpoints.as_ref(), checker),
        policy: TrafficPolicy::default(),
        rules: Vec::new(),
        authorization: Vec::new(),
    }
}

fn check_grpc_service(name: &Spanned<String>, checker: &mut Checker<'_, '_>) {
    let text = &name.value;
    if !names::is_grpc_service(text) {
        let message =
            format!("`{text}` is no gRPC service: write its full name, such as shop.v1.Orders");
        checker.refuse(name.referenced, message);
    } else if names::is_everybodys(text) {
        let message = format!("`{text}` is implemented by every server and cannot be claimed");
        checker.refuse(name.referenced, message);
    }
}

/// An instance that registers announces the port of a sidecar, which speaks mutual TLS alone; and only TLS tells
/// whether an address that was registered once is still the service's.
fn check_transport(
    tls: Option<&Spanned<Tls>>,
    endpoints: Option<&Spanned<Endpoints>>,
    checker: &mut Checker<'_, '_>,
) -> model::Endpoints {
    let checked = check_endpoints(endpoints, checker);
    if let Some(tls) = tls
        && tls.value == Tls::None
        && matches!(checked, model::Endpoints::Registered(_))
        && endpoints.is_none_or(|it| it.value.fixed.is_none())
    {
        checker.refuse(
            tls.referenced,
            "`tls: none` is for endpoints that are `static`: those that register are reached by \
             mutual TLS alone; leave `tls` out, or write the endpoints",
        );
    }
    checked
}

fn check_endpoints(
    endpoints: Option<&Spanned<Endpoints>>,
    checker: &mut Checker<'_, '_>,
) -> model::Endpoints {
    let Some(endpoints) = endpoints else {
        return model::Endpoints::Registered(Vec::new());
    };
    match &endpoints.value {
        Endpoints {
            fixed: Some(fixed),
            registered: None,
            address_family,
        } => {
            let addresses = check_addresses(fixed, checker);
            let family = check_family(address_family.as_ref(), &addresses, checker);
            return model::Endpoints::Static(addresses, family);
        }
        Endpoints {
            address_family: Some(family),
            ..
        } => checker.refuse(
            family.referenced,
            "`addressFamily` is of the names in `static`: what registers is an address",
        ),
        Endpoints {
            fixed: None,
            registered: Some(_),
            address_family: None,
        } => {}
        Endpoints {
            fixed: None,
            registered: None,
            address_family: None,
        } => checker.refuse(
            endpoints.referenced,
            "`endpoints` says nothing: write `registered: {}` or `static`",
        ),
        Endpoints {
            fixed: Some(_),
            registered: Some(registered),
            address_family: None,
        } => checker.refuse(
            registered.referenced,
            "endpoints are either `static` or `registered`, not both",
        ),
    }
    model::Endpoints::Registered(Vec::new())
}

fn check_family(
    family: Option<&Spanned<AddressFamily>>,
    addresses: &[Address],
    checker: &mut Checker<'_, '_>,
) -> AddressFamily {
    let Some(family) = family else {
        return AddressFamily::default();
    };
    let is_address = |address: &Address| matches!(address.host, Host::Ip(_));
    if addresses.iter().all(is_address) {
        let message = "`addressFamily` is of host names, and `static` has none";
        checker.refuse(family.referenced, message);
    }
    family.value
}

fn check_addresses(
    endpoints: &Spanned<Vec<StaticEndpoint>>,
    checker: &mut Checker<'_, '_>,
) -> Vec<Address> {
    checker.length("static", endpoints, ENDPOINTS_MAX);
    let mut seen = BTreeSet::new();
    let mut addresses = Vec::new();
    for StaticEndpoint { address } in &endpoints.value {
        let text = &address.value;
        match Address::parse(text) {
            None => {
                let message =
                    format!("`{text}` is no address: write host:port, such as 127.0.0.1:9001");
                checker.refuse(address.referenced, message);
            }
            Some(parsed) if !seen.insert(parsed.clone()) => {
                checker.refuse(address.referenced, format!("`{text}` is listed twice"));
            }
            Some(parsed) => addresses.push(parsed),
        }
    }
    addresses
}

/// Who was the first to use a name.
#[derive(Default)]
struct Claims {
    services: BTreeMap<String, Place>,
    grpc_services: BTreeMap<String, (String, Place)>,
}

impl Claims {
    // Authorities carry no namespace yet, so a name is unique over all of them.
    fn name(&mut self, name: &Spanned<String>, checker: &mut Checker<'_, '_>) {
        let place = checker.place(name.referenced);
        if name.value == "localhost" {
            let message = "`localhost` is this machine and cannot be a service";
            checker.refuse(name.referenced, message);
        }
        if let Some(first) = self.services.get(&name.value) {
            let message = format!(
                "Service `{}` is already at {}; a name is used once, in all namespaces together",
                name.value,
                checker.name(*first)
            );
            checker.refuse(name.referenced, message);
        }
        self.services.entry(name.value.clone()).or_insert(place);
    }

    fn grpc_service(&mut self, name: &Spanned<String>, by: &str, checker: &mut Checker<'_, '_>) {
        let place = checker.place(name.referenced);
        if let Some((owner, first)) = self.grpc_services.get(&name.value) {
            let message = format!(
                "`{}` is already claimed by Service `{owner}` at {}",
                name.value,
                checker.name(*first)
            );
            checker.refuse(name.referenced, message);
        }
        let claim = (by.to_owned(), place);
        self.grpc_services
            .entry(name.value.clone())
            .or_insert(claim);
    }
}
