//! New rules for endpoints that others have judged: what keeps one out keeps it out no longer than it
//! would by the new rules, from now. What would take one out under the new rules does so with the next
//! call that ends.

use super::super::breaker::{Breaker, BreakerRules, pause};
use super::super::ejection::{Ejection, span};
use super::super::window::Window;
use super::{EndpointHealth, HealthRules};
use crate::Tick;

impl EndpointHealth {
    /// The rules were `before` and are `rules` now.
    pub fn follow(self, before: &HealthRules, rules: &HealthRules, now: Tick) -> EndpointHealth {
        let breaker = match (&before.breaker, &rules.breaker) {
            (Some(before), Some(rules)) => self.breaker.follow(before, rules, now),
            (None, _) | (_, None) => Breaker::default(),
        };
        let ejection = match &rules.outlier {
            Some(rules) => {
                let longest = span(rules, self.ejection.times());
                self.ejection.ended_by(now + longest)
            }
            None => Ejection::default(),
        };
        EndpointHealth { breaker, ejection }
    }

    /// Its ejection is over: a lower ceiling lets fewer be out.
    pub fn returned(self, now: Tick) -> EndpointHealth {
        let ejection = self.ejection.ended_by(now);
        EndpointHealth { ejection, ..self }
    }
}

impl HealthRules {
    /// How many of `total` endpoints may be out before none is ejected any more.
    pub fn out_max(&self, total: usize) -> usize {
        let share = total.saturating_mul(usize::from(self.max_ejection_percent())) / 100;
        share.min(total.saturating_sub(1))
    }
}

impl Breaker {
    /// Slices of another length are other slices: calls are counted from zero again.
    fn follow(mut self, before: &BreakerRules, rules: &BreakerRules, now: Tick) -> Breaker {
        match &mut self {
            Breaker::Closed { window, .. } if before.window != rules.window => {
                *window = Window::default();
            }
            Breaker::Open { until, openings }
            | Breaker::HalfOpen {
                until, openings, ..
            } => *until = (*until).min(now + pause(rules, *openings)),
            Breaker::Closed { .. } => {}
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::{OutlierRules, may_eject};
    use super::super::{Admission, Observation};
    use super::*;
    use crate::Class;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Tick {
        Tick::ZERO + Duration::from_secs(seconds)
    }

    fn rules(open: Duration, ejected: Duration) -> HealthRules {
        HealthRules {
            breaker: Some(BreakerRules {
                open_time: open,
                max_open_time: open,
                ..BreakerRules::default()
            }),
            outlier: Some(OutlierRules {
                base_ejection_time: ejected,
                ..OutlierRules::default()
            }),
        }
    }

    /// Out for an hour by both.
    fn out() -> (HealthRules, EndpointHealth) {
        let long = rules(3_600 * SECOND, 3_600 * SECOND);
        let fault = Observation {
            admission: Admission::Pass,
            class: Class::EndpointFault,
            may_eject: true,
            is_common: false,
            random: 1 << 63,
        };
        let record = |health: EndpointHealth, _| health.record(&long, at(0), fault).0;
        (long, (0..9).fold(EndpointHealth::default(), record))
    }

    #[test]
    fn an_endpoint_that_is_out_comes_back_by_the_new_rules() {
        let (long, out) = out();
        let until = |health: EndpointHealth| {
            let open = match health.breaker() {
                Breaker::Open { until, .. } => Some(*until),
                Breaker::Closed { .. } | Breaker::HalfOpen { .. } => None,
            };
            (open, health.ejection().until())
        };
        let short = out.follow(&long, &rules(SECOND, 2 * SECOND), at(10));
        assert_eq!(until(short), (Some(at(11)), at(12)));
        let longer = out.follow(&long, &rules(9_999 * SECOND, 9_999 * SECOND), at(10));
        assert_eq!(until(longer), until(out), "no longer than it was to be");
        let off = HealthRules {
            breaker: None,
            outlier: None,
        };
        assert_eq!(out.follow(&long, &off, at(10)), EndpointHealth::default());
        assert!(!out.returned(at(10)).ejection().is_out(at(10)));
    }

    #[test]
    fn calls_are_counted_anew_over_another_window() {
        let before = HealthRules::default();
        let of = |window| HealthRules {
            breaker: Some(BreakerRules {
                window,
                consecutive_failures: 0,
                min_calls: 5,
                ..BreakerRules::default()
            }),
            ..HealthRules::default()
        };
        let fault = Observation {
            admission: Admission::Pass,
            class: Class::EndpointFault,
            may_eject: true,
            is_common: false,
            random: 1 << 63,
        };
        let fail = |health: EndpointHealth, rules: &HealthRules, now, times| {
            (0..times).fold(health, |health, _| health.record(rules, now, fault).0)
        };
        let longer = of(100 * SECOND);
        let begun = fail(EndpointHealth::default(), &before, at(1_000), 3);
        let after = begun.follow(&before, &longer, at(1_000));
        let after = fail(after, &longer, at(1_000), 4);
        assert!(!after.is_out(at(1_000)));
        // And what is old is forgotten though the slices are longer.
        assert!(!fail(after, &longer, at(1_200), 4).is_out(at(1_200)));
        assert!(fail(after, &longer, at(1_050), 1).is_out(at(1_050)));
    }

    #[test]
    fn the_ceiling_is_the_one_of_ejection() {
        for total in 0..20 {
            for percent in [0, 1, 10, 50, 100] {
                let mut rules = rules(SECOND, SECOND);
                if let Some(outlier) = &mut rules.outlier {
                    outlier.max_ejection_percent = percent;
                }
                let most = rules.out_max(total);
                assert!(most == 0 || may_eject(most - 1, total, percent));
                assert!(!may_eject(most, total, percent), "{most} of {total}");
            }
        }
    }
}
