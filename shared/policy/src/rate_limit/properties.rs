//! What holds for each algorithm, whatever comes when.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{FixedWindow, LimitState, RateAlgorithm, RateLimit, RateVerdict, TokenBucket};
use crate::{Tick, Word};

const SECOND: u64 = 1_000_000_000;

/// Arrivals, by the time from one to the next: bursts, trickles and long pauses.
fn arrivals() -> impl Strategy<Value = Vec<u64>> {
    let pause = prop_oneof![
        4 => Just(0),
        4 => 0..SECOND / 100,
        2 => 0..SECOND,
        1 => 0..10 * SECOND,
    ];
    vec(pause, 1..400).prop_map(|pauses| {
        let ticks = pauses.into_iter().scan(0, |now, pause| {
            *now += pause;
            Some(*now)
        });
        ticks.collect()
    })
}

/// When the calls that arrive then get their permits.
fn permits(rules: &RateLimit, arrivals: &[u64]) -> Vec<u64> {
    let mut state = LimitState::new(rules);
    let permit = |now: &u64| match state.take(rules, Tick::from_nanos(*now), Duration::MAX) {
        RateVerdict::Admit { resets_at, .. } => {
            assert!(resets_at.as_nanos() > *now);
            Some(*now)
        }
        RateVerdict::WaitUntil(at) => {
            let wait = at.since(Tick::from_nanos(*now));
            assert!(!wait.is_zero() && wait <= rules.wait_max());
            Some(at.as_nanos())
        }
        RateVerdict::Reject { retry_after } => {
            assert!(!retry_after.is_zero());
            None
        }
    };
    arrivals.iter().filter_map(permit).collect()
}

/// The most permits in any stretch of this length.
fn most_within(permits: &[u64], length: u64) -> usize {
    let in_stretch = |(first, from): (usize, &u64)| {
        let behind = &permits[first..];
        behind.partition_point(|at| *at < from + length)
    };
    permits
        .iter()
        .enumerate()
        .map(in_stretch)
        .max()
        .unwrap_or(0)
}

proptest! {
    #[test]
    fn a_sliding_window_never_admits_more_than_its_limit_in_any_period(
        limit in 1u32..50, period in 1u64..5, arrivals in arrivals(),
    ) {
        let rules = RateLimit {
            algorithm: RateAlgorithm::SlidingWindow,
            period: Duration::from_secs(period),
            ..RateLimit::new("orders", limit)
        };
        let permits = permits(&rules, &arrivals);
        prop_assert!(most_within(&permits, period * SECOND) <= limit as usize);
    }

    /// And it refuses only when that many were admitted.
    #[test]
    fn a_sliding_window_refuses_only_what_is_over_its_limit(
        limit in 1u32..20, arrivals in arrivals(),
    ) {
        let rules = RateLimit {
            algorithm: RateAlgorithm::SlidingWindow,
            ..RateLimit::new("orders", limit)
        };
        let mut state = LimitState::new(&rules);
        let mut admitted: Vec<u64> = Vec::new();
        for now in arrivals {
            let used = admitted.iter().filter(|at| **at + SECOND > now).count();
            let verdict = state.take(&rules, Tick::from_nanos(now), Duration::MAX);
            match verdict {
                RateVerdict::Admit { remaining, .. } => {
                    prop_assert_eq!(used + 1 + remaining as usize, limit as usize);
                    admitted.push(now);
                }
                RateVerdict::WaitUntil(_) => prop_assert!(false, "a window has no queue"),
                RateVerdict::Reject { .. } => prop_assert_eq!(used, limit as usize),
            }
        }
    }

    #[test]
    fn a_token_bucket_admits_at_most_the_burst_and_the_rate(
        limit in 1u32..200, burst in 1u32..50, arrivals in arrivals(), stretch in 1u64..5 * SECOND,
    ) {
        let rules = RateLimit { burst: Some(burst), ..RateLimit::new("orders", limit) };
        let permits = permits(&rules, &arrivals);
        let refilled = stretch * u64::from(limit) / SECOND + 1;
        prop_assert!(most_within(&permits, stretch) as u64 <= u64::from(burst) + refilled);
    }

    #[test]
    fn the_permits_of_a_leaky_bucket_are_an_interval_apart(
        limit in 1u32..200, wait_ms in 0u64..2_000, arrivals in arrivals(),
    ) {
        let rules = RateLimit {
            algorithm: RateAlgorithm::LeakyBucket,
            wait_max: Some(Duration::from_millis(wait_ms)),
            ..RateLimit::new("orders", limit)
        };
        let permits = permits(&rules, &arrivals);
        let interval = rules.interval().as_nanos() as u64;
        for pair in permits.windows(2) {
            prop_assert!(pair[1] - pair[0] >= interval, "{pair:?}");
        }
    }

    #[test]
    fn a_warm_up_never_admits_more_than_the_bucket_without_it(
        limit in 1u32..200, burst in 1u32..50, warm_up in 1u64..30, arrivals in arrivals(),
    ) {
        let rules = RateLimit {
            burst: Some(burst),
            warm_up: Some(Duration::from_secs(warm_up)),
            ..RateLimit::new("orders", limit)
        };
        let permits = permits(&rules, &arrivals);
        let refilled = u64::from(limit) + 1;
        prop_assert!(most_within(&permits, SECOND) as u64 <= u64::from(burst) + refilled);
    }

    #[test]
    fn a_fixed_window_admits_its_limit_in_each_period(
        limit in 1u32..50, arrivals in arrivals(),
    ) {
        let rules = RateLimit {
            algorithm: RateAlgorithm::FixedWindow,
            ..RateLimit::new("orders", limit)
        };
        let permits = permits(&rules, &arrivals);
        let of_window = |index: u64| permits.iter().filter(|at| **at / SECOND == index).count();
        for arrival in arrivals {
            prop_assert!(of_window(arrival / SECOND) <= limit as usize);
        }
    }

    /// A call that comes after `retry_after` is admitted, if no other call came before it.
    #[test]
    fn a_rejected_call_is_served_after_the_time_it_was_told(
        which in 0usize..4, limit in 1u32..20, arrivals in arrivals(),
    ) {
        let algorithm = [
            RateAlgorithm::TokenBucket,
            RateAlgorithm::LeakyBucket,
            RateAlgorithm::SlidingWindow,
            RateAlgorithm::FixedWindow,
        ][which];
        let rules = RateLimit { algorithm, ..RateLimit::new("orders", limit) };
        let mut state = LimitState::new(&rules);
        for now in arrivals {
            let now = Tick::from_nanos(now);
            if let RateVerdict::Reject { retry_after } = state.take(&rules, now, Duration::MAX) {
                let again = state.clone().take(&rules, now + retry_after, Duration::MAX);
                prop_assert!(!matches!(again, RateVerdict::Reject { .. }), "{again:?}");
            }
        }
    }

    #[test]
    fn every_word_is_a_legal_state(bits: u64, now: u64) {
        let (rules, now) = (RateLimit::new("orders", 100), Tick::from_nanos(now));
        let (bucket, _) = TokenBucket::from_bits(bits).take(&rules, now, Duration::MAX);
        prop_assert_eq!(TokenBucket::from_bits(bucket.to_bits()), bucket);
        let (window, _) = FixedWindow::from_bits(bits).take(&rules, now);
        prop_assert_eq!(FixedWindow::from_bits(window.to_bits()), window);
    }
}
