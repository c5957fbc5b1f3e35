//! When to connect again: full jitter under a ceiling that doubles.
//!
//! Reference: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

use std::time::Duration;

/// The first ceiling. Lower ones would let a mesh of sidecars knock in unison.
const CEILING_MIN: Duration = Duration::from_secs(1);
/// The last ceiling. A higher one would leave a returned control plane unseen for long.
const CEILING_MAX: Duration = Duration::from_secs(30);

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The server answered UNIMPLEMENTED: it does not have this protocol.
    Unimplemented,
    /// In any other way, or it never opened.
    Lost,
}

/// Streams in a row that ended without a response.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct BackOff(u32);

impl BackOff {
    /// The wait after a stream that ended, from zero to the ceiling.
    pub fn after_failure(self, random: u64) -> (BackOff, Duration) {
        let doubled = CEILING_MIN.saturating_mul(1 << self.0.min(5));
        let nanos = doubled.min(CEILING_MAX).as_nanos();
        let wait = (nanos * u128::from(random)) >> 64;
        let wait = Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX));
        (BackOff(self.0.saturating_add(1)), wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_from_1_to_30_seconds_and_the_wait_fills_it() {
        let mut back_off = BackOff::default();
        for ceiling in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(back_off.after_failure(0).1, Duration::ZERO);
            let (next, longest) = back_off.after_failure(u64::MAX);
            let ceiling = Duration::from_secs(ceiling);
            assert!(ceiling - longest <= Duration::from_nanos(2), "{longest:?}");
            back_off = next;
        }
    }
}
