//! Warm-up: a bucket whose rate rises while it is used, for what is slow until its caches are full.
//!
//! Cold, the rate is a third of the limit; it rises in a straight line and is whole after `warm_up` of
//! full use. Idle time cools as fast as use warms, so a trickle of calls keeps it cold. The same curve
//! as Guava's `SmoothWarmingUp` and Sentinel's warm-up, whose cold factor is also 3.

use std::time::Duration;

use super::bucket::TokenBucket;
use super::{RateLimit, RateVerdict};
use crate::Tick;

/// How many times slower than warm the cold rate is.
const COLD_FACTOR: u128 = 3;

/// A bucket that begins cold. Two words, so workers share it behind a lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WarmingBucket {
    bucket: TokenBucket,
    /// Time of use less idle time, when the bucket was full last. At most `warm_up`.
    warmth: Duration,
}

impl WarmingBucket {
    /// As [`TokenBucket::take`], at the pace of the present warmth.
    pub fn take(
        self,
        rules: &RateLimit,
        now: Tick,
        patience: Duration,
    ) -> (WarmingBucket, RateVerdict) {
        let warm_up = rules.warm_up.unwrap_or_default();
        let warmth = self.warmth_at(now).min(warm_up);
        let interval = pace(rules.interval(), warmth, warm_up);
        let (bucket, verdict) = self.bucket.take_at_pace(rules, interval, now, patience);
        let used = match verdict {
            RateVerdict::Admit { .. } | RateVerdict::WaitUntil(_) => interval,
            // Nothing has changed: the idle time counts when a call is admitted.
            RateVerdict::Reject { .. } => return (self, verdict),
        };
        let warmth = (warmth + used).min(warm_up);
        (WarmingBucket { bucket, warmth }, verdict)
    }

    /// Full and cold: as if it had never been used.
    pub(super) fn is_at_rest(self, now: Tick) -> bool {
        now >= self.bucket.resets_at() + self.warmth
    }

    fn warmth_at(self, now: Tick) -> Duration {
        self.warmth.saturating_sub(self.bucket.idle(now))
    }
}

/// From permit to permit: the rate is (1 + 2 w) / 3 of the whole one, where w is the share of warmth.
fn pace(interval: Duration, warmth: Duration, warm_up: Duration) -> Duration {
    let (warmth, warm_up) = (warmth.as_nanos(), warm_up.as_nanos());
    let whole = warm_up + (COLD_FACTOR - 1) * warmth;
    if whole == 0 {
        return interval;
    }
    let nanos = (interval.as_nanos() * COLD_FACTOR * warm_up).div_ceil(whole);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RateAlgorithm;

    fn rules() -> RateLimit {
        RateLimit {
            algorithm: RateAlgorithm::LeakyBucket,
            wait_max: Some(Duration::ZERO),
            warm_up: Some(Duration::from_secs(10)),
            ..RateLimit::new("orders", 100)
        }
    }

    /// Admitted calls of each second, with a call each of so many microseconds.
    fn admitted_by_second(bucket: &mut WarmingBucket, from: u64, to: u64, every: u64) -> Vec<u32> {
        let mut counts = vec![0; (to - from) as usize];
        for us in (from * 1_000_000..to * 1_000_000).step_by(every as usize) {
            let (next, verdict) =
                bucket.take(&rules(), Tick::from_nanos(us * 1_000), Duration::MAX);
            *bucket = next;
            if matches!(verdict, RateVerdict::Admit { .. }) {
                counts[(us / 1_000_000 - from) as usize] += 1;
            }
        }
        counts
    }

    #[test]
    fn the_rate_rises_from_a_third_to_the_whole() {
        let mut bucket = WarmingBucket::default();
        let counts = admitted_by_second(&mut bucket, 0, 15, 100);
        assert!((33..=40).contains(&counts[0]), "{counts:?}");
        assert!(counts.is_sorted(), "{counts:?}");
        // Calls come once in 0.1 ms, so a permit of 10 ms is taken after 10.1 ms.
        assert_eq!(counts[14], 99, "{counts:?}");
    }

    #[test]
    fn it_cools_while_it_is_idle_or_hardly_used() {
        for every in [1_000_000, 100_000_000] {
            let mut bucket = WarmingBucket::default();
            admitted_by_second(&mut bucket, 0, 30, 100);
            admitted_by_second(&mut bucket, 30, 60, every);
            let counts = admitted_by_second(&mut bucket, 60, 61, 100);
            assert!((33..=40).contains(&counts[0]), "{every}: {counts:?}");
        }
    }

    #[test]
    fn it_is_at_rest_when_it_is_full_and_cold() {
        let tick = |ms: u64| Tick::from_nanos(ms * 1_000_000);
        assert!(WarmingBucket::default().is_at_rest(Tick::ZERO));
        let (bucket, _) = WarmingBucket::default().take(&rules(), Tick::ZERO, Duration::MAX);
        // A cold permit takes 30 ms, and 30 ms of use are forgotten in 30 ms.
        assert!(!bucket.is_at_rest(tick(59)));
        assert!(bucket.is_at_rest(tick(60)));
    }
}
