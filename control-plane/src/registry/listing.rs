//! What is published and shown of the leases: endpoints, the state of each lease, counts.
//!
//! Changes no lease. The endpoints are kept as last published, so that an update costs only what has
//! changed.

use std::collections::BTreeSet;
use std::time::Duration;

use outrider_documents::{Registered, RegisteredService};

use super::change::{Announced, Registration, ServiceName};
use super::lease::Leases;
use super::lease_state::LeaseState;

/// A lease as the admin page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedLease {
    /// Whose it is.
    pub registration: Registration,
    /// Its state.
    pub state: LeaseState,
    /// It was announced since this process started.
    pub heard: bool,
}

/// The leases in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseCounts {
    /// Services that are known.
    pub services: usize,
    /// Leases that hold.
    pub live: usize,
    /// Leases that have just run out.
    pub lapsed: usize,
    /// Leases kept although they have run out.
    pub stale: usize,
    /// For how much longer no silent instance is removed.
    pub grace: Duration,
}

impl Leases {
    /// The endpoints, if they may have changed since the last publication. Costs what has changed.
    pub fn take_update(&mut self) -> Option<Registered> {
        if self.changed_names.is_empty() {
            return None;
        }
        for name in std::mem::take(&mut self.changed_names) {
            let candidates = self.candidates(&name);
            self.published.set(&name, candidates);
        }
        Some(self.published.clone())
    }

    /// The endpoints now.
    pub fn registered(&self) -> Registered {
        let names: BTreeSet<&str> = self.services.keys().map(|it| it.service.as_str()).collect();
        let named = names.into_iter();
        named
            .map(|name| (name.to_owned(), self.candidates(name)))
            .collect()
    }

    /// The services of that name in all namespaces, oldest first.
    fn candidates(&self, name: &str) -> Vec<RegisteredService> {
        let first = ServiceName {
            service: name.to_owned(),
            namespace: String::new(),
        };
        let sharing = self.services.range(first..);
        let sharing = sharing.take_while(|(it, _)| it.service == name);
        let mut by_rank: Vec<_> = sharing.collect();
        by_rank.sort_by_key(|(it, service)| (service.rank, &it.namespace));
        let candidates = by_rank.into_iter().map(|(it, service)| RegisteredService {
            namespace: it.namespace.clone(),
            addresses: service.endpoints().collect(),
        });
        candidates.collect()
    }

    /// How many leases are in each state.
    pub fn counts(&self, now: Duration) -> LeaseCounts {
        let mut counts = LeaseCounts {
            services: self.services.len(),
            grace: self.grace(now),
            ..LeaseCounts::default()
        };
        for lease in self.services.values().flat_map(|it| it.leases.values()) {
            match lease.state {
                LeaseState::Live { .. } => counts.live += 1,
                LeaseState::Lapsed { .. } => counts.lapsed += 1,
                LeaseState::Stale { .. } => counts.stale += 1,
            }
        }
        counts
    }

    /// All leases, by service and address.
    pub fn list(&self) -> Vec<ListedLease> {
        let services = self.services.iter();
        let listed = services.flat_map(|(name, service)| {
            service.leases.iter().map(|(address, lease)| ListedLease {
                registration: Registration {
                    announced: Announced {
                        name: name.clone(),
                        member: lease.member,
                        instance: lease.instance.clone(),
                        address: *address,
                    },
                    joined_unix_ms: lease.joined_unix_ms,
                },
                state: lease.state,
                heard: lease.heard,
            })
        });
        listed.collect()
    }
}
