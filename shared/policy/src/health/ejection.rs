//! Ejection for failures in a row, and the ceiling on how many endpoints may be out.
//!
//! Envoy's consecutive ejection ("Outlier detection", Envoy docs), with one difference: a gRPC
//! status in trailers counts. An ejected endpoint gets no probe; it comes back when its time
//! is over, or when a call that had nowhere else to go ended well there.

use std::time::Duration;

use super::window::{Evidence, FAULT, evidence};
use super::{Admission, Observation};
use crate::Tick;

/// For every such span spent in service, one former ejection is forgotten (Envoy's `interval`).
const FORGIVE_AFTER: Duration = Duration::from_secs(10);

/// When an endpoint is ejected and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OutlierRules {
    /// Failures in a row that eject. Default 5 (Envoy); 0 never ejects.
    pub consecutive_failures: u32,
    /// Time out of service, times the number of ejections. Default 30 s (Envoy).
    pub base_ejection_time: Duration,
    /// Longest time out of service, unless the base is longer. Default 300 s (Envoy).
    pub max_ejection_time: Duration,
    /// Share of endpoints that may be out at once, open breakers included. Percent, 0 to 100;
    /// default 50 (Envoy and gRFC A50: 10).
    pub max_ejection_percent: u8,
}

impl Default for OutlierRules {
    fn default() -> OutlierRules {
        OutlierRules {
            consecutive_failures: 5,
            base_ejection_time: Duration::from_secs(30),
            max_ejection_time: Duration::from_secs(300),
            max_ejection_percent: 50,
        }
    }
}

/// State of ejection of one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ejection {
    row_halves: u32,
    times: u32,
    until: Tick,
}

impl Ejection {
    /// Is the endpoint ejected at `now`?
    pub fn is_out(&self, now: Tick) -> bool {
        now < self.until
    }

    /// When it comes (or came) back; [`Tick::ZERO`] if it was never ejected.
    pub const fn until(&self) -> Tick {
        self.until
    }

    /// Former ejections that still lengthen the next one.
    pub const fn times(&self) -> u32 {
        self.times
    }

    /// An attempt ended.
    pub fn record(self, rules: &OutlierRules, now: Tick, end: &Observation) -> Ejection {
        let seen = evidence(end.class);
        if self.is_out(now) {
            // A call that began before the ejection proves nothing about now.
            let is_back = end.admission == Admission::Refused && seen == Evidence::Good;
            let until = if is_back { now } else { self.until };
            return Ejection { until, ..self };
        }
        let row_halves = match seen {
            Evidence::Good => 0,
            Evidence::Bad(halves) => self.row_halves.saturating_add(halves),
            Evidence::None => self.row_halves,
        };
        let in_a_row = row_halves > self.row_halves
            && row_halves >= rules.consecutive_failures.saturating_mul(FAULT);
        if in_a_row && end.may_eject && rules.consecutive_failures > 0 {
            return self.eject(rules, now);
        }
        Ejection { row_halves, ..self }
    }

    fn eject(self, rules: &OutlierRules, now: Tick) -> Ejection {
        let forgiven = now.since(self.until).as_nanos() / FORGIVE_AFTER.as_nanos();
        let forgiven = u32::try_from(forgiven).unwrap_or(u32::MAX);
        let times = self.times.saturating_sub(forgiven).saturating_add(1);
        Ejection {
            row_halves: 0,
            times,
            until: now + span(rules, times),
        }
    }

    /// Ejected until `end` at the latest.
    pub(super) fn ended_by(self, end: Tick) -> Ejection {
        Ejection {
            until: self.until.min(end),
            ..self
        }
    }
}

/// How long it is out the `times`th time.
pub(super) fn span(rules: &OutlierRules, times: u32) -> Duration {
    let longest = rules.max_ejection_time.max(rules.base_ejection_time);
    rules.base_ejection_time.saturating_mul(times).min(longest)
}

