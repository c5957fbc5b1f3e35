//! Leases: which instances are endpoints.
//!
//! A pure state machine; the time is an argument, as a span since the process started. A lease
//! lasts 5 s from the last announcement. A broken stream alone does not end it. An instance that
//! withdraws or takes no calls loses its lease at once; a silent one loses it by a sweep
//! ([`super::sweep`]), but not because the control plane itself was down. Knows no streams, no store
//! and no documents.
//! Reference: `docs/ARCHITECTURE.md`, Leases.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use outrider_documents::Registered;

use super::address_check::Verification;
use super::budget::{ChangeBudget, changed_too_often};
use super::change::{Announced, Change, LeaveReason, Registration, ServiceName};
use super::lease_state::LeaseState;
use super::unready::UnreadyInstances;
use crate::members::MemberId;

/// How long an announcement holds. 5 s; sidecars announce every third of it.
pub const LEASE: Duration = Duration::from_secs(5);

/// After a start or a stall no silent instance is removed for this long. 30 s: sidecars reconnect within
/// about 10 s, so this leaves them three tries.
pub const GRACE: Duration = Duration::from_secs(30);

/// Most leases of one service. 10,000: what an assignment can carry in one message of 4 MiB.
pub(super) const LEASES_MAX: usize = 10_000;

/// Most leases of one member. 8: an instance has one, and some more while it moves.
const ADDRESSES_MAX: usize = 8;

/// Why an announcement has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseRefusal {
    /// The service has too many leases.
    #[error("the service has {LEASES_MAX} instances, and no more are taken")]
    TooManyInstances,
    /// The member has too many leases.
    #[error("this member has announced {ADDRESSES_MAX} addresses, and no more are taken")]
    TooManyAddresses,
    /// Another member has a lease there.
    #[error(
        "{0} is the address of another member of this service, which was heard in the last 5 s: \
         it is free when that one withdraws or falls silent"
    )]
    AddressInUse(SocketAddr),
}

/// All leases.
#[derive(Debug)]
pub struct Leases {
    pub(super) services: BTreeMap<ServiceName, Service>,
    pub(super) grace_until: Duration,
    pub(super) swept: Duration,
    /// Names of services whose endpoints may have changed since the last publication.
    pub(super) changed_names: BTreeSet<String>,
    /// The endpoints as last published.
    pub(super) published: Registered,
    pub(super) budget: ChangeBudget,
    /// The greatest rank so far.
    last_rank: i64,
}

#[derive(Debug)]
pub(super) struct Service {
    name: ServiceName,
    /// Of services that share a name, the lowest rank owns it. Unique, and grows from service to service
    /// even if the machine's clock steps back.
    pub rank: i64,
    pub leases: BTreeMap<SocketAddr, Lease>,
    pub unready: UnreadyInstances,
    /// Time of the last announcement, serving or not.
    pub heard: Duration,
    /// Since when at least one lease has been live without a gap.
    pub live_since: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Lease {
    pub member: MemberId,
    pub instance: String,
    pub joined_unix_ms: i64,
    pub state: LeaseState,
    /// It was announced since this process started.
    pub heard: bool,
}

impl Leases {
    /// The leases at a start, from the store: all in grace. There is no grace if none was stored.
    pub fn restored(
        now: Duration,
        services: impl IntoIterator<Item = (ServiceName, i64)>,
        registrations: impl IntoIterator<Item = Registration>,
    ) -> Leases {
        let mut leases = Leases {
            services: BTreeMap::new(),
            grace_until: now,
            swept: now,
            changed_names: BTreeSet::new(),
            published: Registered::default(),
            budget: ChangeBudget::default(),
            last_rank: 0,
        };
        for (name, rank) in services {
            leases.last_rank = leases.last_rank.max(rank);
            find_or_add(&mut leases.services, now, &name, rank);
        }
        for registration in registrations {
            let joined = registration.joined_unix_ms;
            let name = &registration.announced.name;
            let service = find_or_add(&mut leases.services, now, name, joined);
            let lease = Lease {
                heard: false,
                ..Lease::new(now, &registration.announced, joined)
            };
            service.leases.insert(registration.announced.address, lease);
            leases.grace_until = now + GRACE;
        }
        leases.published = leases.registered();
        leases
    }

