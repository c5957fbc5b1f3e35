//! Sweeps: which leases end by silence.
//!
//! Three rules keep a fault of ours from emptying the mesh. After a start that finds somebody, and
//! after a stall (a sweep that comes more than 5 s late: nobody read announcements meanwhile),
//! nothing is removed for 30 s. When more than half of a service's leases have run out together, they are kept and
//! marked stale: rather we are cut off than they are dead. And what is stale ends only when
//! others of the service are heard and it is not ([`stale_life`]).

use std::time::Duration;

use super::change::{Announced, Change, LeaveReason, ServiceName};
use super::lease::{GRACE, Leases, Service};
use super::lease_state::LeaseState;

/// Time between two sweeps: what an ended lease may live on. 500 ms.
pub const INTERVAL: Duration = Duration::from_millis(500);

/// A sweep that is later than this was kept from running. 5 s: a lease.
const STALL: Duration = Duration::from_secs(5);

/// How long a lease that has run out is remembered: those of a service that is cut off run out
/// within one interval of announcements (5/3 s), not within one sweep. 2 s.
const TOGETHER: Duration = Duration::from_secs(2);

/// A service nobody speaks for and that has no lease is known so much longer, so that calls to it
/// wait for an endpoint instead of being told that there is no such service. 10 min.
const KNOWN: Duration = Duration::from_mins(10);

/// How long stale leases are kept beside as many live ones or more: enough for the others to
/// come back one after the other.
const STALE_BESIDE_MOST: Duration = GRACE;

/// Beside fewer live ones.
const STALE_BESIDE_SOME: Duration = Duration::from_mins(10);

/// When nobody of the service is heard: a bound for what never comes back, and long enough for a
/// network that does.
const STALE_ALONE: Duration = Duration::from_hours(24);

/// How many leases of a service stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ConnectionCounts {
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
    /// Says whether who is an endpoint has changed.
    fn sweep(&mut self, now: Duration, name: &ServiceName, changes: &mut Vec<Change>) -> bool {
        let census = self.census(now);
        if census.live == 0 {
            self.live_since = None;
        }
        let live_since = self.live_since;
        let mut moved = false;
        self.leases.retain(|address, lease| {
            let next = census.judge(now, live_since, lease.state);
            moved |= next.is_some_and(LeaseState::is_endpoint) != lease.state.is_endpoint();
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
        moved
    }

    fn census(&self, now: Duration) -> ConnectionCounts {
        let mut census = ConnectionCounts::default();
        for lease in self.leases.values() {
            match lease.state {
                LeaseState::Live { .. } if !lease.state.has_run_out(now) => census.live += 1,
                LeaseState::Live { .. } | LeaseState::Lapsed { .. } => census.lapsed += 1,
                LeaseState::Stale { .. } => census.stale += 1,
            }
        }
        census
    }

    fn is_known(&self, now: Duration) -> bool {
        !self.leases.is_empty() || now.saturating_sub(self.heard) < KNOWN
    }
}

impl ConnectionCounts {
    /// Has more than half of the service run out?
    fn is_cut_off(self) -> bool {
        self.lapsed + self.stale > self.live
    }

    /// What becomes of a lease; `None`: it ends.
    fn judge(
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
            // The others have been heard since then, too: counted from the later of the two.
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
