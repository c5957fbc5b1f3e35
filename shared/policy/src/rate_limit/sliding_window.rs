//! Sliding window: never more than the limit in any period, wherever it begins.
//!
//! Exact, so the time of each admitted call of the last period is kept: 8 bytes each, which is why the
//! limit of a sliding window is at most [`RateLimit::SLIDING_LIMIT_MAX`]. A decision costs a binary
//! search; memory is taken once, with the first call.

use std::collections::VecDeque;
use std::time::Duration;

use super::{RateLimit, RateVerdict};
use crate::Tick;

/// The admitted calls of the last period; the default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlidingWindow {
    /// Invariant: ascending, and at most `limit` long.
    admitted: VecDeque<Tick>,
}

impl SlidingWindow {
    /// Takes a permit, if fewer than `limit` were taken in the period that ends at `now`.
    pub fn take(&mut self, rules: &RateLimit, now: Tick) -> RateVerdict {
        let limit = rules.limit as usize;
        if self.admitted.capacity() < limit {
            self.admitted.reserve_exact(limit - self.admitted.len());
        }
        // A `now` behind another worker's counts as the last call's.
        let at = self.admitted.back().map_or(now, |last| now.max(*last));
        let expired = self.expired(rules.period, at);
        self.admitted.drain(..expired);
        if self.admitted.len() >= limit {
            let oldest = self.admitted.front().copied().unwrap_or(at);
            let retry_after = (oldest + rules.period).since(now);
            return RateVerdict::Reject { retry_after };
        }
        self.admitted.push_back(at);
        let used = u32::try_from(self.admitted.len()).unwrap_or(u32::MAX);
        RateVerdict::Admit {
            remaining: rules.limit.saturating_sub(used),
            resets_at: at + rules.period,
        }
    }

    /// Nothing was admitted in the period that ends at `now`.
    pub(super) fn is_at_rest(&self, rules: &RateLimit, now: Tick) -> bool {
        self.expired(rules.period, now) == self.admitted.len()
    }

    /// How many of the calls are a whole period old: two of them exactly a period apart share no
    /// window.
    fn expired(&self, period: Duration, now: Tick) -> usize {
        self.admitted.partition_point(|at| *at + period <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RateAlgorithm;

    const fn ms(millis: u64) -> Tick {
        Tick::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_permit_comes_back_a_period_after_it_was_taken() {
        let rules = RateLimit {
            algorithm: RateAlgorithm::SlidingWindow,
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
            (0, admit(1, 1_000)),
            (900, admit(0, 1_900)),
            (999, reject(1)),
            (1_000, admit(0, 2_000)),
            (1_100, reject(800)),
            (1_900, admit(0, 2_900)),
            // A clock behind another worker's.
            (1_800, reject(200)),
            (5_000, admit(1, 6_000)),
        ];
        let mut window = SlidingWindow::default();
        for (line, (at, expected)) in calls.into_iter().enumerate() {
            assert_eq!(window.take(&rules, ms(at)), expected, "line {line}");
        }
        assert!(!window.is_at_rest(&rules, ms(5_999)));
        assert!(window.is_at_rest(&rules, ms(6_000)));
    }
}
