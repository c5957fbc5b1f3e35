//! Services that have registered, and what becomes of them beside the documents.
//!
//! A document decides: of the registrations of its name only those of its namespace count, and
//! only if it has `registered` endpoints. A name without a document belongs to whoever registered
//! it first and is a service of its authority alone: which gRPC services it implements only a
//! document may say, or anybody could claim one. Knows no leases: what is here is there.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::model::{Documents, Endpoints, Service, TrafficPolicy};
use crate::wire::Tls;

/// Who has registered. The default is nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registered {
    /// By the name of the service; of each namespace at most one, the first to register first.
    pub services: BTreeMap<String, Vec<RegisteredService>>,
}

/// The instances of a service of one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredService {
    /// The namespace in the identity of those who registered.
    pub namespace: String,
    /// Where the inbound ports of their sidecars are; ordered, none twice. None: it is known, and
    /// nobody serves now.
    pub addresses: Vec<SocketAddr>,
}

/// A registration that has no effect, because its name belongs to another namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contested {
    /// The name.
    pub service: String,
    /// The namespace whose registration has no effect.
    pub namespace: String,
    /// The namespace that has the name.
    pub owner: String,
}

impl Documents {
    /// The registrations that have no effect, in order.
    pub fn contested(&self, registered: &Registered) -> Vec<Contested> {
        let mut contested = Vec::new();
        for (name, candidates) in &registered.services {
            let written = self.namespace_of(name);
            let first = candidates.first().map(|first| first.namespace.as_str());
            let Some(owner) = written.or(first) else {
                continue;
            };
            let others = candidates.iter().filter(|other| other.namespace != owner);
            contested.extend(others.map(|other| Contested {
                service: name.clone(),
                namespace: other.namespace.clone(),
                owner: owner.to_owned(),
            }));
        }
        contested
    }
}

/// The services of the documents with the addresses that registered, and those that only
/// registered, ordered by name.
pub(crate) fn join(documents: &Documents, registered: &Registered) -> Vec<Service> {
    let written = documents.services.iter();
    let mut services: Vec<Service> = written.map(|service| fill(service, registered)).collect();
    let unwritten = registered.services.iter().filter_map(|(name, candidates)| {
        let first = candidates.first()?;
        let known = documents.namespace_of(name).is_some();
        (!known).then(|| undocumented(name, first))
    });
    services.extend(unwritten);
    services.sort_by(|a, b| a.name.cmp(&b.name));
    services
}

fn fill(service: &Service, registered: &Registered) -> Service {
    let mut service = service.clone();
    if let Endpoints::Registered(addresses) = &mut service.endpoints {
        let mut candidates = registered.services.get(&service.name).into_iter().flatten();
        if let Some(own) = candidates.find(|other| other.namespace == service.namespace) {
            addresses.clone_from(&own.addresses);
        }
    }
    service
}

/// What a service is of which no document says anything.
fn undocumented(name: &str, registered: &RegisteredService) -> Service {
    Service {
        name: name.to_owned(),
        namespace: registered.namespace.clone(),
        grpc_services: Vec::new(),
        tls: Tls::default(),
        endpoints: Endpoints::Registered(registered.addresses.clone()),
        policy: TrafficPolicy::default(),
        rules: Vec::new(),
    }
}
