//! Instances that announce that they take no calls: no endpoints, but shown with their reason.
//!
//! Kept as long as an announcement holds, also during grace, and never stored.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::change::{Announced, ServiceName};
use super::lease::{LEASE, LEASES_MAX, Leases};
use crate::members::MemberId;

/// An instance that takes no calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unready {
    /// Distinguishes two runs at one address.
    pub instance: String,
    /// Why, as the instance says; may be empty.
    pub because: String,
    /// Since when, whatever the reason was. Milliseconds since 1970-01-01 UTC.
    pub since_unix_ms: i64,
    until: Duration,
}

/// The unready instances of one service, by address and member.
#[derive(Debug, Default)]
pub(super) struct UnreadyInstances(BTreeMap<(SocketAddr, MemberId), Unready>);

impl UnreadyInstances {
    /// Records an instance with its reason; ignored when there are as many as leases are allowed.
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

    /// That run is over; a later run at its address stays.
    pub fn forget(&mut self, announced: &Announced) {
        let key = (announced.address, announced.member);
        let noted = self.0.get(&key);
        if noted.is_some_and(|noted| noted.instance == announced.instance) {
            self.0.remove(&key);
        }
    }

    /// Removes instances that have been silent for too long.
    pub fn sweep(&mut self, now: Duration) {
        self.0.retain(|_, unready| now < unready.until);
    }
}

impl Leases {
    /// The instances that take no calls, by service and address.
    pub fn list_unready(&self) -> Vec<(ServiceName, SocketAddr, Unready)> {
        let services = self.services.iter();
        let listed = services.flat_map(|(name, service)| {
            let unready = service.unready.0.iter();
            unready.map(|((address, _), it)| (name.clone(), *address, it.clone()))
        });
        listed.collect()
    }
}
