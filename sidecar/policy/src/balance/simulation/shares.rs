//! Who gets how much: equal endpoints, slow ones, and one that was slow or failed once.

use super::{Class, Endpoint, Load, Noise, World};

const SEEDS: u64 = 2;
const COUNTS: [usize; 3] = [2, 3, 10];

/// What most answers take. Milliseconds.
const USUAL: f64 = 2.0;

/// 5, 50 and 1,000 calls a second, of callers that come and of callers that wait.
fn loads() -> impl Iterator<Item = Load> {
    let rates = [(5.0, 1), (50.0, 1), (50.0, 8), (1_000.0, 8)].into_iter();
    rates.flat_map(|(rate, callers)| [Load::Open(rate), Load::Closed(rate, callers)])
}

/// Runs `check` over noises, loads, numbers of endpoints and seeds.
fn each(noises: &[Noise], check: impl Fn(u64, Noise, Load, usize, &str)) {
    for noise in noises {
        for load in loads() {
            for count in COUNTS {
                for seed in 0..SEEDS {
                    let case = format!("{noise:?} {load:?}, {count} endpoints, seed {seed}");
                    check(seed, *noise, load, count, &case);
                }
            }
        }
    }
}

const QUIET: [Noise; 3] = [Noise::Steady, Noise::Outliers, Noise::LogNormal];

/// Where the fair share is a handful of calls, 20 % of it is less than one: then one call more or
/// less is allowed.
#[test]
fn equal_endpoints_get_equal_shares_in_any_five_seconds() {
    each(&QUIET, |seed, noise, load, count, case| {
        let mut world = World::new(seed, noise, &vec![USUAL; count]);
        world.run(load, 40.0);
        for step in 0..50 {
            let counts = world.counts(1.0 + 0.7 * f64::from(step), 5.0);
            let fair = counts.iter().sum::<f64>() / count as f64;
            for got in &counts {
                let allowed = (0.2 * fair).max(1.0);
                assert!((got - fair).abs() <= allowed, "{case}: {counts:?}");
            }
        }
    });
}

/// At once or in the middle, slow or failed: after 3 s it gets half of its share at least.
#[test]
fn one_slow_answer_or_failure_costs_no_endpoint_its_share() {
    let once = [
        (0.3, Class::Success),
        (5.0, Class::Success),
        (0.001, Class::EndpointFault),
    ];
    each(&QUIET, |seed, noise, load, count, case| {
        for (before, once) in [0.0, 20.0]
            .into_iter()
            .flat_map(|before| once.map(|once| (before, once)))
        {
            let mut world = World::new(seed, noise, &vec![USUAL; count]);
            world.run(load, before);
            world.endpoints[1].once = Some(once);
            world.run(load, 20.0);
            let slow = world.endpoints[1]
                .picked
                .iter()
                .find(|at| **at >= 1.0 + before);
            let after = slow.expect("it is picked") + once.0 + 3.0;
            let counts = world.counts(after, 5.0);
            let fair = counts.iter().sum::<f64>() / count as f64;
            let allowed = (0.5 * fair).floor();
            assert!(
                counts[1] >= allowed,
                "{case}, {once:?} after {before} s: {counts:?}"
            );
        }
    });
}

#[test]
fn one_that_is_ten_times_slower_gets_a_tenth_of_its_share_at_most() {
    each(&QUIET, |seed, noise, load, count, case| {
        let mut latencies = vec![USUAL; count];
        latencies[0] = 10.0 * USUAL;
        let mut world = World::new(seed, noise, &latencies);
        world.run(load, 150.0);
        let share = world.share(0, 31.0, 120.0);
        assert!(share <= 0.1, "{case}: {share:.3}");
    });
}

#[test]
fn of_ten_of_which_one_is_three_times_slower_p99_is_near_the_best() {
    for noise in QUIET {
        for load in loads() {
            let p99 = |knows_best| {
                let of = |seed| {
                    let mut latencies = vec![USUAL; 10];
                    latencies[3] = 3.0 * USUAL;
                    let mut world = World::new(seed, noise, &latencies);
                    world.knows_best = knows_best;
                    world.run(load, 30.0 + (20_000.0 / load.rate()).max(60.0));
                    world.p99(31.0)
                };
                (0..SEEDS).map(of).sum::<f64>()
            };
            let ratio = p99(false) / p99(true);
            assert!(ratio <= 1.2, "{noise:?} {load:?}: {ratio:.2}");
        }
    }
}

/// It comes into a busy cluster and is cold for a second: a call in a turn and one at a time, then its
/// share.
#[test]
fn a_new_endpoint_is_tried_gently_and_soon() {
    each(&QUIET, |seed, noise, load, count, case| {
        let mut world = World::new(seed, noise, &vec![USUAL; count]);
        world.run(load, 20.0);
        let calls = load.rate();
        world.endpoints.push(Endpoint {
            latency: 0.3,
            ..Endpoint::default()
        });
        world.run(load, 1.0);
        let cold = world.endpoints[count].picked.len();
        assert!(cold <= 8, "{case}: {cold} calls met it cold");
        world.endpoints[count].latency = USUAL / 1e3;
        world.run(load, 12.0);
        let turns = 2.0 * (count + 1) as f64 / calls;
        let first = world.endpoints[count].picked.first();
        let soon = first.is_some_and(|at| at - 21.0 <= 3.0 * turns);
        assert!(soon, "{case}: first at {first:?}");
        let counts = world.counts(25.0, 8.0);
        let fair = counts.iter().sum::<f64>() / counts.len() as f64;
        assert!(counts[count] >= (0.5 * fair).floor(), "{case}: {counts:?}");
    });
}

#[test]
fn what_is_slow_and_is_well_again_gets_its_share_again() {
    each(
        &[Noise::Steady, Noise::LogNormal],
        |seed, noise, load, count, case| {
            let mut latencies = vec![USUAL; count];
            latencies[0] = 10.0 * USUAL;
            let mut world = World::new(seed, noise, &latencies);
            world.run(load, 60.0);
            world.endpoints[0].latency = USUAL / 1e3;
            world.run(load, 100.0);
            let share = world.share(0, 141.0, 20.0);
            assert!(share >= 0.75, "{case}: {share:.3}");
        },
    );
}

/// Where answers differ among themselves as much as can be, what is ten times slower is still found, and
/// equal endpoints are still equal; only later, and less exactly.
#[test]
fn noise_without_bounds_only_blurs_the_figures() {
    each(&[Noise::Exponential], |seed, noise, load, count, case| {
        let mut latencies = vec![USUAL; count];
        let mut world = World::new(seed, noise, &latencies);
        world.run(load, 120.0);
        let share = world.share(0, 1.0, 120.0);
        assert!((0.7..1.3).contains(&share), "{case}: {share:.3}");
        latencies[0] = 10.0 * USUAL;
        let mut world = World::new(seed, noise, &latencies);
        world.run(load, 150.0);
        let share = world.share(0, 31.0, 120.0);
        assert!(share <= 0.4, "{case}: {share:.3}");
    });
}
