//! What a rate limit answers.

use std::time::Duration;

use crate::Tick;

/// May the call go on?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateVerdict {
    /// Now.
    Admit {
        /// Calls that would be admitted at once after this one.
        remaining: u32,
        /// When the limit is as if nothing had been used, if no further call comes.
        resets_at: Tick,
    },
    /// At this time, which is reserved for it: it does not ask again.
    WaitUntil(Tick),
    /// Not at all.
    Reject {
        /// A call that comes after this time is admitted or waits, if no other call comes before it.
        /// Above zero.
        retry_after: Duration,
    },
}
