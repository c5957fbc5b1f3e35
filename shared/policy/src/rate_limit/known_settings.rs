//! The settings that operators know from other tools, and the rate that comes of them under load.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::{LimitState, RateAlgorithm, RateLimit, RateVerdict};
use crate::Tick;

const ALGORITHMS: [RateAlgorithm; 4] = [
    RateAlgorithm::TokenBucket,
    RateAlgorithm::LeakyBucket,
    RateAlgorithm::SlidingWindow,
    RateAlgorithm::FixedWindow,
];

const fn ms(millis: u64) -> Tick {
    Tick::from_nanos(millis * 1_000_000)
}

/// How so many calls at one moment end: admitted, waiting, rejected.
fn burst(state: &mut LimitState, rules: &RateLimit, calls: u32, now: Tick) -> (u32, u32, u32) {
    let (mut admitted, mut waiting, mut rejected) = (0, 0, 0);
    for _ in 0..calls {
        match state.take(rules, now, Duration::MAX) {
            RateVerdict::Admit { .. } => admitted += 1,
            RateVerdict::WaitUntil(at) => {
                assert!(now < at);
                waiting += 1;
            }
            RateVerdict::Reject { retry_after } => {
                assert!(!retry_after.is_zero());
                rejected += 1;
            }
        }
    }
    (admitted, waiting, rejected)
}

#[test]
fn two_a_second_with_a_burst_of_four() {
    let rules = RateLimit {
        burst: Some(4),
        ..RateLimit::new("orders", 2)
    };
    let mut state = LimitState::new(&rules);
    assert_eq!(burst(&mut state, &rules, 10, ms(0)), (4, 0, 6));
    assert_eq!(burst(&mut state, &rules, 10, ms(1_000)), (2, 0, 8));
    assert_eq!(burst(&mut state, &rules, 10, ms(60_000)), (4, 0, 6));
}

#[test]
fn a_thousand_a_second_with_a_burst_of_five_thousand() {
    let rules = RateLimit {
        burst: Some(5_000),
        ..RateLimit::new("orders", 1_000)
    };
    let mut state = LimitState::new(&rules);
    assert_eq!(burst(&mut state, &rules, 6_000, ms(0)), (5_000, 0, 1_000));
    assert_eq!(
        burst(&mut state, &rules, 2_000, ms(1_000)),
        (1_000, 0, 1_000)
    );
}

#[test]
fn a_call_waits_half_a_second_for_its_permit_and_no_longer() {
    let rules = RateLimit {
        algorithm: RateAlgorithm::LeakyBucket,
        wait_max: Some(Duration::from_millis(500)),
        ..RateLimit::new("orders", 10)
    };
    let mut state = LimitState::new(&rules);
    assert_eq!(burst(&mut state, &rules, 10, ms(0)), (1, 5, 4));
    // Half a second later those who waited are gone.
    assert_eq!(burst(&mut state, &rules, 10, ms(500)), (0, 5, 5));
}

#[test]
fn a_hundred_a_second_then_reject() {
    for algorithm in [RateAlgorithm::SlidingWindow, RateAlgorithm::FixedWindow] {
        let rules = RateLimit {
            algorithm,
            ..RateLimit::new("orders", 100)
        };
        let mut state = LimitState::new(&rules);
        assert_eq!(burst(&mut state, &rules, 150, ms(0)), (100, 0, 50));
        assert_eq!(burst(&mut state, &rules, 150, ms(999)), (0, 0, 150));
        assert_eq!(burst(&mut state, &rules, 150, ms(1_000)), (100, 0, 50));
    }
}

#[test]
fn a_hundred_a_second_then_queue() {
    let rules = RateLimit {
        algorithm: RateAlgorithm::LeakyBucket,
        wait_max: Some(Duration::from_secs(1)),
        ..RateLimit::new("orders", 100)
    };
    let mut state = LimitState::new(&rules);
    // A second's worth waits, 10 ms from one to the next.
    assert_eq!(burst(&mut state, &rules, 150, ms(0)), (1, 100, 49));
}

/// So many callers, 100,000 calls, four times as many as the limit allows: the share of the allowed
/// rate that is admitted, over the whole seconds of the run. Each caller calls again when a pause of a
/// random length is over.
fn admitted_share(rules: &RateLimit, callers: u64) -> f64 {
    const CALLS: u64 = 100_000;
    let pause_ns = callers * 1_000_000_000 / (4 * u64::from(rules.limit));
    let mut random = 7_u64;
    let mut next_random = move |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % below
    };
    let mut due: BinaryHeap<Reverse<u64>> = (0..callers)
        .map(|_| Reverse(next_random(pause_ns)))
        .collect();
    let mut state = LimitState::new(rules);
    let (mut permits, mut end) = (Vec::new(), 0);
    for _ in 0..CALLS {
        let Some(Reverse(now)) = due.pop() else { break };
        due.push(Reverse(now + pause_ns / 2 + next_random(pause_ns)));
        end = now;
        match state.take(rules, Tick::from_nanos(now), Duration::MAX) {
            RateVerdict::Admit { .. } => permits.push(now),
            RateVerdict::WaitUntil(at) => permits.push(at.as_nanos()),
            RateVerdict::Reject { .. } => {}
        }
    }
    let seconds = end / 1_000_000_000;
    let counted = permits.iter().filter(|at| **at < seconds * 1_000_000_000);
    counted.count() as f64 / (seconds * u64::from(rules.limit)) as f64
}

#[test]
fn many_callers_together_get_the_rate_within_one_percent() {
    for algorithm in ALGORITHMS {
        for callers in [500, 1_000, 2_000] {
            let burst = (algorithm == RateAlgorithm::TokenBucket).then_some(100);
            let rules = RateLimit {
                algorithm,
                burst,
                ..RateLimit::new("orders", 1_000)
            };
            assert_eq!(rules.problems(), []);
            let share = admitted_share(&rules, callers);
            assert!(
                (0.99..=1.01).contains(&share),
                "{algorithm:?}, {callers} callers: {share}"
            );
        }
    }
}
