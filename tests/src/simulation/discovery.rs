//! Discovery: what the caller's sidecar is told of the service, and when; and what must hold of the
//! calls that wait for it.
//!
//! In some runs the service becomes known only when a call asks for it, sooner or later, perhaps as
//! absent first; in some its endpoints all leave for a while, or the service itself. Drawn apart
//! from everything else, so that a seed means the same with and without it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use outrider_engine::config::{Discovery, Snapshot};
use outrider_engine::{Reason, WAITED_FOR};
use outrider_policy::Tick;

use super::agenda::Event;
use super::call::Call;
use super::oddity::Oddity;
use super::plan::Fault;
use super::random::Random;
use super::world::{CALLERS_SIDECAR, World};

/// The names by which clients call the service.
const NAMES: [&str; 2] = ["echo", "grpc/sim.Echo"];
/// The name of no service.
const NOWHERE: &str = "nowhere";

/// A head without its filler is shorter.
const HEAD_OCTETS: usize = 512;

/// Sets its draws apart from the rest of the plan.
const APART: u64 = 0x0d15_c0fe_0001_0000;

/// The one who tells the caller's sidecar what there is.
pub(super) struct Directory {
    random: Random,
    /// Services become known when they are asked for.
    is_on_demand: bool,
    /// What is true of the service, told or not.
    truth: Snapshot,
    /// The sidecar knows the service; since when it did last.
    is_told: bool,
    told_at: Option<Tick>,
    absent: BTreeSet<&'static str>,
    /// The service was called absent, or some cluster had no endpoint.
    was_absent: bool,
    was_empty: bool,
    /// Names asked for that lead nowhere yet.
    wanted: BTreeSet<String>,
}

/// An answer of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The service is there.
    Here,
    /// It is not, as far as is known.
    Missing,
    /// Nothing is called `nowhere`.
    Nowhere,
}

impl Directory {
    pub(super) fn new(seed: u64, truth: Snapshot) -> Directory {
        let mut random = Random::new(seed ^ APART);
        let is_on_demand = random.chance(30);
        Directory {
            random,
            is_on_demand,
            truth,
            is_told: !is_on_demand,
            told_at: (!is_on_demand).then_some(Tick::ZERO),
            absent: BTreeSet::new(),
            was_absent: false,
            was_empty: false,
            wanted: BTreeSet::new(),
        }
    }

    /// Endpoints that leave and come back, and the service itself: troubles of some runs.
    pub(super) fn faults(&mut self, span: Duration) -> Vec<(Tick, Fault)> {
        let mut faults = Vec::new();
        let random = &mut self.random;
        let at = |random: &mut Random| Tick::ZERO + random.micros(0, span.as_micros() as usize);
        if random.chance(20) {
            let begin = at(random);
            faults.push((begin, Fault::Starve(random.next_u64())));
            let end = begin + late(random);
            faults.push((end, Fault::Configure(random.next_u64())));
        }
        if self.is_on_demand && random.chance(30) {
            faults.push((at(random), Fault::Withdraw(random.chance(50))));
        }
        faults
    }

    /// What the sidecar is told.
    pub(super) fn told(&self) -> Snapshot {
        let absent = self.absent.iter().map(|name| (*name).to_owned());
        let discovery = match self.is_on_demand {
            true => Discovery::OnDemand {
                absent: absent.collect(),
            },
            false => Discovery::Complete,
        };
        let known = match self.is_told {
            true => self.truth.clone(),
            false => Snapshot::default(),
        };
        Snapshot { discovery, ..known }
    }

    /// Do services become known when they are asked for?
    pub(super) fn is_on_demand(&self) -> bool {
        self.is_on_demand
    }

    fn is_empty(&self) -> bool {
        let mut clusters = self.truth.clusters.values();
        clusters.any(|cluster| cluster.endpoints.is_empty())
    }
}

/// Mostly soon, now and then after everybody's patience.
fn late(random: &mut Random) -> Duration {
    let most = random.pick(&[1, 50, 50, 1_000, 1_000, 5_000, 14_000, 20_000]);
    random.millis(0, most)
}

impl World {
    /// The operator changes the truth.
    pub(super) fn configure(&mut self, truth: Snapshot) {
        self.directory.truth = truth;
        self.directory.was_empty |= self.directory.is_empty();
        self.publish();
    }

    fn publish(&mut self) {
        let mut next = self.directory.told();
        next.inherit(&self.snapshot, self.now);
        self.snapshot = Arc::new(next);
        let snapshot = Arc::clone(&self.snapshot);
        let engine = &mut self.sidecars[CALLERS_SIDECAR].engine;
        engine.configure(self.now, snapshot);
        self.turn(CALLERS_SIDECAR);
    }

    /// A sidecar asks for a service.
    pub(super) fn wanted(&mut self, sidecar: usize, name: &str) {
        self.note(|_| format!("sidecar {sidecar}: wants {name}"));
        let directory = &mut self.directory;
        let is_service = NAMES.contains(&name);
        let wrong = if sidecar != CALLERS_SIDECAR || !directory.is_on_demand {
            "wants what it was told of"
        } else if !is_service && name != NOWHERE {
            "wants what nobody called"
        } else if directory.absent.contains(name) || is_service && directory.is_told {
            "wants what was answered"
        } else if !directory.wanted.insert(name.to_owned()) {
            "wants it twice"
        } else {
            return self.plan_answer(is_service);
        };
        self.broken(format!("sidecar {sidecar}: {wrong}: {name}"));
    }

