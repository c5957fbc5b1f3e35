//! How often each limit tripped: plain numbers for the owner's metrics.

use crate::stream::Grown;

/// How often each limit tripped since the connection began.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// RST_STREAM received for streams that were open.
    pub resets_received: u64,
    /// Streams we reset because the peer broke a rule.
    pub resets_for_violations: u64,
    /// Streams refused over `max_concurrent_streams`.
    pub refused_over_limit: u64,
    /// Streams of a trusted peer refused because the reset budget was spent.
    pub refused_for_resets: u64,
    /// Field lists over the limits.
    pub heads_too_large: u64,
    /// Connections that failed because a budget was spent: 0 or 1.
    pub budget_failures: u64,
    /// Times a stream's window grew.
    pub windows_grown: u64,
    /// Times a stream's window could not grow because the pool was spent.
    pub windows_not_grown: u64,
}

impl Counters {
    pub(super) fn note_growth(&mut self, grown: Grown) {
        match grown {
            Grown::Yes => self.windows_grown += 1,
            Grown::PoolSpent => self.windows_not_grown += 1,
            Grown::No => {}
        }
    }
}
