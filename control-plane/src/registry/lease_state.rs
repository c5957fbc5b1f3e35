//! How a lease stands between its announcement and its end. Pure; the time is an argument.

use std::time::Duration;

use super::lease::LEASE;

/// How a lease stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// It holds until then, and in a grace also after that.
    Live {
        /// Since the process started.
        until: Duration,
    },
    /// It has run out, and is about to be removed unless most of its service follows.
    Lapsed {
        /// Since the process started.
        since: Duration,
    },
    /// It has run out together with most of its service: rather we are cut off than they are dead.
    Stale {
        /// Since the process started.
        since: Duration,
    },
}

impl LeaseState {
    pub(super) fn live(now: Duration) -> LeaseState {
        LeaseState::Live { until: now + LEASE }
    }

    pub(super) fn is_announced_after(self, moment: Duration) -> bool {
        match self {
            LeaseState::Live { until } => until > moment + LEASE,
            LeaseState::Lapsed { .. } | LeaseState::Stale { .. } => false,
        }
    }

    /// Is the instance told to others?
    pub(super) fn is_endpoint(self) -> bool {
        match self {
            LeaseState::Live { .. } | LeaseState::Stale { .. } => true,
            LeaseState::Lapsed { .. } => false,
        }
    }

    /// Is the time it was given over?
    pub(super) fn has_run_out(self, now: Duration) -> bool {
        match self {
            LeaseState::Live { until } => until <= now,
            LeaseState::Lapsed { .. } | LeaseState::Stale { .. } => true,
        }
    }
}