    /// An instance whose application takes calls announces itself. One that has changed too often is
    /// recorded as taking none, with the reason.
    ///
    /// # Errors
    /// Another member has the address and this one is not verified there, or there are too many
    /// instances.
    pub fn announce(
        &mut self,
        now: Duration,
        unix_ms: i64,
        announced: Announced,
        verification: Verification,
    ) -> Result<Vec<Change>, LeaseRefusal> {
        let mut changes = self.note_service(now, unix_ms, &announced.name);
        let service = find_or_add(&mut self.services, now, &announced.name, self.last_rank);
        if let Some(lease) = service.lease_of(&announced) {
            if !lease.state.is_endpoint() {
                self.changed_names.insert(announced.name.service.clone());
            }
            lease.state = LeaseState::live(now);
            lease.heard = true;
            service.live_since.get_or_insert(now);
            service.unready.replace(&announced);
            return Ok(changes);
        }
        changes.extend(service.make_room(now, &announced, verification)?);
        let wait = self.budget.wait(now, announced.member);
        if wait > Duration::ZERO {
            let because = changed_too_often(wait);
            service.unready.note(now, unix_ms, &announced, &because);
            note_changed_names(&mut self.changed_names, &changes);
            return Ok(changes);
        }
        service.unready.replace(&announced);
        service.live_since.get_or_insert(now);
        let lease = Lease::new(now, &announced, unix_ms);
        service.leases.insert(announced.address, lease);
        self.budget.count(now, announced.member);
        self.changed_names.insert(announced.name.service.clone());
        changes.push(Change::Joined(Registration {
            announced,
            joined_unix_ms: unix_ms,
        }));
        Ok(changes)
    }

    /// An instance whose application takes no calls announces itself: its service becomes known, and any
    /// lease of this member at the address ends.
    ///
    /// # Errors
    /// Another member has the address.
    pub fn announce_unready(
        &mut self,
        now: Duration,
        unix_ms: i64,
        announced: &Announced,
        because: String,
    ) -> Result<Vec<Change>, LeaseRefusal> {
        let mut changes = self.note_service(now, unix_ms, &announced.name);
        let service = find_or_add(&mut self.services, now, &announced.name, self.last_rank);
        let succeeded = service.succeed(now, announced, Verification::Unverified)?;
        service.unready.note(now, unix_ms, announced, &because);
        let ended = service.end(announced.address, LeaveReason::NotServing(because));
        if !ended.is_empty() {
            self.budget.count(now, announced.member);
        }
        changes.extend(succeeded.into_iter().chain(ended));
        note_changed_names(&mut self.changed_names, &changes);
        Ok(changes)
    }

    /// An instance ends its lease at an address. The lease of a later run or of another member stays.
    pub fn end(&mut self, now: Duration, announced: &Announced, cause: LeaveReason) -> Vec<Change> {
        let Some(service) = self.services.get_mut(&announced.name) else {
            return Vec::new();
        };
        service.unready.forget(announced);
        if service.lease_of(announced).is_none() {
            return Vec::new();
        }
        self.changed_names.insert(announced.name.service.clone());
        self.budget.count(now, announced.member);
        service.end(announced.address, cause)
    }

    /// The stream of an instance broke at `broke`, and its address refuses connections. The lease stays if
    /// the instance has announced itself since, on another stream.
    pub fn died(&mut self, now: Duration, announced: &Announced, broke: Duration) -> Vec<Change> {
        let service = self.services.get(&announced.name);
        let lease = service.and_then(|service| service.leases.get(&announced.address));
        if lease.is_some_and(|lease| lease.state.is_announced_after(broke)) {
            return Vec::new();
        }
        self.end(now, announced, LeaveReason::Dead)
    }

