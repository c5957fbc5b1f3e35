//! Budgets that limit a peer's control frames.
//!
//! Token buckets: time refills them up to their burst, and useful work adds tokens, also above the
//! burst. So the allowance grows with the traffic of the connection. Envoy counts control frames
//! against streams and DATA frames in the same way. The code that reads a frame charges its token;
//! `Config` says beside each budget what stock libraries send at their worst.

use std::time::Duration;

use super::resets::{ResetCharge, Resets};
use crate::{Budget, Config};

/// How many bursts may have been earned and not spent: a peer answers work later than it was done, and
/// much of it at once. 5,000 streams with 10 messages each, read after a pause, are 100,000 updates.
const DEPOSIT_BURSTS_MAX: u32 = 100;

/// A budget in use.
#[derive(Debug)]
pub(super) struct Bucket {
    rules: Budget,
    /// The most that work may fill it to. At least the burst.
    most: u32,
    tokens: u32,
    /// Up to when time has been turned into tokens.
    refilled_at: Duration,
}

impl Bucket {
    /// Work may fill it above its burst.
    pub(super) fn new(rules: Budget) -> Bucket {
        let strict = Bucket::strict(rules);
        Bucket {
            most: strict.most.saturating_mul(DEPOSIT_BURSTS_MAX),
            ..strict
        }
    }

    /// Nothing fills it above its burst.
    pub(super) fn strict(rules: Budget) -> Bucket {
        let rules = Budget {
            burst: rules.burst.max(1),
            ..rules
        };
        Bucket {
            rules,
            most: rules.burst,
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
        self.tokens >= self.rules.burst
    }

    pub(super) fn deposit(&mut self, tokens: u32) {
        self.tokens = self.tokens.saturating_add(tokens).min(self.most);
    }

    fn refill(&mut self, now: Duration) {
        if self.tokens >= self.rules.burst {
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
        let regained = u32::try_from(regained).unwrap_or(u32::MAX);
        self.tokens = self.tokens.saturating_add(regained).min(self.rules.burst);
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
    /// DATA without data.
    pub(super) empty_data: Bucket,
}

impl Budgets {
    pub(super) fn new(config: &Config) -> Budgets {
        Budgets {
            resets: Resets::new(config.resets),
            window_updates: Bucket::new(config.window_updates),
            settings: Bucket::new(config.settings),
            pings: Bucket::new(config.pings),
            idle_frames: Bucket::new(config.idle_frames),
            empty_data: Bucket::new(Budget {
                burst: config.empty_data_max,
                refill_per_second: 0,
            }),
        }
    }

    /// A stream was opened. The peer may send updates before its first octet, and frames that cross
    /// ours at its end: a 1xx head, late DATA, late trailers, a second reset.
    pub(super) fn deposit_for_stream(&mut self) {
        self.pings.deposit(1);
        self.settings.deposit(1);
        self.window_updates.deposit(10);
        self.idle_frames.deposit(5);
        self.empty_data.deposit(10);
    }

    /// A stream ended normally. If an upstream answered, it pays for a hundred streams cancelled while
    /// held, two frames each: a caller that cancels nearly all its calls is not closed.
    pub(super) fn deposit_for_end(&mut self, reset_charge: ResetCharge) {
        self.resets.note_normal_end(reset_charge);
        let was_answered = reset_charge != ResetCharge::Exempt;
        self.idle_frames.deposit(u32::from(was_answered) * 200);
    }

    /// A DATA frame with octets was received.
    pub(super) fn deposit_for_data_received(&mut self) {
        self.pings.deposit(1);
        self.window_updates.deposit(2);
        self.empty_data.deposit(10);
    }

    /// A DATA frame of so many octets was sent. Envoy allows ten window updates for a frame, too; the
    /// reader of a gRPC message of five octets or more may send one for each message.
    pub(super) fn deposit_for_data_sent(&mut self, octets: usize) {
        self.pings.deposit(1);
        self.window_updates
            .deposit(10 + octets as u32 / MESSAGE_BYTES_MIN);
    }
}

/// What the smallest gRPC message takes in DATA. Octets.
const MESSAGE_BYTES_MIN: u32 = 5;

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
    fn time_refills_up_to_the_burst_and_work_up_to_a_hundred_of_them() {
        let mut bucket = spent(3, 50);
        assert!((0..3).all(|_| bucket.spend(900_000 * MS)));
        assert!(!bucket.spend(900_000 * MS));
        bucket.deposit(1_000);
        assert!((0..300).all(|_| bucket.spend(900_000 * MS)));
        assert!(!bucket.spend(900_000 * MS));
    }

    #[test]
    fn a_strict_one_never_holds_more_than_the_burst() {
        let mut bucket = Bucket::strict(Budget {
            burst: 3,
            refill_per_second: 50,
        });
        bucket.deposit(100);
        assert!((0..3).all(|_| bucket.spend(Duration::ZERO)));
        assert!(!bucket.spend(Duration::ZERO));
    }

    #[test]
    fn without_refill_only_work_earns() {
        let mut bucket = spent(1, 0);
        assert!(!bucket.spend(Duration::MAX));
        bucket.deposit(1);
        assert!(bucket.spend(Duration::MAX));
    }
}
