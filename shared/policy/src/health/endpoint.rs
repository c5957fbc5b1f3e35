//! Health of one endpoint: its breaker and its ejection as one value.
//!
//! It is out of service while either says so. Knows nothing of the other endpoints; the
//! caller counts those that are out (`is_out`) and passes the answer of `may_eject`.

mod follow;

use super::{Admission, Availability, Breaker, BreakerRules, Ejection, OutlierRules, may_eject};
use crate::{Class, Tick};

/// Rules for the endpoints of one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthRules {
    /// Breaker; default on. `None` turns it off.
    pub breaker: Option<BreakerRules>,
    /// Ejection; default off.
    pub outlier: Option<OutlierRules>,
}

impl Default for HealthRules {
    fn default() -> HealthRules {
        HealthRules {
            breaker: Some(BreakerRules::default()),
            outlier: None,
        }
    }
}

impl HealthRules {
    /// Share of endpoints that may be out at once before no more are ejected. Percent.
    pub fn max_ejection_percent(&self) -> u8 {
        self.outlier.unwrap_or_default().max_ejection_percent
    }

    /// May an endpoint be ejected, when `out_now` of the others are out, of `total` in all? Breakers
    /// do not ask.
    pub fn may_eject(&self, out_now: usize, total: usize) -> bool {
        may_eject(out_now, total, self.max_ejection_percent())
    }
}

/// The end of an attempt, as health sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// What `admit` answered when the attempt began.
    pub admission: Admission,
    /// How it ended.
    pub class: Class,
    /// The ceiling lets one more endpoint be ejected; see [`HealthRules::may_eject`].
    pub may_eject: bool,
    /// With this one more than half of the endpoints are out.
    pub is_common: bool,
    /// Random number for the jitter of the open time.
    pub random: u64,
}

/// Something worth telling people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HealthChange {
    /// The breaker opened, or opened again after a failed probe.
    Opened {
        /// When it lets a probe through.
        until: Tick,
        /// How often in a row, from 1.
        openings: u8,
    },
    /// The endpoint was ejected.
    Ejected {
        /// When it comes back.
        until: Tick,
        /// The factor on the base time, from 1.
        times: u32,
    },
    /// A call that went there although it was out ended well: it is in rotation again.
    Recovered,
}

/// Health of one endpoint. Default healthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointHealth {
    breaker: Breaker,
    ejection: Ejection,
}

impl EndpointHealth {
    /// The breaker.
    pub const fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// The ejection.
    pub const fn ejection(&self) -> &Ejection {
        &self.ejection
    }

    /// Does this endpoint count as out? From the opening of its breaker until a call there has
    /// succeeded, and while it is ejected. This is what the ceiling counts.
    pub fn is_out(&self, now: Tick) -> bool {
        let closed = match self.breaker {
            Breaker::Closed { .. } => true,
            Breaker::Open { .. } | Breaker::HalfOpen { .. } => false,
        };
        !closed || self.ejection.is_out(now)
    }

    /// May the endpoint be picked?
    pub fn availability(&self, now: Tick) -> Availability {
        match self.ejection.is_out(now) {
            true => Availability::Paused,
            false => self.breaker.availability(now),
        }
    }

    /// A call goes to this endpoint. Keep the answer for [`record`](EndpointHealth::record).
    pub fn admit(self, rules: &HealthRules, now: Tick) -> (EndpointHealth, Admission) {
        if self.ejection.is_out(now) {
            return (self, Admission::Refused);
        }
        let Some(breaker_rules) = &rules.breaker else {
            return (self, Admission::Pass);
        };
        let (breaker, admission) = self.breaker.admit(breaker_rules, now);
        (EndpointHealth { breaker, ..self }, admission)
    }

    /// An attempt ended. Every probe must come here, also one that was cancelled.
    pub fn record(
        self,
        rules: &HealthRules,
        now: Tick,
        end: Observation,
    ) -> (EndpointHealth, Option<HealthChange>) {
        // Rules that were turned off leave nothing behind that could keep an endpoint out.
        let breaker = match &rules.breaker {
            Some(breaker_rules) => self.breaker.record(breaker_rules, now, &end),
            None => Breaker::default(),
        };
        let ejection = match &rules.outlier {
            Some(outlier) => self.ejection.record(outlier, now, &end),
            None => Ejection::default(),
        };
        let next = EndpointHealth { breaker, ejection };
        (next, next.change_since(&self, now))
    }

