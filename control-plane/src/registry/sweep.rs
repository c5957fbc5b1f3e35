//! Sweeps: ends the leases of silent instances.
//!
//! Three rules keep a fault of the control plane from emptying the mesh. After a start with stored
//! leases, and after a stall (a sweep more than 5 s late: no announcements were read meanwhile), nothing
//! is removed for 30 s. When more than half of a service's leases run out together, they are kept as
//! stale: assume that the control plane is partitioned, not that the service died. A stale lease ends
//! only when other instances of the service are heard and it is not ([`stale_life`]).

use std::time::Duration;

use super::change::{Announced, Change, LeaveReason, ServiceName};
use super::lease::{GRACE, Leases, Service};
use super::lease_state::LeaseState;

/// Time between two sweeps. 500 ms: a lease lives at most this much too long.
pub const INTERVAL: Duration = Duration::from_millis(500);

/// A sweep that is this late means a stall. 5 s: one lease.
const STALL: Duration = Duration::from_secs(5);

/// How long a lease that has run out is remembered: those of a service that is cut off run out
/// within one interval of announcements (5/3 s), not within one sweep. 2 s.
const TOGETHER: Duration = Duration::from_secs(2);

/// How long a service without leases and announcements stays known, so that calls to it wait for an
/// endpoint instead of failing. 10 min.
const KNOWN: Duration = Duration::from_mins(10);

/// How long stale leases are kept beside as many live ones or more: the stale instances have time to
/// reconnect.
const STALE_BESIDE_MOST: Duration = GRACE;

/// The same, beside fewer live ones.
const STALE_BESIDE_SOME: Duration = Duration::from_mins(10);

/// The same, when no instance of the service is heard: longer than most network failures.
const STALE_ALONE: Duration = Duration::from_hours(24);

/// How many leases of a service are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ServiceCounts {
    live: usize,
    lapsed: usize,
    stale: usize,
}

impl Leases {
    /// Ends what has been silent for too long. Call it every [`INTERVAL`].
    pub fn sweep(&mut self, now: Duration) -> Vec<Change> {
        if now.saturating_sub(self.swept) > INTERVAL + STALL {
            self.grace_until = now + GRACE;
        }
        self.swept = now;
        self.budget.sweep(now);
        for service in self.services.values_mut() {
            service.unready.sweep(now);
        }
        if now < self.grace_until {
            return Vec::new();
        }
        let mut changes = Vec::new();
        let changed_names = &mut self.changed_names;
        self.services.retain(|name, service| {
            let known = service.is_known(now);
            if service.sweep(now, name, &mut changes) || !known {
                changed_names.insert(name.service.clone());
            }
            if !known {
                changes.push(Change::Forgotten(name.clone()));
            }
            known
        });
        changes
    }

    /// How long nothing will be removed yet; zero most of the time.
    pub fn grace(&self, now: Duration) -> Duration {
        self.grace_until.saturating_sub(now)
    }
}

impl Service {
    /// Returns whether the endpoints have changed.
    fn sweep(&mut self, now: Duration, name: &ServiceName, changes: &mut Vec<Change>) -> bool {
        let counts = self.counts(now);
        if counts.live == 0 {
            self.live_since = None;
        }
        let live_since = self.live_since;
        let mut has_changed = false;
        self.leases.retain(|address, lease| {
            let next = counts.next_state(now, live_since, lease.state);
            has_changed |= next.is_some_and(LeaseState::is_endpoint) != lease.state.is_endpoint();
            match next {
                Some(state) => lease.state = state,
                None => {
                    let announced = Announced {
                        name: name.clone(),
                        member: lease.member,
                        instance: lease.instance.clone(),
                        address: *address,
                    };
                    changes.push(Change::Left(announced, LeaveReason::Expired));
                }
            }
            next.is_some()
        });
        has_changed
    }

    fn counts(&self, now: Duration) -> ServiceCounts {
        let mut counts = ServiceCounts::default();
        for lease in self.leases.values() {
            match lease.state {
                LeaseState::Live { .. } if !lease.state.has_run_out(now) => counts.live += 1,
                LeaseState::Live { .. } | LeaseState::Lapsed { .. } => counts.lapsed += 1,
                LeaseState::Stale { .. } => counts.stale += 1,
            }
        }
        counts
    }

    fn is_known(&self, now: Duration) -> bool {
        !self.leases.is_empty() || now.saturating_sub(self.heard) < KNOWN
    }
}

impl ServiceCounts {
    /// Has more than half of the service run out?
    fn is_cut_off(self) -> bool {
        self.lapsed + self.stale > self.live
    }

    /// The next state of a lease; `None`: it ends.
    fn next_state(
        self,
        now: Duration,
        live_since: Option<Duration>,
        state: LeaseState,
    ) -> Option<LeaseState> {
        let stale = LeaseState::Stale { since: now };
        match state {
            LeaseState::Live { .. } if !state.has_run_out(now) => Some(state),
            LeaseState::Live { .. } if self.is_cut_off() => Some(stale),
            LeaseState::Live { .. } => Some(LeaseState::Lapsed { since: now }),
            LeaseState::Lapsed { .. } if self.is_cut_off() => Some(stale),
            LeaseState::Lapsed { since } => (now < since + TOGETHER).then_some(state),
            // Counted from when the others came back, if that was later.
            LeaseState::Stale { since } => {
                let begun = live_since.map_or(since, |live| live.max(since));
                (now < begun + self.stale_life()).then_some(state)
            }
        }
    }

    fn stale_life(self) -> Duration {
        match (self.live, self.stale) {
            (0, _) => STALE_ALONE,
            (live, stale) if live >= stale => STALE_BESIDE_MOST,
            (_, _) => STALE_BESIDE_SOME,
        }
    }
}
