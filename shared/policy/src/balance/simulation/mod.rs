//! The figures that balancing and breakers keep, over seeds and in virtual time, on the real rules.
//!
//! Endpoints with latencies and outages, callers that come at a rate or one after the other; picks,
//! answers and health as the engine makes them.

mod outages;
mod shares;
mod weighted;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::*;
use crate::health::{Admission, EndpointHealth, HealthRules, Observation};
use crate::{Class, Tick};

/// SplitMix64 (Steele, Lea, Flood 2014): a sequence that a seed names.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Evenly above 0 and up to 1.
    fn share(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }
}

/// How answers of one endpoint differ from each other; what most take is 1.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Noise {
    /// A tenth up or down.
    Steady,
    /// One in twenty takes ten times as long.
    Outliers,
    /// As on a busy machine: mostly from a half to twice as much, at times four times.
    LogNormal,
    /// Anything: as many answers as not take less than 0.7 of the mean, one in a hundred 4.6 times it.
    Exponential,
}

impl Noise {
    fn factor(self, random: &mut Random) -> f64 {
        match self {
            Noise::Steady => 0.9 + 0.2 * random.share(),
            Noise::Outliers if random.share() < 0.05 => 10.0,
            Noise::Outliers => 1.0,
            Noise::LogNormal => {
                let angle = std::f64::consts::TAU * random.share();
                let normal = (-2.0 * random.share().ln()).sqrt() * angle.cos();
                (0.5 * normal).exp()
            }
            Noise::Exponential => -random.share().ln(),
        }
    }
}

/// When calls come, so many a second.
#[derive(Clone, Copy, Debug)]
enum Load {
    /// At random times.
    Open(f64),
    /// Of so many callers together; each waits for its answer.
    Closed(f64, usize),
}

impl Load {
    const fn rate(self) -> f64 {
        match self {
            Load::Open(rate) | Load::Closed(rate, _) => rate,
        }
    }
}

#[derive(Clone, Default)]
struct Endpoint {
    health: EndpointHealth,
    estimate: Estimate,
    in_flight: u32,
    /// What most of its answers take. Seconds.
    latency: f64,
    /// Its next answer only.
    once: Option<(f64, Class)>,
    is_dead: bool,
    /// When it was picked.
    picked: Vec<f64>,
}

/// An attempt on its way.
#[derive(Clone, Copy)]
struct Attempt {
    index: usize,
    admission: Admission,
    class: Class,
    latency: f64,
    began: f64,
    caller: usize,
}

struct World {
    now: f64,
    random: Random,
    noise: Noise,
    rules: HealthRules,
    weights: Weights,
    turn: Turn,
    baseline: LatencyBaseline,
    endpoints: Vec<Endpoint>,
    /// When each call ended and how long it took.
    answers: Vec<(f64, f64)>,
    /// Picks by who knows every endpoint, in place of ours.
    knows_best: bool,
}

fn tick(seconds: f64) -> Tick {
    Tick::ZERO + Duration::from_secs_f64(seconds)
}

impl World {
    /// It begins at 1 s with endpoints of so many milliseconds.
    fn new(seed: u64, noise: Noise, latencies: &[f64]) -> World {
        let endpoint = |millis: &f64| Endpoint {
            latency: millis / 1e3,
            ..Endpoint::default()
        };
        World {
            now: 1.0,
            random: Random(seed),
            noise,
            rules: HealthRules::default(),
            weights: Weights::default(),
            turn: Turn::default(),
            baseline: LatencyBaseline::default(),
            endpoints: latencies.iter().map(endpoint).collect(),
            answers: vec![],
            knows_best: false,
        }
    }

    fn best(&self) -> usize {
        let cost = |found: &Endpoint| found.latency * f64::from(found.in_flight + 1);
        let all = self.endpoints.iter().map(cost).enumerate();
        all.min_by(|a, b| a.1.total_cmp(&b.1))
            .expect("an endpoint")
            .0
    }

    fn pick(&mut self, tried: &[usize]) -> usize {
        if self.knows_best {
            return self.best();
        }
        let (now, count, before) = (tick(self.now), self.endpoints.len(), self.turn);
        let candidate = |index: usize, share| {
            let found = &self.endpoints[index];
            let status = EndpointStatus {
                tried: tried.contains(&index),
                availability: found.health.availability(now),
                in_flight: found.in_flight,
                share,
            };
            let (estimate, baseline) = (&found.estimate, &self.baseline);
            Some(Candidate::new(status, estimate, baseline, &before, now))
        };
        let mut random = || self.random.next();
        let picked = (self.turn).pick(&self.weights, count, &mut random, candidate);
        let (index, chosen) = picked.expect("an endpoint");
        if chosen.is_trial {
            let estimate = &mut self.endpoints[index].estimate;
            *estimate = estimate.tried(&self.turn, now);
        }
        index
    }

