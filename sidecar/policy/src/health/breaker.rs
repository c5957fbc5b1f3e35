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
    Breaker::Open {
        until: now + jittered(pause(rules, openings), rules.jitter_percent, random),
        openings,
    }
}

/// How long it stays open the `openings`th time in a row.
pub(super) fn pause(rules: &BreakerRules, openings: u8) -> Duration {
    let doublings = u32::from(openings.saturating_sub(1)).min(31);
    let pause = rules.open_base.saturating_mul(1 << doublings);
    pause.min(rules.open_max)
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

#[cfg(test)]
mod tests {
    use super::super::Observation;
    use super::*;
    use crate::Class;

    const MIDDLE: u64 = 1 << 63;

    const fn at(millis: u64) -> Tick {
        Tick::from_nanos(millis * 1_000_000)
    }

    fn end(admission: Admission, class: Class) -> Observation {
        Observation {
            admission,
            class,
            may_eject: true,
            random: MIDDLE,
        }
    }

    /// Ends of ordinary calls at `now`.
    fn after(breaker: Breaker, now: Tick, classes: &[Class]) -> Breaker {
        let rules = BreakerRules::default();
        let record = |state: Breaker, class: &Class| {
            state.record(&rules, now, &end(Admission::Pass, *class))
        };
        classes.iter().fold(breaker, record)
    }

    /// Opened at 0, so probed from 1 s on.
    fn opened() -> Breaker {
        after(Breaker::default(), at(0), &[Class::EndpointFault; 7])
    }

    fn is_open(breaker: Breaker) -> bool {
        matches!(breaker, Breaker::Open { .. })
    }

    #[test]
    fn opens_on_a_row_or_on_a_rate() {
        use Class::{CallerFault, EndpointFault, HalfFault, Neutral, Overload, Success};
        let pairs = |count, good| vec![[good, EndpointFault]; count].concat();
        let cases: [(&str, Vec<Class>, bool); 11] = [
            ("six in a row", vec![EndpointFault; 6], false),
            ("seven in a row", vec![EndpointFault; 7], true),
            ("thirteen halves", vec![HalfFault; 13], false),
            ("fourteen halves", vec![HalfFault; 14], true),
            ("half of 18 calls", pairs(9, Success), false),
            ("half of 20 calls", pairs(10, Success), true),
            ("a proper answer is good", pairs(10, CallerFault), true),
            (
                "a success does not open",
                [vec![Success; 10], pairs(4, Success)].concat(),
                false,
            ),
            (
                "a neutral end breaks no row",
                [vec![EndpointFault; 6], vec![Neutral, EndpointFault]].concat(),
                true,
            ),
            (
                "an overload breaks no row",
                [vec![EndpointFault; 6], vec![Overload, EndpointFault]].concat(),
                true,
            ),
            ("overload alone is no fault", vec![Overload; 100], false),
        ];
        for (rule, classes, expected) in cases {
            assert_eq!(
                is_open(after(Breaker::default(), at(5), &classes)),
                expected,
                "{rule}"
            );
        }
    }

    #[test]
    fn old_failures_do_not_count_in_the_rate() {
        let rules = BreakerRules {
            consecutive_failures: 0,
            ..BreakerRules::default()
        };
        let record = |state: Breaker, millis, class| {
            state.record(&rules, at(millis), &end(Admission::Pass, class))
        };
        let old = (0..19).fold(Breaker::default(), |state, _| {
            record(state, 0, Class::EndpointFault)
        });
        assert!(is_open(record(old, 9_999, Class::EndpointFault)));
        assert!(!is_open(record(old, 10_000, Class::EndpointFault)));
    }

    #[test]
    fn the_ceiling_keeps_it_closed_until_the_next_failure() {
        let rules = BreakerRules::default();
        let held = Observation {
            may_eject: false,
            ..end(Admission::Pass, Class::EndpointFault)
        };
        let kept = (0..50).fold(Breaker::default(), |state, _| {
            state.record(&rules, at(0), &held)
        });
        assert!(!is_open(kept));
        assert!(!is_open(after(kept, at(0), &[Class::Success])));
        assert!(is_open(after(kept, at(0), &[Class::EndpointFault])));
    }

    #[test]
    fn stays_open_for_its_time_then_lets_one_probe_through() {
        let rules = BreakerRules::default();
        let open = opened();
        assert_eq!(
            open,
            Breaker::Open {
                until: at(1_000),
                openings: 1
            }
        );
        assert_eq!(open.admit(&rules, at(999)), (open, Admission::Refused));
        let (probing, admission) = open.admit(&rules, at(1_000));
        assert_eq!(admission, Admission::Probe);
        assert_eq!(
            probing.admit(&rules, at(1_001)),
            (probing, Admission::Refused)
        );
    }

    #[test]
    fn the_end_of_the_probe_decides() {
        let rules = BreakerRules::default();
        let (probing, _) = opened().admit(&rules, at(1_000));
        let record = |class| probing.record(&rules, at(1_200), &end(Admission::Probe, class));
        let reopened = Breaker::Open {
            until: at(3_200),
            openings: 2,
        };
        let undecided = Breaker::Open {
            until: at(1_200),
            openings: 1,
        };
        let cases = [
            (Class::Success, Breaker::default()),
            (Class::CallerFault, Breaker::default()),
            (Class::EndpointFault, reopened),
            (Class::HalfFault, reopened),
            (Class::Overload, undecided),
            (Class::Neutral, undecided),
        ];
        for (class, expected) in cases {
            assert_eq!(record(class), expected, "{}", class.name());
        }
        assert_eq!(undecided.would_admit(at(1_200)), Admission::Probe);
    }

    #[test]
    fn calls_from_before_it_opened_decide_nothing() {
        let rules = BreakerRules::default();
        let open = opened();
        let (probing, _) = open.admit(&rules, at(1_000));
        for class in [Class::Success, Class::EndpointFault, Class::Neutral] {
            assert_eq!(after(open, at(1_100), &[class]), open);
            assert_eq!(after(probing, at(1_100), &[class]), probing);
        }
    }

    #[test]
    fn a_probe_that_never_ends_does_not_block_for_ever() {
        let rules = BreakerRules::default();
        let (probing, _) = opened().admit(&rules, at(1_000));
        assert_eq!(probing.would_admit(at(10_999)), Admission::Refused);
        assert_eq!(probing.would_admit(at(11_000)), Admission::Probe);
    }

    #[test]
    fn the_open_time_doubles_to_its_maximum_with_jitter() {
        let rules = BreakerRules::default();
        let seconds = |openings, random| match open(&rules, at(0), random, openings) {
            Breaker::Open { until, .. } => until.since(at(0)).as_secs_f64(),
            Breaker::Closed { .. } | Breaker::HalfOpen { .. } => f64::NAN,
        };
        let cases = [
            (1, 1.0),
            (2, 2.0),
            (3, 4.0),
            (6, 32.0),
            (7, 60.0),
            (255, 60.0),
        ];
        for (openings, expected) in cases {
            assert_eq!(seconds(openings, MIDDLE), expected);
            assert_eq!(seconds(openings, 0), expected * 0.8);
            assert_eq!(seconds(openings, u64::MAX), expected * 1.2);
        }
    }
}