    /// Reports the ejection if both changed: it is the longer of the two.
    fn change_since(&self, before: &EndpointHealth, now: Tick) -> Option<HealthChange> {
        if self.ejection.until() > before.ejection.until() {
            let (until, times) = (self.ejection.until(), self.ejection.times());
            return Some(HealthChange::Ejected { until, times });
        }
        if before.ejection.is_out(now) && !self.ejection.is_out(now) {
            return Some(HealthChange::Recovered);
        }
        let paused = before.breaker.until();
        match self.breaker {
            // Not for a probe that was undecided, or that failed before the pause was over.
            Breaker::Open { until, openings } if paused.is_none_or(|before| until > before) => {
                Some(HealthChange::Opened { until, openings })
            }
            Breaker::Closed { .. } if paused.is_some() => Some(HealthChange::Recovered),
            Breaker::Closed { .. } | Breaker::Open { .. } | Breaker::HalfOpen { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const MIDDLE: u64 = 1 << 63;

    const fn at(millis: u64) -> Tick {
        Tick::from_nanos(millis * 1_000_000)
    }

    /// Five failures eject for 30 s, seven open the breaker.
    fn both() -> HealthRules {
        HealthRules {
            outlier: Some(OutlierRules::default()),
            ..HealthRules::default()
        }
    }

    fn end(admission: Admission, class: Class) -> Observation {
        Observation {
            admission,
            class,
            may_eject: true,
            is_common: false,
            random: MIDDLE,
        }
    }

    fn faults(rules: &HealthRules, count: u32) -> (EndpointHealth, Vec<HealthChange>) {
        let fault = end(Admission::Pass, Class::EndpointFault);
        let mut changes = vec![];
        let health = (0..count).fold(EndpointHealth::default(), |health, _| {
            let (next, change) = health.record(rules, at(0), fault);
            changes.extend(change);
            next
        });
        (health, changes)
    }

    #[test]
    fn ejection_is_off_and_the_breaker_on_unless_set() {
        let (health, changes) = faults(&HealthRules::default(), 20);
        assert_eq!(
            changes,
            [HealthChange::Opened {
                until: at(1_000),
                openings: 1
            }]
        );
        assert!(!health.ejection().is_out(at(0)));
        let off = HealthRules {
            breaker: None,
            outlier: None,
        };
        let (health, changes) = faults(&off, 20);
        assert_eq!((health, changes), (EndpointHealth::default(), vec![]));
    }

    #[test]
    fn out_while_either_says_so() {
        let rules = both();
        let (health, changes) = faults(&rules, 7);
        let ejected = HealthChange::Ejected {
            until: at(30_000),
            times: 1,
        };
        let opened = HealthChange::Opened {
            until: at(1_000),
            openings: 1,
        };
        assert_eq!(changes, [ejected, opened]);
        let at_second = |second: u64| health.availability(at(second * 1_000));
        assert_eq!(at_second(1), Availability::Paused, "still ejected");
        assert_eq!(at_second(30), Availability::ProbeDue, "the breaker's");
        assert!(
            health.is_out(at(30_000)),
            "it counts until the probe succeeds"
        );
    }

    #[test]
    fn a_good_probe_is_told_as_recovery() {
        let rules = HealthRules::default();
        let (open, _) = faults(&rules, 7);
        let (probing, admission) = open.admit(&rules, at(1_000));
        let (healthy, change) = probing.record(&rules, at(1_001), end(admission, Class::Success));
        assert_eq!(change, Some(HealthChange::Recovered));
        assert!(!healthy.is_out(at(1_001)));
    }

    #[test]
    fn an_undecided_probe_is_told_to_nobody_and_makes_room_for_the_next() {
        let rules = HealthRules::default();
        let (open, _) = faults(&rules, 7);
        let (probing, admission) = open.admit(&rules, at(1_000));
        let (undecided, change) = probing.record(&rules, at(1_001), end(admission, Class::Neutral));
        assert_eq!(change, None);
        assert_eq!(undecided.admit(&rules, at(1_001)).1, Admission::Probe);
    }

    #[test]
    fn a_failed_probe_stays_out_whatever_the_ceiling_says() {
        let rules = HealthRules::default();
        let (open, _) = faults(&rules, 7);
        let (probing, admission) = open.admit(&rules, at(1_000));
        let fault = Observation {
            may_eject: false,
            ..end(admission, Class::EndpointFault)
        };
        let (health, change) = probing.record(&rules, at(1_000), fault);
        assert_eq!(
            change,
            Some(HealthChange::Opened {
                until: at(3_000),
                openings: 2
            })
        );
        assert!(health.is_out(at(60_000)));
    }

    #[test]
    fn rules_turned_off_set_an_endpoint_free() {
        let (out, _) = faults(&both(), 7);
        let off = HealthRules {
            breaker: None,
            outlier: None,
        };
        let (free, _) = out.record(&off, at(1), end(Admission::Refused, Class::Neutral));
        assert_eq!(free, EndpointHealth::default());
    }

    fn any_class() -> impl Strategy<Value = Class> {
        prop_oneof![
            2 => Just(Class::Success),
            5 => Just(Class::EndpointFault),
            1 => Just(Class::HalfFault),
            1 => Just(Class::Overload),
            1 => Just(Class::CallerFault),
            1 => Just(Class::Neutral),
        ]
    }

    /// What happens to a cluster: time passes, a call goes to an endpoint, a call ends.
    #[derive(Clone, Debug)]
    enum Event {
        Pass(u64),
        Send(usize),
        End(usize, Class),
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            1 => (0u64..5_000).prop_map(Event::Pass),
            4 => (0usize..100).prop_map(Event::Send),
            4 => (any::<usize>(), any_class()).prop_map(|(index, class)| Event::End(index, class)),
        ]
    }

    proptest! {
        /// Under any sequence of events: never too many ejected, one probe at a time, a breaker opens
        /// only after failures, and in the end every endpoint can be used again.
        #[test]
        fn a_cluster_keeps_its_promises(
            total in 1usize..12,
            events in proptest::collection::vec(any_event(), 0..400),
        ) {
            // A short row, so that it happens; patience without end, so that a probe stays one.
            let breaker = BreakerRules {
                consecutive_failures: 2,
                probe_patience: Duration::MAX,
                ..BreakerRules::default()
            };
            let outlier = OutlierRules { consecutive_failures: 3, ..OutlierRules::default() };
            let rules = HealthRules { breaker: Some(breaker), outlier: Some(outlier) };
            let mut endpoints = vec![EndpointHealth::default(); total];
            let mut running: Vec<(usize, Admission)> = vec![];
            let mut faults = vec![0; total];
            let mut now = Tick::ZERO;
            for event in events {
                match event {
                    Event::Pass(millis) => now = now + Duration::from_millis(millis),
                    Event::Send(index) => {
                        let index = index % total;
                        let (next, admission) = endpoints[index].admit(&rules, now);
                        endpoints[index] = next;
                        running.push((index, admission));
                        let is_probe = |call: &&(usize, Admission)| **call == (index, Admission::Probe);
                        prop_assert!(running.iter().filter(is_probe).count() <= 1);
                    }
                    Event::End(place, class) if !running.is_empty() => {
                        let (index, admission) = running.swap_remove(place % running.len());
                        let others = endpoints.iter().enumerate().filter(|(other, _)| *other != index);
                        let out = others.filter(|(_, other)| other.is_out(now)).count();
                        let (may_eject, is_common) = (rules.may_eject(out, total), 2 * (out + 1) > total);
                        let observation = Observation { admission, class, may_eject, is_common, random: MIDDLE };
                        let (next, change) = endpoints[index].record(&rules, now, observation);
                        endpoints[index] = next;
                        faults[index] += u32::from(matches!(class, Class::EndpointFault | Class::HalfFault));
                        match change {
                            Some(HealthChange::Opened { openings: 1, .. }) => prop_assert!(faults[index] >= 2),
                            Some(HealthChange::Ejected { .. }) => prop_assert!(faults[index] >= 3),
                            // Its probe, if it is still on its way, is an ordinary call from now on.
                            Some(HealthChange::Recovered) => running
                                .iter_mut()
                                .filter(|call| call.0 == index)
                                .for_each(|call| call.1 = Admission::Pass),
                            Some(HealthChange::Opened { .. }) | None => {}
                        }
                    }
                    Event::End(..) => {}
                }
                let ejected = endpoints.iter().filter(|found| found.ejection().is_out(now)).count();
                prop_assert!(ejected * 100 <= total * 50, "{ejected} of {total} are ejected");
            }
            for (index, admission) in running {
                endpoints[index] = endpoints[index].record(&rules, now, end(admission, Class::Success)).0;
            }
            let later = now + Duration::from_secs(600);
            let usable = |endpoint: &EndpointHealth| matches!(endpoint.availability(later), Availability::InRotation | Availability::ProbeDue);
            prop_assert!(endpoints.iter().all(usable));
        }
    }
}
