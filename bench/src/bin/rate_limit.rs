//! What a decision of a rate limit costs: `rate_limit` prints a table for
//! `bench/results/`.
//!
//! Each figure is the best of nine rounds: what disturbs a round only makes it slower. Calls come at
//! twice the rate of the limit, so half of the decisions refuse or wait.

use std::hint::black_box;
use std::time::{Duration, Instant};

use outrider_policy::{
    KeyTable, LimitKey, LimitState, RateAlgorithm, RateLimit, RateVerdict, Tick,
};

const DECISIONS: u32 = 1_000_000;
const ROUNDS: u32 = 9;
/// From call to call: twice the rate of [`rules`].
const PAUSE: Duration = Duration::from_micros(50);

fn main() {
    println!("| limit | ns a decision | admitted or waiting |\n|---|---|---|");
    for (name, rules) in algorithms() {
        let mut state = LimitState::new(&rules);
        report(name, |_, now| state.take(&rules, now, Duration::MAX));
    }
    for keys in [1, 1_000, 10_000] {
        let rules = RateLimit {
            key: LimitKey::Header("x-tenant".to_owned()),
            keys_max: Some(keys),
            ..rules(RateAlgorithm::TokenBucket)
        };
        let names: Vec<String> = (0..keys).map(|key| format!("tenant-{key:06}")).collect();
        let mut table = KeyTable::new(&rules, 7);
        report(&format!("token bucket, one of {keys} keys"), |call, now| {
            // A stride that is prime to the count: neighbours in time are none in the table.
            let key = &names[(call as usize * 7_919) % names.len()];
            table.take(key.as_bytes(), &rules, now, Duration::MAX)
        });
    }
}

fn algorithms() -> [(&'static str, RateLimit); 5] {
    let warming = RateLimit {
        warm_up: Some(Duration::from_secs(10)),
        ..rules(RateAlgorithm::TokenBucket)
    };
    [
        ("token bucket", rules(RateAlgorithm::TokenBucket)),
        ("token bucket with a warm-up", warming),
        ("leaky bucket", rules(RateAlgorithm::LeakyBucket)),
        ("sliding window", rules(RateAlgorithm::SlidingWindow)),
        ("fixed window", rules(RateAlgorithm::FixedWindow)),
    ]
}

fn rules(algorithm: RateAlgorithm) -> RateLimit {
    RateLimit {
        algorithm,
        ..RateLimit::new("orders", 10_000)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures real time; nothing is decided by it"
)]
fn report(name: &str, mut take: impl FnMut(u32, Tick) -> RateVerdict) {
    let mut now = Tick::ZERO;
    let (mut best, mut admitted) = (Duration::MAX, 0);
    for _ in 0..ROUNDS {
        admitted = 0;
        let begin = Instant::now();
        for call in 0..DECISIONS {
            now = now + PAUSE;
            let verdict = black_box(take(call, black_box(now)));
            admitted += u32::from(!matches!(verdict, RateVerdict::Reject { .. }));
        }
        best = best.min(begin.elapsed());
    }
    let nanos = best.as_nanos() as f64 / f64::from(DECISIONS);
    let percent = f64::from(admitted) * 100.0 / f64::from(DECISIONS);
    println!("| {name} | {nanos:.1} | {percent:.0} % |");
}
