//! Token bucket and leaky bucket: permits that come at a steady rate.
//!
//! Both are the generic cell rate algorithm (ITU-T I.371): the state is the time at which the bucket
//! is full again. A token bucket saves `burst` permits. A leaky bucket saves one and lets calls wait
//! for theirs, so that they leave at the pace of the rate.

use std::time::Duration;

use super::{RateLimit, RateVerdict};
use crate::{Tick, Word};

/// A bucket; the default is a full one. One word, so any number of workers may share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenBucket {
    // Invariant: full_at < Tick::MAX.
    full_at: Tick,
}

impl TokenBucket {
    /// Takes a permit, if there is one or if it may be waited for. `patience` is the longest wait that
    /// is of use to the call.
    pub fn take(
        self,
        rules: &RateLimit,
        now: Tick,
        patience: Duration,
    ) -> (TokenBucket, RateVerdict) {
        self.take_at_pace(rules, rules.interval(), now, patience)
    }

    /// As [`take`](TokenBucket::take), with another time than the rate's from permit to permit.
    pub(super) fn take_at_pace(
        self,
        rules: &RateLimit,
        interval: Duration,
        now: Tick,
        patience: Duration,
    ) -> (TokenBucket, RateVerdict) {
        // Not earlier than `now`: an idle bucket saves no more than it holds.
        let full_at = self.full_at.max(now);
        let saved = rules.interval().saturating_mul(rules.burst() - 1);
        let wait = full_at.since(now).saturating_sub(saved);
        // A permit that comes after the call's deadline would be lost to a call that is in time.
        let beyond = wait.saturating_sub(rules.wait_max().min(patience));
        if !beyond.is_zero() {
            let retry_after = beyond;
            return (self, RateVerdict::Reject { retry_after });
        }
        let next = TokenBucket::full_at(full_at + interval);
        let verdict = if wait.is_zero() {
            let left = (saved + interval).saturating_sub(next.full_at.since(now));
            RateVerdict::Admit {
                remaining: whole_intervals(left, interval),
                resets_at: next.full_at,
            }
        } else {
            RateVerdict::WaitUntil(now + wait)
        };
        (next, verdict)
    }

    /// How long the bucket has been full at `now`; zero if it is not.
    pub(super) fn idle(self, now: Tick) -> Duration {
        now.since(self.full_at)
    }

    /// When the bucket is full again.
    pub(super) fn resets_at(self) -> Tick {
        self.full_at
    }

    fn full_at(tick: Tick) -> TokenBucket {
        let latest = Tick::from_nanos(u64::MAX - 1);
        TokenBucket {
            full_at: tick.min(latest),
        }
    }
}

impl Word for TokenBucket {
    fn to_bits(self) -> u64 {
        self.full_at.as_nanos()
    }

    fn from_bits(bits: u64) -> TokenBucket {
        TokenBucket::full_at(Tick::from_nanos(bits))
    }
}

fn whole_intervals(span: Duration, interval: Duration) -> u32 {
    // In 64 bits, because a division of 128 bits costs more than all the rest of a decision.
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    u32::try_from(nanos(span) / nanos(interval).max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RateAlgorithm;

    const fn ms(millis: u64) -> Tick {
        Tick::from_nanos(millis * 1_000_000)
    }

    fn admitted(remaining: u32, resets_ms: u64) -> RateVerdict {
        RateVerdict::Admit {
            remaining,
            resets_at: ms(resets_ms),
        }
    }

    fn rejected(retry_after_ms: u64) -> RateVerdict {
        RateVerdict::Reject {
            retry_after: Duration::from_millis(retry_after_ms),
        }
    }

    fn run(rules: &RateLimit, calls_and_verdicts: &[(u64, RateVerdict)]) {
        let mut bucket = TokenBucket::default();
        for (line, (at, expected)) in calls_and_verdicts.iter().enumerate() {
            let (next, verdict) = bucket.take(rules, ms(*at), Duration::MAX);
            assert_eq!(verdict, *expected, "line {line}");
            bucket = TokenBucket::from_bits(next.to_bits());
        }
    }

    #[test]
    fn a_burst_is_admitted_and_then_the_rate() {
        let rules = RateLimit {
            burst: Some(4),
            ..RateLimit::new("orders", 2)
        };
        run(
            &rules,
            &[
                (0, admitted(3, 500)),
                (0, admitted(2, 1_000)),
                (0, admitted(1, 1_500)),
                (0, admitted(0, 2_000)),
                (0, rejected(500)),
                (499, rejected(1)),
                (500, admitted(0, 2_500)),
                (2_500, admitted(3, 3_000)),
                // A clock behind another worker's.
                (2_400, admitted(1, 3_500)),
                (2_400, admitted(0, 4_000)),
                (2_400, rejected(100)),
            ],
        );
    }

    #[test]
    fn a_leaky_bucket_paces_and_rejects_who_would_wait_too_long() {
        let rules = RateLimit {
            algorithm: RateAlgorithm::LeakyBucket,
            wait_max: Some(Duration::from_millis(20)),
            ..RateLimit::new("orders", 100)
        };
        run(
            &rules,
            &[
                (0, admitted(0, 10)),
                (0, RateVerdict::WaitUntil(ms(10))),
                (0, RateVerdict::WaitUntil(ms(20))),
                (0, rejected(10)),
                (10, RateVerdict::WaitUntil(ms(30))),
                (100, admitted(0, 110)),
            ],
        );
    }

    #[test]
    fn a_call_that_cannot_wait_that_long_takes_no_permit() {
        let rules = RateLimit {
            algorithm: RateAlgorithm::LeakyBucket,
            ..RateLimit::new("orders", 100)
        };
        let (bucket, _) = TokenBucket::default().take(&rules, ms(0), Duration::MAX);
        let (bucket, verdict) = bucket.take(&rules, ms(0), Duration::from_millis(9));
        assert_eq!(verdict, rejected(1));
        let (_, verdict) = bucket.take(&rules, ms(0), Duration::from_millis(10));
        assert_eq!(verdict, RateVerdict::WaitUntil(ms(10)));
    }

    #[test]
    fn the_end_of_time_is_no_panic() {
        let rules = RateLimit::new("orders", 1);
        let (bucket, _) = TokenBucket::default().take(&rules, Tick::MAX, Duration::MAX);
        assert_ne!(bucket.to_bits(), u64::MAX);
        assert_eq!(TokenBucket::from_bits(bucket.to_bits()), bucket);
    }
}
