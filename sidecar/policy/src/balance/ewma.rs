//! Peak EWMA: what one more call to an endpoint would cost, from its latencies and its load.
//!
//! A sample above the estimate becomes the estimate at once; below it, the estimate comes
//! down with time. So a slow moment is felt immediately and forgotten slowly. Latency is
//! sampled at response headers: a long stream does not look slow. Failures add a penalty that
//! fades, because an endpoint that fails at once would otherwise look fast.
//!
//! The idea is Finagle's (`PeakEwma`). Knows nothing of the endpoints' health.

use std::time::Duration;

use crate::{Class, Tick};

/// Least latency that an estimate counts as, so that load still tells endpoints apart after a
/// long silence. Nanoseconds.
const LATENCY_FLOOR_NANOS: f64 = 1_000.0;

/// How estimates move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EwmaRules {
    /// Time in which an estimate or a penalty fades to 37 %. Default 10 s; 0 forgets at once.
    pub decay: Duration,
    /// Latency assumed of an endpoint that was never used. Default 30 ms. Too low, and a new
    /// endpoint is flooded; too high, and it is never tried.
    pub initial: Duration,
    /// What a fault counts as. Default 1 s; 0 makes a failing endpoint look fast.
    pub fault_penalty: Duration,
    /// What an overload counts as. Default 250 ms.
    pub overload_penalty: Duration,
}

impl Default for EwmaRules {
    fn default() -> EwmaRules {
        EwmaRules {
            decay: Duration::from_secs(10),
            initial: Duration::from_millis(30),
            fault_penalty: Duration::from_secs(1),
            overload_penalty: Duration::from_millis(250),
        }
    }
}

/// The estimate of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeakEwma {
    // Invariant: both are finite and >= 0.
    latency_nanos: f64,
    penalty_nanos: f64,
    latency_at: Tick,
    penalty_at: Tick,
}

impl PeakEwma {
    /// An endpoint that was never used.
    pub fn new(rules: &EwmaRules, now: Tick) -> PeakEwma {
        PeakEwma {
            latency_nanos: nanos(rules.initial),
            penalty_nanos: 0.0,
            latency_at: now,
            penalty_at: now,
        }
    }

    /// Response headers came `latency` after the attempt began.
    pub fn observe(self, rules: &EwmaRules, now: Tick, latency: Duration) -> PeakEwma {
        let sample = nanos(latency);
        let kept = fade(rules, now.since(self.latency_at));
        let blended = sample + (self.latency_nanos - sample) * kept;
        let latency_nanos = if sample > self.latency_nanos {
            sample
        } else {
            blended
        };
        PeakEwma {
            latency_nanos,
            latency_at: self.latency_at.max(now),
            ..self
        }
    }

    /// An attempt ended; a failure or an overload makes the endpoint dearer for a while.
    pub fn penalise(self, rules: &EwmaRules, now: Tick, class: Class) -> PeakEwma {
        let full = match class {
            Class::EndpointFault => nanos(rules.fault_penalty),
            Class::HalfFault => nanos(rules.fault_penalty) / 2.0,
            Class::Overload => nanos(rules.overload_penalty),
            Class::Success | Class::CallerFault | Class::Neutral => return self,
        };
        let penalty_nanos = full.max(self.penalty(rules, now));
        PeakEwma {
            penalty_nanos,
            penalty_at: self.penalty_at.max(now),
            ..self
        }
    }

    /// The latency this endpoint usually has, without penalties: the yardstick for
    /// [`Origin::OurDeadline`](crate::Origin::OurDeadline).
    pub fn usual_latency(&self) -> Duration {
        Duration::from_nanos(self.latency_nanos as u64)
    }

    /// What one more call costs while `in_flight` are running. Finite and above zero; only
    /// the order of two costs means something.
    pub fn cost(&self, rules: &EwmaRules, now: Tick, in_flight: u32) -> f64 {
        let latency = self.latency_nanos * fade(rules, now.since(self.latency_at));
        let each = latency.max(LATENCY_FLOOR_NANOS) + self.penalty(rules, now);
        each * (f64::from(in_flight) + 1.0)
    }

    fn penalty(&self, rules: &EwmaRules, now: Tick) -> f64 {
        self.penalty_nanos * fade(rules, now.since(self.penalty_at))
    }
}

/// Share of an old value that is left after `elapsed`: 1 down to 0.
fn fade(rules: &EwmaRules, elapsed: Duration) -> f64 {
    // Without the first case a decay of zero divides zero by zero.
    if rules.decay.is_zero() {
        return 0.0;
    }
    (-elapsed.as_secs_f64() / rules.decay.as_secs_f64()).exp()
}

fn nanos(span: Duration) -> f64 {
    span.as_secs_f64() * 1e9
}
