//! Which connections stay open when there are too many.
//!
//! A connection is in its handshake, or anonymous, or has a certificate; each kind has a limit. Of too
//! many handshakes or anonymous connections, [`outrider_eviction`] picks the one to close, so an address
//! evicts only its own connections. A member over its limit is refused; its connections are evicted only
//! when descriptors run out, from the busiest address first. Some descriptors are reserved for the
//! store, the admin pages and address checks. Knows no TLS and no time.

#![expect(
    clippy::disallowed_types,
    reason = "beside the data path: the lock is held for a look into a map"
)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outrider_eviction::{ConnectionsByAddress, PendingHandshakes};
use tokio::sync::oneshot;

use super::connection_counts::{BUSIEST_MAX, ConnectionCounts, RefusedConnections};
use crate::members::MemberId;
use crate::members::caller::Identity;

/// Handshakes at once. 512: each costs some milliseconds; two cores finish them within the timeout.
const HANDSHAKES_MAX: usize = 512;

/// Slots reserved for handshakes. 64.
const HANDSHAKES_RESERVED: usize = 64;

/// Connections without a certificate at once. 256: each asks for the bundle or joins, and lasts 10 s at
/// most.
const ANONYMOUS_MAX: usize = 256;

/// Connections of one member, or of the operator, at once. 64: a sidecar has one, and a few broken ones
/// that we have not noticed yet.
const PER_MEMBER_MAX: usize = 64;

/// Most connections of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Of all kinds: what the descriptors allow.
    pub all: usize,
    /// In their handshake.
    pub handshakes: usize,
    /// Without a certificate.
    pub anonymous: usize,
    /// Of one member, or of the operator.
    pub per_member: usize,
}

impl ConnectionLimits {
    /// The usual limits; `all` is how many connections may be open.
    pub fn new(all: usize) -> ConnectionLimits {
        ConnectionLimits {
            all,
            handshakes: HANDSHAKES_MAX,
            anonymous: ANONYMOUS_MAX,
            per_member: PER_MEMBER_MAX,
        }
    }
}

/// The open connections. Clones share them.
#[derive(Clone, Debug)]
pub struct ConnectionLimiter(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    limits: ConnectionLimits,
    last: u64,
    slots: BTreeMap<u64, Slot>,
    handshakes: PendingHandshakes<u64>,
    anonymous: ConnectionsByAddress<u64>,
    known: BTreeMap<CertificateHolder, usize>,
    known_by_address: ConnectionsByAddress<u64>,
    refused: RefusedConnections,
}

#[derive(Debug)]
struct Slot {
    from: IpAddr,
    stage: Stage,
    /// Dropped to evict the connection.
    _alive: oneshot::Sender<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Handshake,
    Anonymous,
    Known(CertificateHolder),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum CertificateHolder {
    Operator,
    Member(MemberId),
}

/// The slot of an open connection. Dropped, the slot is free.
#[derive(Debug)]
pub struct ConnectionSlot {
    limiter: ConnectionLimiter,
    number: u64,
}

/// Completes when the connection is evicted.
#[derive(Debug)]
pub struct Evicted(oneshot::Receiver<()>);

impl Evicted {
    /// Returns when the connection is evicted.
    pub async fn wait(&mut self) {
        // Nothing is ever sent: eviction drops the sender.
        let _ = (&mut self.0).await;
    }
}

/// The member, or the operator, has too many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this member has as many connections as it may have")]
pub struct TooManyConnections;

impl ConnectionLimiter {
    /// No connections yet.
    pub fn new(limits: ConnectionLimits) -> ConnectionLimiter {
        ConnectionLimiter(Arc::new(Mutex::new(State {
            limits,
            last: 0,
            slots: BTreeMap::new(),
            handshakes: PendingHandshakes::default(),
            anonymous: ConnectionsByAddress::default(),
            known: BTreeMap::new(),
            known_by_address: ConnectionsByAddress::default(),
            refused: RefusedConnections::default(),
        })))
    }

