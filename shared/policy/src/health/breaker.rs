//! Breaker of one endpoint: closed, open, half open.
//!
//! `Closed` = traffic flows. It opens on a row of failures or on a failure rate, stays open
//! for a time that doubles, then lets one probe through; earlier where a call has nothing better.
//! Knows nothing of other endpoints, and so opens for the last one like for any other: what a call
//! does when all are out is the pick's business. The pattern is Nygard's ("Release It!").

use std::time::Duration;

use super::window::{Evidence, FAULT, Window, evidence};
use crate::Tick;
use crate::random::jittered;

/// When a breaker opens and how long it stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRules {
    /// Failures in a row that open it. Default 7; 0 leaves the rate alone.
    pub consecutive_failures: u32,
    /// Share of failures over `window` that opens it. Percent, 1 to 100; default 50.
    pub failure_percent: u8,
    /// Fewer calls in the window than this say nothing about a rate. Default 20.
    pub min_calls: u32,
    /// Time over which the rate is taken. Default 10 s.
    pub window: Duration,
    /// How long it stays open the first time. Default 1 s.
    pub open_time: Duration,
    /// It doubles with every failed probe up to this. Default 60 s.
    pub max_open_time: Duration,
    /// Change at random of each open time, both ways. Percent; default 20.
    pub jitter_percent: u8,
    /// A probe that has not ended by then no longer bars the next one (it may be a stream that
    /// lives for a day). Default 10 s.
    pub probe_patience: Duration,
}

impl Default for BreakerRules {
    fn default() -> BreakerRules {
        BreakerRules {
            consecutive_failures: 7,
            failure_percent: 50,
            min_calls: 20,
            window: Duration::from_secs(10),
            open_time: Duration::from_secs(1),
            max_open_time: Duration::from_secs(60),
            jitter_percent: 20,
            probe_patience: Duration::from_secs(10),
        }
    }
}

/// May a call pass? Kept with the attempt and given back when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Admission {
    /// Yes.
    Pass,
    /// Yes, and its end decides whether the breaker closes.
    Probe,
    /// No. A call that goes there in spite of it had nothing better.
    Refused,
}

/// May an endpoint be picked?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It is in rotation.
    InRotation,
    /// Its pause is over: one call may go there as a probe.
    ProbeDue,
    /// It is in its pause, or ejected.
    Paused,
    /// A probe is on its way.
    Probing,
}

/// State of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// Traffic flows.
    Closed {
        /// Calls and faults of the last seconds.
        window: Window,
        /// Faults in a row, in halves.
        row_halves: u32,
    },
    /// Nothing passes before `until`.
    Open {
        /// End of the pause.
        until: Tick,
        /// How often it opened since it was last closed, from 1.
        openings: u8,
    },
    /// A probe is on its way.
    HalfOpen {
        /// End of the pause: ahead if the probe is an early one.
        until: Tick,
        /// From then on another probe may go.
        probe_lost_at: Tick,
        /// As in `Open`.
        openings: u8,
    },
}

impl Default for Breaker {
    fn default() -> Breaker {
        Breaker::Closed {
            window: Window::default(),
            row_halves: 0,
        }
    }
}

impl Breaker {
    /// May the endpoint be picked at `now`?
    pub fn availability(&self, now: Tick) -> Availability {
        match *self {
            Breaker::Closed { .. } => Availability::InRotation,
            Breaker::HalfOpen { probe_lost_at, .. } if now < probe_lost_at => Availability::Probing,
            Breaker::Open { until, .. } | Breaker::HalfOpen { until, .. } if now < until => {
                Availability::Paused
            }
            Breaker::Open { .. } | Breaker::HalfOpen { .. } => Availability::ProbeDue,
        }
    }

    /// End of its pause; `None` while traffic flows.
    pub const fn until(&self) -> Option<Tick> {
        match *self {
            Breaker::Closed { .. } => None,
            Breaker::Open { until, .. } | Breaker::HalfOpen { until, .. } => Some(until),
        }
    }

