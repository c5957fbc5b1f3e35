//! Health of one endpoint: its breaker and its ejection as one value.
//!
//! It is out of service while either says so. Knows nothing of the other endpoints; the
//! caller counts those that are out (`is_out`) and passes the answer of `may_eject`.

use super::{Admission, Breaker, BreakerRules, Ejection, OutlierRules, may_eject};
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
    /// Share of endpoints that may be out at once, whichever of the two put them out. Percent.
    pub fn max_ejection_percent(&self) -> u8 {
        self.outlier.unwrap_or_default().max_ejection_percent
    }

    /// May one more endpoint go out, when `out_now` of `total` are?
    pub fn may_eject(&self, out_now: usize, total: usize) -> bool {
        may_eject(out_now, total, self.max_ejection_percent())
    }
}

/// The end of an admitted attempt, as health sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// What `admit` answered when the attempt began.
    pub admission: Admission,
    /// How it ended.
    pub class: Class,
    /// The ceiling lets one more endpoint go; see [`HealthRules::may_eject`].
    pub may_eject: bool,
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
    /// A probe succeeded and the breaker closed.
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

    /// Does this endpoint count as out? From the opening of its breaker until a probe has
    /// succeeded, and while it is ejected. This is what the ceiling counts.
    pub fn is_out(&self, now: Tick) -> bool {
        let closed = match self.breaker {
            Breaker::Closed { .. } => true,
            Breaker::Open { .. } | Breaker::HalfOpen { .. } => false,
        };
        !closed || self.ejection.is_out(now)
    }

    /// What [`admit`](EndpointHealth::admit) would answer: eligible for a pick unless `Refused`.
    pub fn would_admit(&self, now: Tick) -> Admission {
        if self.ejection.is_out(now) {
            return Admission::Refused;
        }
        self.breaker.would_admit(now)
    }

    /// May a call go to this endpoint? Keep the answer for [`record`](EndpointHealth::record).
    /// A call sent in spite of a refusal (all endpoints are out) is recorded with `Refused`.
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
            Some(outlier) => self.ejection.record(outlier, now, end.class, end.may_eject),
            None => Ejection::default(),
        };
        let next = EndpointHealth { breaker, ejection };
        (next, next.change_since(&self, now))
    }

    /// The ejection is told first: it is the longer of the two where both happen at once.
    fn change_since(&self, before: &EndpointHealth, now: Tick) -> Option<HealthChange> {
        if self.ejection.until() > before.ejection.until() {
            let (until, times) = (self.ejection.until(), self.ejection.times());
            return Some(HealthChange::Ejected { until, times });
        }
        match (before.breaker, self.breaker) {
            // Not opened anew: after an undecided probe `until` is now.
            (Breaker::HalfOpen { .. }, Breaker::Open { until, .. }) if until <= now => None,
            (
                Breaker::Closed { .. } | Breaker::HalfOpen { .. },
                Breaker::Open { until, openings },
            ) => Some(HealthChange::Opened { until, openings }),
            (Breaker::HalfOpen { .. } | Breaker::Open { .. }, Breaker::Closed { .. }) => {
                Some(HealthChange::Recovered)
            }
            (Breaker::Closed { .. }, Breaker::Closed { .. } | Breaker::HalfOpen { .. })
            | (Breaker::Open { .. }, Breaker::Open { .. } | Breaker::HalfOpen { .. })
            | (Breaker::HalfOpen { .. }, Breaker::HalfOpen { .. }) => None,
        }
    }
}