    fn begin(&mut self, tried: &[usize], caller: usize) -> Attempt {
        let index = self.pick(tried);
        let latency = self.endpoints[index].latency * self.noise.factor(&mut self.random);
        let found = &mut self.endpoints[index];
        let (health, admission) = found.health.admit(&self.rules, tick(self.now));
        found.health = health;
        found.in_flight += 1;
        found.picked.push(self.now);
        let class = if found.is_dead {
            Class::EndpointFault
        } else {
            Class::Success
        };
        let (latency, class) = found.once.take().unwrap_or((latency, class));
        let began = self.now;
        Attempt {
            index,
            admission,
            class,
            latency,
            began,
            caller,
        }
    }

    fn end(&mut self, attempt: Attempt) {
        let (now, count) = (tick(self.now), self.endpoints.len());
        let others = self.endpoints.iter().enumerate();
        let others = others.filter(|(index, _)| *index != attempt.index);
        let out = others.filter(|(_, found)| found.health.is_out(now)).count();
        let end = Observation {
            admission: attempt.admission,
            class: attempt.class,
            may_eject: self.rules.may_eject(out, count),
            is_common: 2 * (out + 1) > count,
            random: self.random.next(),
        };
        let span = Duration::from_secs_f64(attempt.latency);
        self.turn.ended(attempt.class);
        let found = &mut self.endpoints[attempt.index];
        found.in_flight -= 1;
        let own = found.estimate.excess();
        let known = found.estimate;
        found.estimate = known
            .observe(&self.baseline, span)
            .ended(&self.turn, now, attempt.class);
        let was_out = found.health.is_out(now);
        found.health = found.health.record(&self.rules, now, end).0;
        if was_out && !found.health.is_out(now) {
            found.estimate = Estimate::default();
        }
        self.baseline = self.baseline.observe(span, own);
        self.answers.push((self.now, attempt.latency));
    }

    /// Runs for `seconds`, each call with one attempt.
    fn run(&mut self, load: Load, seconds: f64) {
        let until = self.now + seconds;
        let callers = match load {
            Load::Open(_) => 1,
            Load::Closed(_, callers) => callers,
        };
        // Nanoseconds, because they have an order; then a caller that begins, or an attempt.
        let mut due: BinaryHeap<Reverse<(u64, usize, Option<usize>)>> = BinaryHeap::new();
        let nanos = |seconds: f64| (seconds * 1e9) as u64;
        due.extend((0..callers).map(|caller| Reverse((nanos(self.now), caller, None))));
        let mut attempts = vec![];
        while let Some(Reverse((at, caller, attempt))) = due.pop() {
            let at = at as f64 / 1e9;
            match attempt {
                None if at >= until => {}
                None => {
                    self.now = at;
                    let begun = self.begin(&[], caller);
                    attempts.push(begun);
                    let end = nanos(at + begun.latency);
                    due.push(Reverse((end, caller, Some(attempts.len() - 1))));
                    if let Load::Open(rate) = load {
                        let gap = -self.random.share().ln() / rate;
                        due.push(Reverse((nanos(at + gap), caller, None)));
                    }
                }
                Some(place) => {
                    self.now = at;
                    let ended: Attempt = attempts[place];
                    self.end(ended);
                    if let Load::Closed(rate, callers) = load {
                        let next = ended.began + callers as f64 / rate;
                        due.push(Reverse((nanos(next.max(at)), ended.caller, None)));
                    }
                }
            }
        }
        self.now = until.max(self.now);
    }

    /// Calls that each endpoint got from `from` on for `seconds`.
    fn counts(&self, from: f64, seconds: f64) -> Vec<f64> {
        let before = |found: &Endpoint, time: f64| found.picked.partition_point(|at| *at < time);
        let within = |found| (before(found, from + seconds) - before(found, from)) as f64;
        self.endpoints.iter().map(within).collect()
    }

    /// The share of one endpoint from `from` on for `seconds`; 1 is fair.
    fn share(&self, index: usize, from: f64, seconds: f64) -> f64 {
        let counts = self.counts(from, seconds);
        counts[index] * counts.len() as f64 / counts.iter().sum::<f64>()
    }

    /// In seconds, of the answers from `from` on.
    fn p99(&self, from: f64) -> f64 {
        let later = self.answers.iter().filter(|(at, _)| *at >= from);
        let mut latencies: Vec<f64> = later.map(|(_, latency)| *latency).collect();
        latencies.sort_by(f64::total_cmp);
        latencies[latencies.len() * 99 / 100]
    }
}