    /// A connection from `from` begins. If there are too many, one is evicted, perhaps this one.
    pub fn accept(&self, from: IpAddr) -> (ConnectionSlot, Evicted) {
        let (alive, ended) = oneshot::channel();
        let number = self.state().accept(from, alive);
        let limiter = self.clone();
        (ConnectionSlot { limiter, number }, Evicted(ended))
    }

    /// How many connections there are.
    pub fn counts(&self) -> ConnectionCounts {
        self.state().counts()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The counts stay usable after a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionSlot {
    /// The ClientHello has arrived.
    pub fn hello_received(&self) {
        let mut state = self.limiter.state();
        if let Some(from) = state.slots.get(&self.number).map(|slot| slot.from) {
            state.handshakes.note_hello(from, self.number);
        }
    }

    /// The handshake is over and has shown `identity`.
    ///
    /// # Errors
    /// This identity has too many connections already.
    pub fn identify(&self, identity: &Identity) -> Result<(), TooManyConnections> {
        let stage = match identity {
            Identity::Anonymous => Stage::Anonymous,
            Identity::Operator => Stage::Known(CertificateHolder::Operator),
            Identity::Sidecar(workload) => Stage::Known(CertificateHolder::Member(workload.member)),
        };
        self.limiter.state().identify(self.number, stage)
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.limiter.state().remove(self.number);
    }
}

impl State {
    fn accept(&mut self, from: IpAddr, alive: oneshot::Sender<()>) -> u64 {
        self.last += 1;
        let slot = Slot {
            from,
            stage: Stage::Handshake,
            _alive: alive,
        };
        self.slots.insert(self.last, slot);
        self.handshakes.begin(from, self.last);
        let others = self.slots.len() - self.handshakes.count();
        let room = self.limits.all.saturating_sub(others);
        let most = self.limits.handshakes.min(room);
        if let Some(surplus) = self.handshakes.take_surplus(most) {
            self.refused.handshakes += 1;
            self.remove(surplus);
        }
        self.last
    }

    fn identify(&mut self, number: u64, stage: Stage) -> Result<(), TooManyConnections> {
        // Without a slot it is evicted already.
        let Some(slot) = self.slots.get_mut(&number) else {
            return Ok(());
        };
        let from = slot.from;
        self.handshakes.end(from, number);
        if let Stage::Known(known) = stage {
            let count = self.known.entry(known).or_default();
            if *count >= self.limits.per_member {
                self.refused.known += 1;
                self.slots.remove(&number);
                return Err(TooManyConnections);
            }
            *count += 1;
        }
        slot.stage = stage;
        match stage {
            Stage::Anonymous => self.anonymous.insert(from, number),
            Stage::Known(_) => self.known_by_address.insert(from, number),
            Stage::Handshake => {}
        }
        self.evict_surplus();
        Ok(())
    }

    /// Evicts one connection if too many have finished their handshake: an anonymous one if there is one.
    /// A quarter of all slots, at most 64, is reserved for handshakes.
    fn evict_surplus(&mut self) {
        let for_handshakes = (self.limits.all / 4).min(HANDSHAKES_RESERVED);
        let established = self.slots.len() - self.handshakes.count();
        let is_full = established > self.limits.all - for_handshakes;
        if is_full || self.anonymous.count() > self.limits.anonymous {
            if let Some(surplus) = self.anonymous.pop() {
                self.refused.anonymous += 1;
                self.remove(surplus);
            } else if let Some(surplus) = self.known_by_address.pop() {
                self.refused.known += 1;
                self.remove(surplus);
            }
        }
    }

    fn remove(&mut self, number: u64) {
        let Some(slot) = self.slots.remove(&number) else {
            return;
        };
        match slot.stage {
            Stage::Handshake => self.handshakes.end(slot.from, number),
            Stage::Anonymous => drop(self.anonymous.remove(slot.from, number)),
            Stage::Known(known) => {
                self.known_by_address.remove(slot.from, number);
                let count = self.known.entry(known).or_default();
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.known.remove(&known);
                }
            }
        }
    }

    fn counts(&self) -> ConnectionCounts {
        let mut by_address = ConnectionsByAddress::default();
        for (number, slot) in &self.slots {
            by_address.insert(slot.from, *number);
        }
        ConnectionCounts {
            handshakes: self.handshakes.count(),
            anonymous: self.anonymous.count(),
            known: self.known.values().sum(),
            busiest: by_address.busiest(BUSIEST_MAX),
            refused: self.refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::members::caller::Workload;

    const FEW: ConnectionLimits = ConnectionLimits {
        all: 12,
        handshakes: 4,
        anonymous: 3,
        per_member: 2,
    };

    fn host(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    fn member(number: u8) -> Identity {
        Identity::Sidecar(Workload {
            namespace: "default".to_owned(),
            service: "orders".to_owned(),
            member: MemberId::new([number; 8]),
            expires_unix: 0,
            issuer: String::new(),
        })
    }

    fn is_evicted((_, evicted): &mut (ConnectionSlot, Evicted)) -> bool {
        evicted.wait().now_or_never().is_some()
    }

    #[test]
    fn silent_handshakes_of_an_address_evict_only_its_own() {
        let limiter = ConnectionLimiter::new(FEW);
        let mut honest = limiter.accept(host(9));
        let flood: Vec<_> = (0..100).map(|_| limiter.accept(host(1))).collect();
        assert!(!is_evicted(&mut honest));
        assert_eq!(limiter.counts().handshakes, FEW.handshakes);
        assert_eq!(limiter.counts().refused.handshakes, 97);
        assert_eq!(limiter.counts().busiest, [(host(1), 3), (host(9), 1)]);
        honest
            .0
            .identify(&Identity::Anonymous)
            .expect("it may stay");
        drop((flood, honest));
        let none = ConnectionCounts {
            refused: limiter.counts().refused,
            ..ConnectionCounts::default()
        };
        assert_eq!(limiter.counts(), none);
    }

    #[test]
    fn anonymous_connections_evict_only_anonymous_ones() {
        let limiter = ConnectionLimiter::new(FEW);
        let anonymous = |last| {
            let slot = limiter.accept(host(last));
            slot.0.identify(&Identity::Anonymous).expect("it may stay");
            slot
        };
        let known = limiter.accept(host(1));
        known.0.identify(&member(1)).expect("it may stay");
        let mut honest = anonymous(9);
        let _flood: Vec<_> = (0..100).map(|_| anonymous(1)).collect();
        assert!(!is_evicted(&mut honest));
        let counts = limiter.counts();
        assert_eq!((counts.anonymous, counts.known), (3, 1));
        assert_eq!(counts.refused.anonymous, 98);
    }

    #[test]
    fn each_member_has_its_own_connection_limit() {
        let limiter = ConnectionLimiter::new(FEW);
        let connect = |identity: &Identity| {
            let slot = limiter.accept(host(1));
            let identified = slot.0.identify(identity);
            (slot, identified)
        };
        let first = connect(&member(1));
        let second = connect(&member(1));
        let third = connect(&member(1));
        assert_eq!((first.1, second.1), (Ok(()), Ok(())));
        assert_eq!(third.1, Err(TooManyConnections));
        assert_eq!(connect(&member(2)).1, Ok(()));
        assert_eq!(connect(&Identity::Operator).1, Ok(()));
        drop(first);
        assert_eq!(connect(&member(1)).1, Ok(()));
        assert_eq!(limiter.counts().refused.known, 1);
    }

    #[test]
    fn without_descriptors_an_address_evicts_only_its_own() {
        let limiter = ConnectionLimiter::new(FEW);
        let mut flood = Vec::new();
        let mut honest = limiter.accept(host(2));
        honest.0.identify(&member(0)).expect("it may stay");
        for number in 1..=100 {
            let slot = limiter.accept(host(1));
            slot.0.identify(&member(number)).expect("it is a member");
            flood.push(slot);
        }
        assert_eq!(limiter.counts().known, 9, "a quarter is for handshakes");
        assert!(!is_evicted(&mut honest));
        let mut late = limiter.accept(host(3));
        late.0.identify(&Identity::Operator).expect("it may stay");
        assert!(!is_evicted(&mut late));
        assert_eq!(limiter.counts().refused.known, 93);
    }
}
