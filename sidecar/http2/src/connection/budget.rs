//! How much of a peer's noise is too much.
//!
//! Token buckets: time refills them, useful work earns more. Which frame costs which token is
//! said where the frame is taken.

use std::time::Duration;

use super::resets::Resets;
use crate::{Budget, Config};

/// A budget in use.
#[derive(Debug)]
pub(super) struct Bucket {
    rules: Budget,
    tokens: u32,
    /// Up to when time has been turned into tokens.
    refilled_at: Duration,
}

impl Bucket {
    pub(super) fn new(rules: Budget) -> Bucket {
        let rules = Budget {
            burst: rules.burst.max(1),
            ..rules
        };
        Bucket {
            rules,
            tokens: rules.burst,
            refilled_at: Duration::ZERO,
        }
    }

    /// Takes a token. False: there is none.
    pub(super) fn spend(&mut self, now: Duration) -> bool {
        let is_left = !self.is_empty(now);
        self.tokens = self.tokens.saturating_sub(1);
        is_left
    }

    pub(super) fn is_empty(&mut self, now: Duration) -> bool {
        self.refill(now);
        self.tokens == 0
    }

    pub(super) fn is_full(&mut self, now: Duration) -> bool {
        self.refill(now);
        self.tokens == self.rules.burst
    }

    pub(super) fn earn(&mut self, tokens: u32) {
        self.tokens = self.tokens.saturating_add(tokens).min(self.rules.burst);
    }

    fn refill(&mut self, now: Duration) {
        if self.tokens == self.rules.burst {
            self.refilled_at = now;
            return;
        }
        let elapsed = now.saturating_sub(self.refilled_at).as_nanos();
        let rate = u128::from(self.rules.refill_per_second);
        let regained = elapsed * rate / NANOS;
        if regained == 0 {
            return;
        }
        // Only the time that whole tokens took is used up.
        let used = u64::try_from(regained * NANOS / rate).unwrap_or(u64::MAX);
        self.refilled_at += Duration::from_nanos(used);
        self.earn(u32::try_from(regained).unwrap_or(u32::MAX));
    }
}

const NANOS: u128 = 1_000_000_000;

/// The budgets of one connection.
#[derive(Debug)]
pub(super) struct Budgets {
    pub(super) resets: Resets,
    pub(super) window_updates: Bucket,
    pub(super) settings: Bucket,
    pub(super) pings: Bucket,
    pub(super) idle_frames: Bucket,
}

impl Budgets {
    pub(super) fn new(config: &Config) -> Budgets {
        Budgets {
            resets: Resets::new(config.resets),
            window_updates: Bucket::new(config.window_updates),
            settings: Bucket::new(config.settings),
            pings: Bucket::new(config.pings),
            idle_frames: Bucket::new(config.idle_frames),
        }
    }

    /// A stream was opened. It may end with frames that cross ours on the way (a reset, late
    /// trailers) and have a 1xx head: those are free.
    pub(super) fn earn_for_stream(&mut self) {
        self.pings.earn(1);
        self.window_updates.earn(2);
        self.idle_frames.earn(3);
    }

    /// A DATA frame with octets was received.
    pub(super) fn earn_for_data_received(&mut self) {
        self.pings.earn(1);
    }

    /// A DATA frame was sent. Envoy allows ten window updates for each, too.
    pub(super) fn earn_for_data_sent(&mut self) {
        self.pings.earn(1);
        self.window_updates.earn(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn spent(burst: u32, refill_per_second: u32) -> Bucket {
        let mut bucket = Bucket::new(Budget {
            burst,
            refill_per_second,
        });
        assert!((0..burst).all(|_| bucket.spend(1_000 * MS)));
        bucket
    }

    #[test]
    fn allows_the_burst_then_the_refill() {
        let mut bucket = spent(3, 50);
        assert!(!bucket.spend(1_019 * MS));
        assert!(bucket.spend(1_020 * MS));
        assert!(!bucket.spend(1_039 * MS));
        assert!(bucket.spend(1_040 * MS));
    }

    #[test]
    fn never_holds_more_than_the_burst() {
        let mut bucket = spent(3, 50);
        bucket.earn(100);
        assert!((0..3).all(|_| bucket.spend(2_000 * MS)));
        assert!(!bucket.spend(2_000 * MS));
        assert!((0..3).all(|_| bucket.spend(900_000 * MS)));
        assert!(!bucket.spend(900_000 * MS));
    }

    #[test]
    fn without_refill_only_work_earns() {
        let mut bucket = spent(1, 0);
        assert!(!bucket.spend(Duration::MAX));
        bucket.earn(1);
        assert!(bucket.spend(Duration::MAX));
    }
}