    fn plan_answer(&mut self, is_service: bool) {
        let random = &mut self.directory.random;
        let at = self.now + late(random);
        if !is_service {
            return self.agenda.plan(at, Event::Tell(Word::Nowhere));
        }
        if random.chance(20) {
            let later = at + late(random);
            self.agenda.plan(at, Event::Tell(Word::Missing));
            return self.agenda.plan(later, Event::Tell(Word::Here));
        }
        self.agenda.plan(at, Event::Tell(Word::Here));
    }

    /// The directory answers, or has changed its mind.
    pub(super) fn tell(&mut self, word: Word) {
        self.note(|_| format!("directory: says {word:?}"));
        let (now, directory) = (self.now, &mut self.directory);
        match word {
            Word::Here => {
                if !directory.is_told {
                    directory.told_at = Some(now);
                }
                directory.is_told = true;
                directory.absent.retain(|name| *name == NOWHERE);
                directory.wanted.retain(|name| name == NOWHERE);
            }
            // An answer that came late does not make a service go away.
            Word::Missing if directory.is_told => return,
            Word::Missing => {
                directory.was_absent = true;
                directory.absent.extend(NAMES);
            }
            Word::Nowhere => {
                directory.absent.insert(NOWHERE);
            }
        }
        self.publish();
    }

    /// The service leaves the configuration; if it `is_absent`, that is said, and it comes back.
    pub(super) fn withdraw(&mut self, is_absent: bool) {
        let directory = &mut self.directory;
        if !directory.is_told {
            return;
        }
        directory.is_told = false;
        // Until it is told again no route's timeout holds for who waits.
        directory.told_at = None;
        directory.was_empty = true;
        if is_absent {
            directory.was_absent = true;
            directory.absent.extend(NAMES);
            let at = self.now + late(&mut directory.random);
            self.agenda.plan(at, Event::Tell(Word::Here));
        }
        self.publish();
    }

    /// Only who must wait waits.
    pub(super) fn wrong_wait(
        &self,
        sidecar: usize,
        waiting: [usize; WAITED_FOR.len()],
    ) -> Option<String> {
        let [services, endpoints, ..] = waiting;
        let directory = &self.directory;
        let is_lost = |call: &&Call| call.plan.oddity == Oddity::Nowhere;
        let lost = self.calls.iter().filter(is_lost).count();
        let services_max = match (directory.is_on_demand, directory.is_told) {
            _ if sidecar != CALLERS_SIDECAR => 0,
            (false, _) => 0,
            (true, true) => lost,
            (true, false) => self.calls.len(),
        };
        let is_asked = NAMES.iter().any(|name| directory.wanted.contains(*name));
        let may_lack = sidecar == CALLERS_SIDECAR && directory.is_told && directory.is_empty();
        if services > services_max {
            Some(format!("{services} calls wait for a known service"))
        } else if services > lost && !is_asked {
            Some(format!("{services} calls wait for what nobody asked for"))
        } else if endpoints > 0 && !may_lack {
            Some(format!("{endpoints} calls wait where endpoints are"))
        } else {
            None
        }
    }

    /// Octets of the heads that leave together when all calls that waited go on.
    pub(super) fn heads_at_once(&self) -> usize {
        let waits = self.directory.is_on_demand || self.directory.was_empty;
        let head = |call: &Call| HEAD_OCTETS + call.plan.oddity.filler();
        if waits {
            self.calls.iter().map(head).sum()
        } else {
            0
        }
    }

    /// How often calls waited in all.
    pub(super) fn waits(&self) -> usize {
        let counters = self.sidecars[CALLERS_SIDECAR].engine.gauges().counters;
        let waits = [counters.waits_answered, counters.waits_given_up];
        waits.into_iter().flatten().sum::<u64>() as usize
    }

    /// When the route's timeout ends a call, counted from its head; not before it was known.
    pub(super) fn route_due(&self, begun: Tick, timeout: Duration) -> Option<Tick> {
        let told_at = self.directory.told_at?;
        Some((begun + timeout).max(told_at))
    }

    /// Is this a reason to refuse a call, as far as discovery goes?
    pub(super) fn is_excused(&self, reason: &str) -> bool {
        let directory = &self.directory;
        let excuses = [
            (Reason::NotDiscovered, directory.is_on_demand),
            (Reason::NoRoute, directory.was_absent),
            (Reason::NoEndpoint, directory.was_empty),
        ];
        let mut excuses = excuses.iter();
        excuses.any(|(known, excused)| *excused && known.name() == reason)
    }

    /// What a call to nowhere may be refused for.
    pub(super) fn may_be_lost(&self, call: &Call, reason: &str) -> bool {
        let timed = call.plan.timeout.is_some() && reason == Reason::DeadlineExceeded.name();
        let waited = self.directory.is_on_demand;
        call.plan.oddity == Oddity::Nowhere
            && waited
            && (timed || reason == Reason::NotDiscovered.name())
    }
}
