//! The state of a lease. Pure; the time is an argument.

use std::time::Duration;

use super::lease::LEASE;

/// The state of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// It holds until then; during grace also longer.
    Live {
        /// Since the process started.
        until: Duration,
    },
    /// It has run out, and is about to be removed unless most of its service follows.
    Lapsed {
        /// Since the process started.
        since: Duration,
    },
    /// It has run out together with most of its service. Assume that the control plane is partitioned, not
    /// that the service died.
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

    /// Is the instance published as an endpoint?
    pub(super) fn is_endpoint(self) -> bool {
        match self {
            LeaseState::Live { .. } | LeaseState::Stale { .. } => true,
            LeaseState::Lapsed { .. } => false,
        }
    }

    /// Is its time over?
    pub(super) fn has_run_out(self, now: Duration) -> bool {
        match self {
            LeaseState::Live { until } => until <= now,
            LeaseState::Lapsed { .. } | LeaseState::Stale { .. } => true,
        }
    }
}
