//! Breaker of one endpoint: closed, open, half open.
//!
//! `Closed` = traffic flows. It opens on a row of failures or on a failure rate, stays open
//! for a time that doubles, then lets one probe through. Knows nothing of other endpoints: the
//! ceiling over all of them comes in as `may_open`. The pattern is Nygard's ("Release It!").

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
    pub calls_min: u32,
    /// Time over which the rate is taken. Default 10 s.
    pub window: Duration,
    /// How long it stays open the first time. Default 1 s.
    pub open_base: Duration,
    /// It doubles with every failed probe up to this. Default 60 s.
    pub open_max: Duration,
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
            calls_min: 20,
            window: Duration::from_secs(10),
            open_base: Duration::from_secs(1),
            open_max: Duration::from_secs(60),
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
    /// No.
    Refused,
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
    /// Would a call pass at `now`? Nothing changes.
    pub fn would_admit(&self, now: Tick) -> Admission {
        match *self {
            Breaker::Closed { .. } => Admission::Pass,
            Breaker::Open { until, .. } if now >= until => Admission::Probe,
            Breaker::HalfOpen { probe_lost_at, .. } if now >= probe_lost_at => Admission::Probe,
            Breaker::Open { .. } | Breaker::HalfOpen { .. } => Admission::Refused,
        }
    }

    /// May a call pass at `now`? Returns the next state with the answer.
    pub fn admit(self, rules: &BreakerRules, now: Tick) -> (Breaker, Admission) {
        let admission = self.would_admit(now);
        let next = match (self, admission) {
            (
                Breaker::Open { openings, .. } | Breaker::HalfOpen { openings, .. },
                Admission::Probe,
            ) => Breaker::HalfOpen {
                probe_lost_at: now + rules.probe_patience,
                openings,
            },
            (state, Admission::Pass | Admission::Probe | Admission::Refused) => state,
        };
        (next, admission)
    }

    /// An admitted attempt ended. `may_open` is false where the ceiling forbids to lose one
    /// more endpoint; an endpoint already out may stay out.
    pub fn record(self, rules: &BreakerRules, now: Tick, end: &super::Observation) -> Breaker {
        match self {
            Breaker::Closed { window, row_halves } => closed(rules, now, end, window, row_halves),
            // An attempt admitted before the breaker opened proves nothing about now.
            Breaker::Open { .. } => self,
            Breaker::HalfOpen { openings, .. } if end.admission == Admission::Probe => {
                probed(rules, now, end, openings)
            }
            Breaker::HalfOpen { .. } => self,
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
    if failing && fault_halves > 0 && end.may_eject {
        return open(rules, now, end.random, 1);
    }
    Breaker::Closed { window, row_halves }
}

fn probed(rules: &BreakerRules, now: Tick, end: &super::Observation, openings: u8) -> Breaker {
    match evidence(end.class) {
        Evidence::Good => Breaker::default(),
        Evidence::Bad(_) => open(rules, now, end.random, openings.saturating_add(1)),
        // Undecided: the next call is the next probe.
        Evidence::None => Breaker::Open {
            until: now,
            openings,
        },
    }
}

fn open(rules: &BreakerRules, now: Tick, random: u64, openings: u8) -> Breaker {
    let doublings = u32::from(openings.saturating_sub(1)).min(31);
    let pause = rules
        .open_base
        .saturating_mul(1 << doublings)
        .min(rules.open_max);
    Breaker::Open {
        until: now + jittered(pause, rules.jitter_percent, random),
        openings,
    }
}

fn is_row(rules: &BreakerRules, row_halves: u32) -> bool {
    rules.consecutive_failures > 0 && row_halves >= rules.consecutive_failures.saturating_mul(FAULT)
}

fn is_rate(rules: &BreakerRules, window: &Window) -> bool {
    let (calls, fault_halves) = window.totals();
    let share_reached =
        fault_halves * 100 >= calls * u64::from(FAULT) * u64::from(rules.failure_percent);
    calls >= u64::from(rules.calls_min) && share_reached
}
