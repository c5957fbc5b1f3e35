//! Fixed window: so many calls in each period, counted from its beginning.
//!
//! The cheapest to understand, and the loosest: around the end of a window up to twice the limit may
//! pass within one period. Where that matters, take a sliding window.

use super::{RateLimit, RateVerdict};
use crate::{Tick, Word};

const USED_BITS: u32 = 20;
const USED_MAX: u64 = (1 << USED_BITS) - 1;
const INDEX_MAX: u64 = (1 << (64 - USED_BITS)) - 1;

/// A window and what is used of it; the default is unused. One word, so any number of workers may
/// share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FixedWindow {
    // Periods since the process started. Invariant: index <= INDEX_MAX, which is 557 years of 1 ms.
    index: u64,
    // Invariant: used <= limit <= RateLimit::LIMIT.end() < USED_MAX.
    used: u32,
}

impl FixedWindow {
    /// Takes a permit of the window in which `now` is.
    pub fn take(self, rules: &RateLimit, now: Tick) -> (FixedWindow, RateVerdict) {
        let period = nanos(rules);
        // A `now` behind another worker's belongs to the window that is open.
        let index = (now.as_nanos() / period).min(INDEX_MAX).max(self.index);
        let used = if index == self.index { self.used } else { 0 };
        let ends_at = Tick::from_nanos((index + 1).saturating_mul(period));
        if used >= rules.limit {
            let retry_after = ends_at.since(now);
            return (self, RateVerdict::Reject { retry_after });
        }
        let used = used + 1;
        let verdict = RateVerdict::Admit {
            remaining: rules.limit - used,
            resets_at: ends_at,
        };
        (FixedWindow { index, used }, verdict)
    }

    /// Nothing is used at `now`.
    pub(super) fn is_at_rest(self, rules: &RateLimit, now: Tick) -> bool {
        self.used == 0 || now.as_nanos() / nanos(rules) > self.index
    }
}

impl Word for FixedWindow {
    fn to_bits(self) -> u64 {
        self.index << USED_BITS | u64::from(self.used)
    }

    fn from_bits(bits: u64) -> FixedWindow {
        FixedWindow {
            index: bits >> USED_BITS,
            used: (bits & USED_MAX) as u32,
        }
    }
}

/// The length of a window. Nanoseconds, above zero.
fn nanos(rules: &RateLimit) -> u64 {
    u64::try_from(rules.period.as_nanos())
        .unwrap_or(u64::MAX)
        .max(1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::RateAlgorithm;

    const fn ms(millis: u64) -> Tick {
        Tick::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn each_window_admits_its_limit() {
        let rules = RateLimit {
            algorithm: RateAlgorithm::FixedWindow,
            ..RateLimit::new("orders", 2)
        };
        let admit = |remaining, resets_ms| RateVerdict::Admit {
            remaining,
            resets_at: ms(resets_ms),
        };
        let reject = |after_ms| RateVerdict::Reject {
            retry_after: Duration::from_millis(after_ms),
        };
        let calls = [
            (900, admit(1, 1_000)),
            (950, admit(0, 1_000)),
            (999, reject(1)),
            (1_000, admit(1, 2_000)),
            // A clock behind another worker's counts for the open window.
            (999, admit(0, 2_000)),
            (999, reject(1_001)),
            (9_000, admit(1, 10_000)),
        ];
        let mut window = FixedWindow::default();
        for (line, (at, expected)) in calls.into_iter().enumerate() {
            let (next, verdict) = window.take(&rules, ms(at));
            assert_eq!(verdict, expected, "line {line}");
            window = FixedWindow::from_bits(next.to_bits());
        }
        assert!(!window.is_at_rest(&rules, ms(9_999)));
        assert!(window.is_at_rest(&rules, ms(10_000)));
    }

    #[test]
    fn the_word_holds_the_largest_limit() {
        assert!(u64::from(*RateLimit::LIMIT.end()) < USED_MAX);
        let rules = RateLimit::new("orders", *RateLimit::LIMIT.end());
        let (window, _) = FixedWindow::default().take(&rules, Tick::MAX);
        assert_eq!(FixedWindow::from_bits(window.to_bits()), window);
        assert_ne!(window.to_bits(), u64::MAX);
    }
}
