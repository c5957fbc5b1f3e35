//! Who gets how much: equal endpoints, slow ones, and one that was slow or failed once.
//!
//! What answers of one endpoint differ among themselves bounds what can be known. To tell one that is
//! slower from an equal one, wrong once in a thousand times, any rule needs on average 6.9 answers of it
//! divided by their information (Wald 1945): where answers are exponentially distributed 0.9 each if it
//! is three times slower, so 8 answers, which at 5 calls a second over ten endpoints take 15 s; and 6.7
//! if it is ten times slower. So the figures of slow ones are taken after half a minute. A tenth of the
//! share is one call in 20 s there, and one in nine answers of such a slow one is no slower than
//! others' usually are: the tenth holds as a mean over runs, not in each.

use super::{Class, Endpoint, Load, Noise, World};

const COUNTS: [usize; 3] = [2, 3, 10];

/// What most answers take. Milliseconds.
const USUAL: f64 = 2.0;

/// 5, 50 and 1,000 calls a second, of callers that come and of callers that wait.
fn loads() -> impl Iterator<Item = Load> {
    let rates = [(5.0, 1), (50.0, 1), (50.0, 8), (1_000.0, 8)].into_iter();
    rates.flat_map(|(rate, callers)| [Load::Open(rate), Load::Closed(rate, callers)])
}

/// More where a run is short.
fn seeds(load: Load) -> std::ops::Range<u64> {
    0..if load.rate() > 100.0 { 2 } else { 10 }
}

const NOISES: [Noise; 4] = [
    Noise::Steady,
    Noise::Outliers,
    Noise::LogNormal,
    Noise::Exponential,
];

/// What is looked at, but for the seed.
#[derive(Clone, Copy, Debug)]
struct Scene {
    noise: Noise,
    load: Load,
    count: usize,
}

impl Scene {
    /// Equal endpoints.
    fn world(self, seed: u64) -> World {
        World::new(seed, self.noise, &vec![USUAL; self.count])
    }

    /// The first one is ten times slower.
    fn slow_world(self, seed: u64) -> World {
        let mut latencies = vec![USUAL; self.count];
        latencies[0] = 10.0 * USUAL;
        World::new(seed, self.noise, &latencies)
    }

    /// The result of `run` for each seed.
    fn runs(self, run: impl Fn(u64) -> f64) -> Vec<f64> {
        seeds(self.load).map(run).collect()
    }
}

/// All noises, loads and numbers of endpoints.
fn scenes() -> impl Iterator<Item = Scene> {
    let noises = NOISES.into_iter();
    let loads = noises.flat_map(|noise| loads().map(move |load| (noise, load)));
    loads.flat_map(|(noise, load)| COUNTS.map(|count| Scene { noise, load, count }))
}