    /// A call goes to the endpoint at `now`. Returns the next state and what the call is: a probe also
    /// in the pause, if none is on its way.
    pub fn admit(self, rules: &BreakerRules, now: Tick) -> (Breaker, Admission) {
        let (until, openings) = match (self, self.availability(now)) {
            (Breaker::Closed { .. }, _) | (_, Availability::InRotation) => {
                return (self, Admission::Pass);
            }
            (_, Availability::Probing) => return (self, Admission::Refused),
            (
                Breaker::Open { until, openings }
                | Breaker::HalfOpen {
                    until, openings, ..
                },
                Availability::ProbeDue | Availability::Paused,
            ) => (until, openings),
        };
        let probing = Breaker::HalfOpen {
            until,
            probe_lost_at: now + rules.probe_patience,
            openings,
        };
        (probing, Admission::Probe)
    }

    /// An attempt ended.
    pub fn record(self, rules: &BreakerRules, now: Tick, end: &super::Observation) -> Breaker {
        let (until, openings) = match self {
            Breaker::Closed { window, row_halves } => {
                return closed(rules, now, end, window, row_halves);
            }
            Breaker::Open { until, openings }
            | Breaker::HalfOpen {
                until, openings, ..
            } => (until, openings),
        };
        match (end.admission, evidence(end.class)) {
            // It began before the breaker opened and proves nothing about now.
            (Admission::Pass, _) => self,
            (Admission::Probe | Admission::Refused, Evidence::Good) => Breaker::default(),
            (Admission::Probe, Evidence::Bad(_)) if now >= until => {
                open(rules, now, end, openings.saturating_add(1))
            }
            // Undecided, or a failure in a pause that is not over, which is nothing new.
            (Admission::Probe, _) => Breaker::Open { until, openings },
            (Admission::Refused, _) => self,
        }
    }
}

fn closed(
    rules: &BreakerRules,
    now: Tick,
    end: &super::Observation,
    window: Window,
    row_halves: u32,
) -> Breaker {
    let (fault_halves, row_halves) = match evidence(end.class) {
        Evidence::Good => (0, 0),
        Evidence::Bad(halves) => (halves, row_halves.saturating_add(halves)),
        Evidence::None => return Breaker::Closed { window, row_halves },
    };
    let window = window.add(rules.window, now, fault_halves);
    let failing = is_row(rules, row_halves) || is_rate(rules, &window);
    if failing && fault_halves > 0 {
        return open(rules, now, end, 1);
    }
    Breaker::Closed { window, row_halves }
}

/// While most of the endpoints are out, each pause is a first one: an outage of everything says
/// little about one.
fn open(rules: &BreakerRules, now: Tick, end: &super::Observation, openings: u8) -> Breaker {
    let openings = if end.is_common { 1 } else { openings };
    let pause = pause(rules, openings);
    Breaker::Open {
        until: now + jittered(pause, rules.jitter_percent, end.random),
        openings,
    }
}

/// How long it stays open the `openings`th time in a row.
pub(super) fn pause(rules: &BreakerRules, openings: u8) -> Duration {
    let doublings = u32::from(openings.saturating_sub(1)).min(31);
    let pause = rules.open_time.saturating_mul(1 << doublings);
    pause.min(rules.max_open_time)
}

fn is_row(rules: &BreakerRules, row_halves: u32) -> bool {
    rules.consecutive_failures > 0 && row_halves >= rules.consecutive_failures.saturating_mul(FAULT)
}

fn is_rate(rules: &BreakerRules, window: &Window) -> bool {
    let (calls, fault_halves) = window.totals();
    let share_reached =
        fault_halves * 100 >= calls * u64::from(FAULT) * u64::from(rules.failure_percent);
    calls >= u64::from(rules.min_calls) && share_reached
}

#[cfg(test)]
mod tests;