/// May an endpoint be ejected, when `out_now` others of `total` in all are out already? Never
/// more than `max_percent` of them, and never the last.
pub const fn may_eject(out_now: usize, total: usize, max_percent: u8) -> bool {
    let out_then = out_now.saturating_add(1);
    let within = out_then.saturating_mul(100) <= total.saturating_mul(max_percent as usize);
    within && out_then < total
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Class;

    const fn at(secs: u64) -> Tick {
        Tick::from_nanos(secs * 1_000_000_000)
    }

    fn end(class: Class, may_eject: bool) -> Observation {
        Observation {
            admission: Admission::Pass,
            class,
            may_eject,
            is_common: false,
            random: 0,
        }
    }

    /// Records each class at `now` while the ceiling allows an ejection.
    fn after(ejection: Ejection, now: Tick, classes: &[Class]) -> Ejection {
        let rules = OutlierRules::default();
        classes.iter().fold(ejection, |state, class| {
            state.record(&rules, now, &end(*class, true))
        })
    }

    const FIVE_FAULTS: [Class; 5] = [Class::EndpointFault; 5];

    #[test]
    fn a_row_of_failures_ejects() {
        use Class::{CallerFault, EndpointFault, HalfFault, Neutral, Overload, Success};
        let cases: [(&str, Vec<Class>, bool); 7] = [
            ("four", vec![EndpointFault; 4], false),
            ("five", vec![EndpointFault; 5], true),
            ("ten halves", vec![HalfFault; 10], true),
            ("nine halves", vec![HalfFault; 9], false),
            (
                "broken by a success",
                [vec![EndpointFault; 4], vec![Success, EndpointFault]].concat(),
                false,
            ),
            (
                "broken by a proper answer",
                [vec![EndpointFault; 4], vec![CallerFault, EndpointFault]].concat(),
                false,
            ),
            (
                "not broken by silence",
                [
                    vec![EndpointFault; 4],
                    vec![Neutral, Overload, EndpointFault],
                ]
                .concat(),
                true,
            ),
        ];
        for (rule, classes, expected) in cases {
            assert_eq!(
                after(Ejection::default(), at(1), &classes).is_out(at(1)),
                expected,
                "{rule}"
            );
        }
    }

    #[test]
    fn each_ejection_is_longer_and_time_in_service_forgives() {
        let first = after(Ejection::default(), at(0), &FIVE_FAULTS);
        assert_eq!((first.until(), first.times()), (at(30), 1));
        let second = after(first, at(30), &FIVE_FAULTS);
        assert_eq!((second.until(), second.times()), (at(90), 2));
        let after_ten_seconds = after(second, at(100), &FIVE_FAULTS);
        assert_eq!(
            (after_ten_seconds.until(), after_ten_seconds.times()),
            (at(160), 2)
        );
        let after_an_hour = after(second, at(3_600), &FIVE_FAULTS);
        assert_eq!(
            (after_an_hour.until(), after_an_hour.times()),
            (at(3_630), 1)
        );
    }

    #[test]
    fn no_ejection_is_longer_than_its_maximum() {
        let mut state = Ejection::default();
        for _ in 0..20 {
            let now = state.until();
            state = after(state, now, &FIVE_FAULTS);
            assert!(state.until().since(now) <= Duration::from_secs(300));
        }
        assert_eq!(state.times(), 20);
    }

    #[test]
    fn what_ends_during_an_ejection_counts_for_nothing() {
        let out = after(Ejection::default(), at(0), &FIVE_FAULTS);
        assert_eq!(after(out, at(29), &[Class::EndpointFault; 50]), out);
    }

    #[test]
    fn a_call_that_had_nowhere_else_to_go_and_ended_well_ends_it() {
        let rules = OutlierRules::default();
        let out = after(Ejection::default(), at(0), &FIVE_FAULTS);
        let record = |admission, class| {
            let end = Observation {
                admission,
                ..end(class, true)
            };
            out.record(&rules, at(3), &end)
        };
        let back = record(Admission::Refused, Class::Success);
        assert_eq!((back.is_out(at(3)), back.times()), (false, 1));
        assert_eq!(record(Admission::Refused, Class::EndpointFault), out);
        assert_eq!(record(Admission::Pass, Class::Success), out, "from before");
    }

    #[test]
    fn the_ceiling_postpones_an_ejection_to_the_next_failure() {
        let rules = OutlierRules::default();
        let kept = FIVE_FAULTS
            .iter()
            .fold(Ejection::default(), |state, class| {
                state.record(&rules, at(1), &end(*class, false))
            });
        assert!(!kept.is_out(at(1)));
        assert!(
            !kept
                .record(&rules, at(1), &end(Class::Neutral, true))
                .is_out(at(1))
        );
        assert!(
            kept.record(&rules, at(1), &end(Class::EndpointFault, true))
                .is_out(at(1))
        );
    }

    #[test]
    fn zero_failures_in_a_row_never_ejects() {
        let rules = OutlierRules {
            consecutive_failures: 0,
            ..OutlierRules::default()
        };
        let state = Ejection::default().record(&rules, at(1), &end(Class::EndpointFault, true));
        assert!(!state.is_out(at(1)));
    }

    #[test]
    fn the_ceiling_keeps_half_and_the_last() {
        let cases = [
            ("the only one", 0, 1, 50, false),
            ("one of two", 0, 2, 50, true),
            ("the last of two", 1, 2, 100, false),
            ("one of three", 0, 3, 50, true),
            ("two of three are more than half", 1, 3, 50, false),
            ("five of ten", 4, 10, 50, true),
            ("six of ten", 5, 10, 50, false),
            ("none at zero percent", 0, 10, 0, false),
            ("all but the last", 8, 10, 100, true),
            ("never the last", 9, 10, 100, false),
            ("nobody there", 0, 0, 50, false),
            ("more out than there are", 7, 3, 50, false),
        ];
        for (rule, out_now, total, percent, expected) in cases {
            assert_eq!(may_eject(out_now, total, percent), expected, "{rule}");
        }
    }

    proptest! {
        #[test]
        fn ejecting_while_allowed_stays_within_the_ceiling(total in 0usize..200, percent in 0u8..=100) {
            let mut out = 0;
            while may_eject(out, total, percent) {
                out += 1;
            }
            prop_assert!(out * 100 <= total * usize::from(percent));
            prop_assert!(out == 0 || out < total);
        }
    }
}