/// Runs `check` over all scenes and seeds.
fn each(check: impl Fn(u64, Scene, &str)) {
    for scene in scenes() {
        for seed in seeds(scene.load) {
            check(seed, scene, &format!("{scene:?}, seed {seed}"));
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// In one of `windows` of five seconds the endpoints' shares were not equal.
fn unequal(world: &World, windows: u32) -> usize {
    let is_unequal = |window: &u32| {
        let counts = world.counts(1.0 + 0.7 * f64::from(*window), 5.0);
        let fair = mean(&counts);
        // Where the fair share is a handful of calls, 20 % of it is less than one: one call more or less.
        let allowed = (0.2 * fair).max(1.0);
        counts.iter().any(|got| (got - fair).abs() > allowed)
    };
    (0..windows).filter(is_unequal).count()
}

/// But for one window in a hundred where a fair share is 8 calls or fewer: an endpoint may be the last
/// of one turn and the first of the next, or be slow by chance for some calls.
#[test]
fn equal_endpoints_get_equal_shares_in_any_five_seconds() {
    const WINDOWS: u32 = 50;
    for scene in scenes() {
        let found = scene.runs(|seed| {
            let mut world = scene.world(seed);
            world.run(scene.load, 40.0);
            unequal(&world, WINDOWS) as f64
        });
        let is_handful = scene.load.rate() * 5.0 < 9.0 * scene.count as f64;
        let allowed = if is_handful { 0.01 } else { 0.0 };
        let share = mean(&found) / f64::from(WINDOWS);
        assert!(share <= allowed, "{scene:?}: {share:.4} {found:?}");
    }
}

/// At once or in the middle, slow or failed: after 3 s it gets half of its share at least.
#[test]
fn one_slow_answer_or_failure_costs_no_endpoint_its_share() {
    let once = [
        (0.3, Class::Success),
        (5.0, Class::Success),
        (0.001, Class::EndpointFault),
    ];
    each(|seed, scene, case| {
        for (before, once) in [0.0, 20.0]
            .into_iter()
            .flat_map(|before| once.map(|once| (before, once)))
        {
            let mut world = scene.world(seed);
            world.run(scene.load, before);
            world.endpoints[1].once = Some(once);
            world.run(scene.load, 20.0);
            let slow = world.endpoints[1]
                .picked
                .iter()
                .find(|at| **at >= 1.0 + before);
            let after = slow.expect("it is picked") + once.0 + 3.0;
            let counts = world.counts(after, 5.0);
            let allowed = (0.5 * mean(&counts)).floor();
            assert!(
                counts[1] >= allowed,
                "{case}, {once:?} after {before} s: {counts:?}"
            );
        }
    });
}

/// In each run; in the mean over runs where a tenth of the share is a call in seconds and answers differ
/// by anything.
#[test]
fn one_that_is_ten_times_slower_gets_a_tenth_of_its_share_at_most() {
    for scene in scenes() {
        let shares = scene.runs(|seed| {
            let mut world = scene.slow_world(seed);
            world.run(scene.load, 150.0);
            world.share(0, 31.0, 120.0)
        });
        let is_rare = scene.noise == Noise::Exponential && scene.load.rate() < 10.0;
        let most = if is_rare { 0.3 } else { 0.1 };
        let all_below = shares.iter().all(|share| *share <= most);
        assert!(mean(&shares) <= 0.1 && all_below, "{scene:?}: {shares:.3?}");
    }
}

#[test]
fn of_ten_of_which_one_is_three_times_slower_p99_is_near_the_best() {
    for scene in scenes().filter(|scene| scene.count == 10) {
        let load = scene.load;
        let p99 = |knows_best| {
            mean(&scene.runs(|seed| {
                let mut latencies = vec![USUAL; 10];
                latencies[3] = 3.0 * USUAL;
                let mut world = World::new(seed, scene.noise, &latencies);
                world.knows_best = knows_best;
                world.run(load, 30.0 + (20_000.0 / load.rate()).max(60.0));
                world.p99(31.0)
            }))
        };
        let ratio = p99(false) / p99(true);
        assert!(ratio <= 1.2, "{scene:?}: {ratio:.2}");
    }
}

/// It comes into a busy cluster and is cold for a second: a call in a turn and one at a time, then its
/// share.
#[test]
fn a_new_endpoint_is_tried_gently_and_soon() {
    each(|seed, scene, case| {
        let Scene { load, count, .. } = scene;
        let mut world = scene.world(seed);
        world.run(load, 20.0);
        let calls = load.rate();
        world.endpoints.push(Endpoint {
            latency: 0.3,
            ..Endpoint::default()
        });
        world.run(load, 1.0);
        let cold = world.endpoints[count].picked.len();
        assert!(cold <= 10, "{case}: {cold} calls met it cold");
        world.endpoints[count].latency = USUAL / 1e3;
        world.run(load, 12.0);
        let turns = 2.0 * (count + 1) as f64 / calls;
        let first = world.endpoints[count].picked.first();
        let soon = first.is_some_and(|at| at - 21.0 <= 3.0 * turns);
        assert!(soon, "{case}: first at {first:?}");
        let counts = world.counts(25.0, 8.0);
        let allowed = (0.5 * mean(&counts)).floor();
        assert!(counts[count] >= allowed, "{case}: {counts:?}");
    });
}

/// Its next trial comes after a minute at the latest.
#[test]
fn what_is_slow_and_is_well_again_gets_its_share_again() {
    for scene in scenes() {
        let shares = scene.runs(|seed| {
            let mut world = scene.slow_world(seed);
            world.run(scene.load, 60.0);
            world.endpoints[0].latency = USUAL / 1e3;
            world.run(scene.load, 120.0);
            world.share(0, 161.0, 20.0)
        });
        assert!(mean(&shares) >= 0.75, "{scene:?}: {shares:.3?}");
    }
}
