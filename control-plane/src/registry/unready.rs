//! Who announces itself and takes no calls: no endpoint, and shown with its reason.
//!
//! StoredRegistry for as long as an announcement holds, in a grace too: it is a word and no guess. Nothing of
//! it is written down.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::change::{Announced, ServiceName};
use super::lease::{LEASE, LEASES_MAX, Leases};
use crate::members::MemberId;

/// An instance that takes no calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unready {
    /// Tells two runs at one address apart.
    pub instance: String,
    /// Why, as the instance says; may be empty.
    pub because: String,
    /// Since when, whatever the reason was. Milliseconds since 1970-01-01 UTC.
    pub since_unix_ms: i64,
    until: Duration,
}

/// Those of one service. Of an address each member speaks for itself.
#[derive(Debug, Default)]
pub(super) struct UnreadyInstances(BTreeMap<(SocketAddr, MemberId), Unready>);

impl UnreadyInstances {
    /// An instance says why. Beyond as many as there may be leases nothing is noted: then only the
    /// reason is not shown.
    pub fn note(&mut self, now: Duration, unix_ms: i64, announced: &Announced, because: &str) {
        let key = (announced.address, announced.member);
        let before = self.0.get(&key);
        if before.is_none() && self.0.len() >= LEASES_MAX {
            return;
        }
        let same = before.filter(|before| before.instance == announced.instance);
        let unready = Unready {
            instance: announced.instance.clone(),
            because: because.to_owned(),
            since_unix_ms: same.map_or(unix_ms, |before| before.since_unix_ms),
            until: now + LEASE,
        };
        self.0.insert(key, unready);
    }

    /// The member takes calls at that address.
    pub fn replace(&mut self, announced: &Announced) {
        self.0.remove(&(announced.address, announced.member));
    }

    /// That run is over; a later one at its address is not.
    pub fn forget(&mut self, announced: &Announced) {
        let key = (announced.address, announced.member);
        let noted = self.0.get(&key);
        if noted.is_some_and(|noted| noted.instance == announced.instance) {
            self.0.remove(&key);
        }
    }

    /// Forgets who has been silent for too long.
    pub fn sweep(&mut self, now: Duration) {
        self.0.retain(|_, unready| now < unready.until);
    }
}

impl Leases {
    /// Who takes no calls, by service and address.
    pub fn list_unready(&self) -> Vec<(ServiceName, SocketAddr, Unready)> {
        let services = self.services.iter();
        let listed = services.flat_map(|(name, service)| {
            let unready = service.unready.0.iter();
            unready.map(|((address, _), it)| (name.clone(), *address, it.clone()))
        });
        listed.collect()
    }
}