    /// Records that a service was announced.
    fn note_service(&mut self, now: Duration, unix_ms: i64, name: &ServiceName) -> Vec<Change> {
        if let Some(service) = self.services.get_mut(name) {
            service.heard = now;
            return Vec::new();
        }
        // Not the time alone: a clock that was set back would make the newest service the oldest.
        self.last_rank = unix_ms.max(self.last_rank.saturating_add(1));
        find_or_add(&mut self.services, now, name, self.last_rank);
        self.changed_names.insert(name.service.clone());
        vec![Change::Known(name.clone(), self.last_rank)]
    }
}

fn note_changed_names(changed_names: &mut BTreeSet<String>, changes: &[Change]) {
    let names = changes.iter().map(|change| match change {
        Change::Known(name, _) | Change::Forgotten(name) => name,
        Change::Joined(Registration { announced, .. }) | Change::Left(announced, _) => {
            &announced.name
        }
    });
    changed_names.extend(names.map(|name| name.service.clone()));
}

/// The service, added if it is new. A free function, so that the caller can still borrow other fields.
fn find_or_add<'s>(
    services: &'s mut BTreeMap<ServiceName, Service>,
    now: Duration,
    name: &ServiceName,
    rank: i64,
) -> &'s mut Service {
    let service = services.entry(name.clone());
    service.or_insert_with(|| Service {
        name: name.clone(),
        rank,
        leases: BTreeMap::new(),
        unready: UnreadyInstances::default(),
        heard: now,
        live_since: None,
    })
}

impl Service {
    /// The lease of that run of that member at that address.
    fn lease_of(&mut self, announced: &Announced) -> Option<&mut Lease> {
        let lease = self.leases.get_mut(&announced.address);
        lease.filter(|it| it.member == announced.member && it.instance == announced.instance)
    }

    /// Ends the leases that prevent an instance from getting one at its address.
    fn make_room(
        &mut self,
        now: Duration,
        announced: &Announced,
        verification: Verification,
    ) -> Result<Vec<Change>, LeaseRefusal> {
        let mut changes = self.succeed(now, announced, verification)?;
        if self.leases.contains_key(&announced.address) {
            // An earlier run of the same member: it is replaced.
            return Ok(changes);
        }
        if self.leases.len() >= LEASES_MAX {
            return Err(LeaseRefusal::TooManyInstances);
        }
        let own = self.leases.iter();
        let own = own.filter(|(_, lease)| lease.member == announced.member);
        let own: Vec<_> = own.map(|(at, lease)| (*at, lease.state)).collect();
        if own.len() >= ADDRESSES_MAX {
            let silent = own.iter().find(|(_, state)| state.has_run_out(now));
            let (address, _) = silent.ok_or(LeaseRefusal::TooManyAddresses)?;
            changes.extend(self.end(*address, LeaveReason::Moved));
        }
        Ok(changes)
    }

    /// Ends the lease of another member at that address if that lease has run out, or if a handshake has
    /// shown that this member is there.
    fn succeed(
        &mut self,
        now: Duration,
        announced: &Announced,
        verification: Verification,
    ) -> Result<Vec<Change>, LeaseRefusal> {
        let address = announced.address;
        let Some(lease) = self.leases.get(&address) else {
            return Ok(Vec::new());
        };
        if lease.member == announced.member {
            return Ok(Vec::new());
        }
        let is_gone = lease.state.has_run_out(now) || lease.member == MemberId::UNKNOWN;
        match is_gone || verification == Verification::Handshake {
            true => Ok(self.end(address, LeaveReason::Succeeded)),
            false => Err(LeaseRefusal::AddressInUse(address)),
        }
    }

    fn end(&mut self, address: SocketAddr, cause: LeaveReason) -> Vec<Change> {
        let ended = self.leases.remove(&address);
        let left = ended.map(|lease| {
            let announced = Announced {
                name: self.name.clone(),
                member: lease.member,
                instance: lease.instance,
                address,
            };
            Change::Left(announced, cause)
        });
        left.into_iter().collect()
    }

    pub fn endpoints(&self) -> impl Iterator<Item = SocketAddr> {
        let leases = self.leases.iter();
        let endpoints = leases.filter(|(_, lease)| lease.state.is_endpoint());
        endpoints.map(|(address, _)| *address)
    }
}

impl Lease {
    fn new(now: Duration, announced: &Announced, joined_unix_ms: i64) -> Lease {
        Lease {
            member: announced.member,
            instance: announced.instance.clone(),
            joined_unix_ms,
            state: LeaseState::live(now),
            heard: true,
        }
    }
}
