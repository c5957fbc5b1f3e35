//! Registered services, and how they combine with the documents.
//!
//! A document decides: of the registrations of its name only those of its namespace count, and
//! only if it has `registered` endpoints. A name without a document belongs to the namespace
//! that registered it first, and calls reach it by authority alone: which gRPC services it implements
//! only a document may say, or any member could claim one. Knows no leases.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync;

use crate::model::{Documents, Endpoints, Service, TrafficPolicy};
use crate::wire::Tls;

/// The registered services. The default is none. A clone is cheap: it shares its contents with the
/// original.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registered {
    /// By the name of the service.
    services: RedBlackTreeMapSync<String, Arc<[RegisteredService]>>,
}

impl Registered {
    /// The services registered under a name: at most one of each namespace, the first to register first.
    pub fn of(&self, name: &str) -> &[RegisteredService] {
        self.services.get(name).map_or(&[], |candidates| candidates)
    }

    /// Every name, in order, with the services registered under it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[RegisteredService])> {
        let services = self.services.iter();
        services.map(|(name, candidates)| (name.as_str(), &**candidates))
    }

    /// From now on these have registered under the name; without any it is not known.
    pub fn set(&mut self, name: &str, candidates: Vec<RegisteredService>) {
        if candidates.is_empty() {
            self.services.remove_mut(name);
        } else {
            self.services.insert_mut(name.to_owned(), candidates.into());
        }
    }

    /// The names under which something else has registered than `before`. Costs a comparison of
    /// pointers for each name that is the same.
    fn changed<'r>(&'r self, before: &'r Registered) -> BTreeSet<&'r str> {
        let [before, after] = [before, self].map(|all| all.services.iter());
        differing(
            before.map(|(name, candidates)| (name.as_str(), candidates)),
            after.map(|(name, candidates)| (name.as_str(), candidates)),
            |one, other| Arc::ptr_eq(one, other) || one == other,
        )
    }
}

impl FromIterator<(String, Vec<RegisteredService>)> for Registered {
    fn from_iter<I: IntoIterator<Item = (String, Vec<RegisteredService>)>>(services: I) -> Self {
        let mut registered = Registered::default();
        for (name, candidates) in services {
            registered.set(&name, candidates);
        }
        registered
    }
}

/// The instances of a service of one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredService {
    /// The namespace in the identity of the instances.
    pub namespace: String,
    /// The inbound ports of their sidecars; ordered, none twice. Empty: the service is known, and no
    /// instance serves now.
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
        let names = registered.iter().map(|(name, _)| name);
        names
            .flat_map(|name| self.contested_of(name, registered))
            .collect()
    }

    /// Those of one name.
    pub fn contested_of(&self, name: &str, registered: &Registered) -> Vec<Contested> {
        let candidates = registered.of(name);
        let first = candidates.first().map(|first| first.namespace.as_str());
        let Some(owner) = self.namespace_of(name).or(first) else {
            return Vec::new();
        };
        let others = candidates.iter().filter(|other| other.namespace != owner);
        let contested = others.map(|other| Contested {
            service: name.to_owned(),
            namespace: other.namespace.clone(),
            owner: owner.to_owned(),
        });
        contested.collect()
    }
}

/// The names of services of which something differs between two states. `None`: of all of them, as
/// what holds for all services does.
pub fn changed_services<'s>(
    before: (&'s Documents, &'s Registered),
    after: (&'s Documents, &'s Registered),
) -> Option<BTreeSet<&'s str>> {
    let mut names = after.1.changed(before.1);
    if std::ptr::eq(before.0, after.0) {
        return Some(names);
    }
    if before.0.mesh != after.0.mesh {
        return None;
    }
    let [before, after] = [before.0, after.0].map(|documents| documents.services.iter());
    names.extend(differing(
        before.map(|service| (service.name.as_str(), service)),
        after.map(|service| (service.name.as_str(), service)),
        |one, other| one == other,
    ));
    Some(names)
}

/// The names of which only one has something, or the two something else. Both are in order.
fn differing<'n, T: Copy>(
    before: impl Iterator<Item = (&'n str, T)>,
    after: impl Iterator<Item = (&'n str, T)>,
    same: impl Fn(T, T) -> bool,
) -> BTreeSet<&'n str> {
    let (mut before, mut after) = (before.peekable(), after.peekable());
    let mut names = BTreeSet::new();
    loop {
        let next = match (before.peek(), after.peek()) {
            (None, None) => return names,
            (Some((name, _)), None) | (None, Some((name, _))) => *name,
            (Some((one, _)), Some((other, _))) => *one.min(other),
        };
        let is_next = |(name, _): &(&str, T)| *name == next;
        match (before.next_if(is_next), after.next_if(is_next)) {
            (Some((_, one)), Some((_, other))) if same(one, other) => {}
            _ => drop(names.insert(next)),
        }
    }
}

/// A service of the documents with the addresses that registered, or one that only registered; `None`:
/// there is none of that name.
pub(crate) fn find(documents: &Documents, registered: &Registered, name: &str) -> Option<Service> {
    let candidates = registered.of(name);
    match documents.service(name) {
        Some(service) => Some(fill(service, candidates)),
        None => candidates.first().map(|first| undocumented(name, first)),
    }
}

/// The names of all of them, in order.
pub(crate) fn names<'s>(
    documents: &'s Documents,
    registered: &'s Registered,
) -> impl Iterator<Item = &'s str> {
    let registered = registered.iter().map(|(name, _)| name);
    let all: BTreeSet<&str> = documents.service_names().chain(registered).collect();
    all.into_iter()
}

fn fill(service: &Service, candidates: &[RegisteredService]) -> Service {
    let mut service = service.clone();
    if let Endpoints::Registered(addresses) = &mut service.endpoints {
        let mut candidates = candidates.iter();
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
        authorization: Vec::new(),
    }
}
