//! Bugs of ours, on purpose: in some runs a sidecar panics, in a call or inside HTTP/2.
//!
//! A panic in a call may cost that call and no other; one inside HTTP/2 its connection, which for
//! everybody else is one that broke. Drawn apart from the rest, as `discovery.rs` is.

use std::panic;
use std::sync::Once;
use std::time::Duration;

use outrider_engine::{Contained, Failpoint, InjectedPanic, Outcome, Reason};
use outrider_policy::Tick;

use super::call::Call;
use super::plan::Fault;
use super::random::Random;
use super::world::World;

/// Sets its draws apart from the rest of the plan.
const APART: u64 = 0x0bad_5eed_0002_0000;

/// What was injected, and what was contained.
#[derive(Debug, Default)]
pub(super) struct Panics {
    calls: usize,
    codecs: usize,
    ended: [usize; 3],
}

/// A panic that comes by the clock, at the `count`th place passed from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bug {
    sidecar: usize,
    at: Failpoint,
    count: u32,
}

/// The panics of a run: mostly none.
pub(super) fn faults(seed: u64, endpoints: usize, span: Duration) -> Vec<(Tick, Fault)> {
    let mut random = Random::new(seed ^ APART);
    if !random.chance(20) {
        return Vec::new();
    }
    let mut one = || {
        let at = Tick::ZERO + random.micros(0, span.as_micros() as usize);
        let bug = Bug {
            sidecar: random.between(0, endpoints),
            at: random.pick(&[Failpoint::Call, Failpoint::Call, Failpoint::Codec]),
            count: random.between(1, 60) as u32,
        };
        (at, Fault::Panic(bug))
    };
    (0..2).map(|_| one()).collect()
}

impl Panics {
    /// How many things panics ended.
    pub(super) fn contained(&self) -> usize {
        self.ended.iter().sum()
    }
}

impl World {
    pub(super) fn inject(&mut self, bug: Bug) {
        hush();
        match bug.at {
            Failpoint::Call => self.panics.calls += 1,
            Failpoint::Codec => self.panics.codecs += 1,
        }
        let engine = &self.sidecars[bug.sidecar].engine;
        engine.inject_panics(bug.at, &[bug.count]);
    }

    /// The troubles are over: what was injected and has not struck never will.
    pub(super) fn defuse(&mut self) {
        for sidecar in &self.sidecars {
            sidecar.engine.inject_panics(Failpoint::Call, &[]);
            sidecar.engine.inject_panics(Failpoint::Codec, &[]);
        }
    }

    /// A sidecar says what a panic ended.
    pub(super) fn contained(&mut self, sidecar: usize, what: Contained) {
        self.note(|_| format!("sidecar {sidecar}: a panic ended a {}", what.name()));
        if what == Contained::Connection {
            self.disturbed = Some(self.now);
        }
        let Panics {
            calls,
            codecs,
            ended,
        } = &mut self.panics;
        ended[what as usize] += 1;
        // One inside HTTP/2 may strike while a call's event is handled, and then ends both.
        let [call, connection, nothing] = *ended;
        let is_real = call + nothing > *calls + *codecs || connection > *codecs;
        if is_real {
            let what = format!("sidecar {sidecar}: a panic of its own: {:?}", self.panics);
            self.broken(what);
        }
    }

    /// Calls that ended for a panic are no more than the panics there were.
    pub(super) fn check_panics(&mut self) {
        let faults = self.calls.iter().map(faults_of).sum::<usize>();
        if faults > self.panics.ended[Contained::Call as usize] {
            let what = format!("{faults} calls ended for panics: {:?}", self.panics);
            self.broken(what);
        }
    }
}

/// Records of this call that say a panic ended it.
pub(super) fn faults_of(call: &Call) -> usize {
    let records = call.outbound.iter().chain(&call.inbound);
    records
        .filter(|record| record.outcome == Outcome::Refused(Reason::SidecarFault))
        .count()
}

/// Injected panics are not printed.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<InjectedPanic>().is_none() {
                others(info);
            }
        }));
    });
}
