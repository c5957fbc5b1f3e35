//! Who gets how much where weights differ.

use super::{Load, Noise, Weights, World};

/// Milliseconds.
const USUAL: f64 = 2.0;

/// From calls one after the other to a load that keeps each endpoint busy.
const LOADS: [Load; 7] = [
    Load::Open(50.0),
    Load::Open(1_000.0),
    Load::Open(5_000.0),
    Load::Closed(1e6, 1),
    Load::Closed(1e6, 2),
    Load::Closed(1e6, 8),
    Load::Closed(1e6, 64),
];

fn weighted(seed: u64, noise: Noise, weights: &[u32]) -> World {
    World {
        weights: Weights::of_groups([weights]),
        ..World::new(seed, noise, &vec![USUAL; weights.len()])
    }
}

/// Calls in 10 s, or a thousand of them where they come slowly.
fn run(world: &mut World, load: Load) -> Vec<f64> {
    let seconds = (1_000.0 / load.rate()).clamp(2.0, 20.0);
    world.run(load, seconds);
    world.counts(1.0, seconds)
}

#[test]
fn an_endpoint_of_three_times_the_weight_gets_three_times_the_calls() {
    for noise in [Noise::Steady, Noise::LogNormal] {
        for load in LOADS {
            let counts = run(&mut weighted(1, noise, &[1, 3]), load);
            let share = counts[1] / (counts[0] + counts[1]);
            assert!(
                (0.70..0.80).contains(&share),
                "{noise:?} {load:?}: {counts:?}"
            );
        }
    }
}

#[test]
fn each_of_many_gets_calls_by_its_weight() {
    let weights = [1, 2, 2, 5, 10];
    for load in LOADS {
        let counts = run(&mut weighted(2, Noise::Steady, &weights), load);
        let all: f64 = counts.iter().sum();
        for (got, weight) in counts.iter().zip(weights) {
            let fair = all * f64::from(weight) / 20.0;
            assert!((got / fair - 1.0).abs() < 0.25, "{load:?}: {counts:?}");
        }
    }
}

#[test]
fn a_heavy_endpoint_that_is_slow_stands_aside_for_light_ones() {
    let mut world = weighted(3, Noise::Steady, &[1, 1, 8]);
    world.endpoints[2].latency = 10.0 * USUAL / 1e3;
    world.run(Load::Open(200.0), 60.0);
    let counts = world.counts(30.0, 30.0);
    assert!(counts[2] < 0.1 * counts.iter().sum::<f64>(), "{counts:?}");
}
