//! Whenever one endpoint is healthy it is found, whatever was before: as many calls in a row fail as
//! there are endpoints at most, half as many where a failed call is repeated once. So of five
//! endpoints, or of ten with repeats, at most five. No rule finds it sooner for certain: an endpoint
//! that died since its last call is known for dead after the next one, and all but one may have died.

use super::{Class, Noise, World};
use crate::health::{BreakerRules, HealthRules, OutlierRules};

const COUNTS: [usize; 10] = [2, 3, 4, 5, 6, 8, 10, 12, 20, 40];

/// How calls are made.
#[derive(Clone, Copy, Debug)]
struct Calls {
    /// Attempts of each: 2 where a failed call may be repeated, which is the default.
    attempts: usize,
    /// A second; one after the other.
    rate: f64,
}

/// One call; `true` if it succeeds.
fn call(world: &mut World, calls: Calls) -> bool {
    let mut tried = vec![];
    for _ in 0..calls.attempts {
        let attempt = world.begin(&tried, 0);
        let before = tried.contains(&attempt.index);
        assert!(
            !before || tried.len() == world.endpoints.len(),
            "tried again, though others are there"
        );
        tried.push(attempt.index);
        world.now += attempt.latency;
        world.end(attempt);
        if attempt.class == Class::Success {
            return true;
        }
    }
    false
}

/// Endpoints die and come back at random, often together; the longest row of failed calls while an
/// endpoint was healthy all the time.
fn longest_row(world: &mut World, calls: Calls) -> usize {
    let mut longest = 0;
    for _ in 0..60 {
        let chance = [0.0, 0.3, 0.7, 0.95, 1.0][world.random.below(5)];
        let count = world.endpoints.len();
        for index in 0..count {
            world.endpoints[index].is_dead = world.random.share() <= chance;
        }
        if world.random.below(2) == 0 && chance > 0.5 {
            let healthy = world.random.below(count);
            for index in 0..count {
                world.endpoints[index].is_dead = index != healthy;
            }
        }
        let all_dead = world.endpoints.iter().all(|found| found.is_dead);
        let until = world.now + 10f64.powf(-2.0 + 4.0 * world.random.share());
        let mut row = 0;
        for _ in 0..3_000 {
            if world.now >= until {
                break;
            }
            let next = world.now + 1.0 / calls.rate;
            row = if call(world, calls) { 0 } else { row + 1 };
            world.now = world.now.max(next);
            if !all_dead {
                longest = longest.max(row);
            }
        }
        world.now = world.now.max(until);
    }
    longest
}

fn check(rules: HealthRules, calls: Calls) {
    for count in COUNTS {
        for seed in 0..10 {
            let mut world = World::new(seed, Noise::LogNormal, &vec![2.0; count]);
            world.rules = rules;
            let row = longest_row(&mut world, calls);
            assert!(
                row <= count.div_ceil(calls.attempts),
                "{row} in a row: {calls:?}, {count} endpoints, seed {seed}"
            );
        }
    }
}

fn every_rules() -> [HealthRules; 3] {
    let outlier = Some(OutlierRules::default());
    let rules = HealthRules::default();
    [
        rules,
        HealthRules { outlier, ..rules },
        HealthRules {
            breaker: None,
            outlier,
        },
    ]
}

#[test]
fn a_call_that_may_be_repeated_finds_the_healthy_endpoint() {
    for rules in every_rules() {
        for rate in [5.0, 50.0, 1_000.0] {
            check(rules, Calls { attempts: 2, rate });
        }
    }
}

#[test]
fn calls_that_must_not_be_repeated_find_it_too() {
    for rules in every_rules() {
        for rate in [5.0, 50.0, 1_000.0] {
            check(rules, Calls { attempts: 1, rate });
        }
    }
}

/// The case of the report: both fail and are healed, one is out for a minute, then the other fails.
#[test]
fn a_healthy_endpoint_behind_an_open_breaker_is_found() {
    let breaker = BreakerRules {
        open_time: std::time::Duration::from_secs(60),
        ..BreakerRules::default()
    };
    for attempts in [1, 2] {
        let calls = Calls {
            attempts,
            rate: 30.0,
        };
        let mut world = World::new(1, Noise::Steady, &[2.0, 2.0]);
        world.rules.breaker = Some(breaker);
        world.endpoints[0].is_dead = true;
        while !world.endpoints[0].health.is_out(super::tick(world.now)) {
            call(&mut world, calls);
            world.now += 0.03;
        }
        (world.endpoints[0].is_dead, world.endpoints[1].is_dead) = (false, true);
        let failed = (0..120).filter(|_| !call(&mut world, calls)).count();
        assert!(
            failed <= 12,
            "{failed} of 120 failed: trials of the dead one"
        );
    }
}

/// While all are out each is probed in turn; and when the outage is over, all are back within
/// two seconds, or some turns.
#[test]
fn an_outage_of_all_is_over_for_all_at_once() {
    for count in 2..=10 {
        for rate in [5.0, 50.0, 1_000.0] {
            let calls = Calls { attempts: 1, rate };
            let mut world = World::new(7, Noise::Steady, &vec![2.0; count]);
            world
                .endpoints
                .iter_mut()
                .for_each(|found| found.is_dead = true);
            for _ in 0..40 * count * 8 {
                assert!(!call(&mut world, calls));
                world.now += 1.0 / rate;
            }
            let is_out = |world: &World, index: usize| {
                world.endpoints[index].health.is_out(super::tick(world.now))
            };
            assert!(
                (0..count).all(|index| is_out(&world, index)),
                "{count} at {rate}"
            );
            let before: Vec<_> = world
                .endpoints
                .iter()
                .map(|found| found.picked.len())
                .collect();
            for _ in 0..10 * count {
                call(&mut world, calls);
                world.now += 1.0 / rate;
            }
            for (found, before) in world.endpoints.iter().zip(before) {
                assert_eq!(found.picked.len() - before, 10, "each in turn");
            }
            world
                .endpoints
                .iter_mut()
                .for_each(|found| found.is_dead = false);
            assert!(call(&mut world, calls), "the first call finds one");
            for _ in 0..(2 * rate as usize).max(count * count) {
                assert!(call(&mut world, calls));
                world.now += 1.0 / rate;
            }
            assert!(
                (0..count).all(|index| !is_out(&world, index)),
                "{count} at {rate}"
            );
        }
    }
}

/// A dead one gets few calls beside one that fails now and then.
#[test]
fn a_dead_endpoint_costs_a_flaky_one_little() {
    let calls = Calls {
        attempts: 1,
        rate: 200.0,
    };
    let mut world = World::new(3, Noise::Steady, &[2.0, 2.0]);
    world.endpoints[0].is_dead = true;
    let mut failed = 0;
    for turn in 0..6_000 {
        world.endpoints[1].is_dead = turn % 10 == 0;
        failed += usize::from(!call(&mut world, calls));
    }
    assert!(
        failed < 6_000 * 18 / 100,
        "{failed} of 6000 failed, 600 of them anyway"
    );
}
