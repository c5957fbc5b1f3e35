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

/// Most that penalties add up to, in faults: with the defaults ten seconds, which fade to a
/// millisecond in nine.
const PENALTIES_MAX: f64 = 10.0;

/// How estimates move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EwmaRules {
    /// Time in which an estimate fades to 37 %. Default 10 s; 0 forgets at once.
    pub decay: Duration,
    /// Time in which a penalty fades to 37 %. Default 1 s; 0 forgets at once. Long, and an endpoint
    /// that recovered is left idle; whoever keeps failing is the breaker's business.
    pub penalty_decay: Duration,
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
            penalty_decay: Duration::from_secs(1),
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

    /// Response headers came `latency` after the attempt began. Also told when our own
    /// deadline ended an attempt without them: it would have taken at least that long.
    pub fn observe(self, rules: &EwmaRules, now: Tick, latency: Duration) -> PeakEwma {
        let sample = nanos(latency);
        let kept = fade(rules.decay, now.since(self.latency_at));
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

    /// An attempt ended; a failure or an overload makes the endpoint dearer for a while. Failures
    /// add up, so that one that only fails, and so is never busy, gets dearer than any that is
    /// merely slow and loaded.
    pub fn penalise(self, rules: &EwmaRules, now: Tick, class: Class) -> PeakEwma {
        let full = match class {
            Class::EndpointFault => nanos(rules.fault_penalty),
            Class::HalfFault => nanos(rules.fault_penalty) / 2.0,
            Class::Overload => nanos(rules.overload_penalty),
            Class::Success | Class::CallerFault | Class::Neutral => return self,
        };
        let sum = self.penalty(rules, now) + full;
        let penalty_nanos = sum.min(PENALTIES_MAX * nanos(rules.fault_penalty).max(full));
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
        let latency = self.latency_nanos * fade(rules.decay, now.since(self.latency_at));
        let each = latency.max(LATENCY_FLOOR_NANOS) + self.penalty(rules, now);
        each * (f64::from(in_flight) + 1.0)
    }

    fn penalty(&self, rules: &EwmaRules, now: Tick) -> f64 {
        // Most endpoints have none: spare them the exponential.
        if self.penalty_nanos == 0.0 {
            return 0.0;
        }
        self.penalty_nanos * fade(rules.penalty_decay, now.since(self.penalty_at))
    }
}

/// Share of an old value that is left after `elapsed`: 1 down to 0.
fn fade(decay: Duration, elapsed: Duration) -> f64 {
    // Without the first case a decay of zero divides zero by zero.
    if decay.is_zero() {
        return 0.0;
    }
    (-elapsed.as_secs_f64() / decay.as_secs_f64()).exp()
}

fn nanos(span: Duration) -> f64 {
    span.as_secs_f64() * 1e9
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    const fn at(millis: u64) -> Tick {
        Tick::from_nanos(millis * 1_000_000)
    }

    fn fresh() -> PeakEwma {
        PeakEwma::new(&EwmaRules::default(), at(0))
    }

    #[test]
    fn a_peak_is_felt_at_once() {
        let slow = fresh().observe(&EwmaRules::default(), at(1), ms(900));
        assert_eq!(slow.usual_latency(), ms(900));
    }

    #[test]
    fn a_peak_is_forgotten_with_time_not_with_calls() {
        let rules = EwmaRules::default();
        let slow = fresh().observe(&rules, at(0), ms(900));
        let burst = (0..1_000).fold(slow, |ewma, _| ewma.observe(&rules, at(0), ms(1)));
        assert_eq!(burst.usual_latency(), ms(900));
        let later = burst.observe(&rules, at(10_000), ms(1)).usual_latency();
        assert!(
            later > ms(330) && later < ms(333),
            "37 % of the peak: {later:?}"
        );
    }

    #[test]
    fn silence_makes_an_endpoint_worth_another_try() {
        let rules = EwmaRules::default();
        let slow = fresh().observe(&rules, at(0), ms(900));
        let fast = fresh()
            .observe(&rules, at(0), ms(1))
            .observe(&rules, at(100_000), ms(1));
        assert!(slow.cost(&rules, at(0), 0) > fast.cost(&rules, at(0), 0));
        assert!(slow.cost(&rules, at(100_000), 0) < fast.cost(&rules, at(100_000), 0));
    }

    #[test]
    fn load_makes_an_endpoint_dearer_even_after_a_long_silence() {
        let rules = EwmaRules::default();
        for now in [at(0), at(1_000), Tick::MAX] {
            assert!(fresh().cost(&rules, now, 1) > fresh().cost(&rules, now, 0));
        }
    }

    #[test]
    fn a_failing_endpoint_does_not_look_fast() {
        let rules = EwmaRules::default();
        let slow_and_good = fresh().observe(&rules, at(0), ms(200));
        let fast = fresh().observe(&rules, at(0), ms(1));
        let cost = |class| fast.penalise(&rules, at(0), class).cost(&rules, at(0), 0);
        let good = slow_and_good.cost(&rules, at(0), 0);
        for class in [Class::EndpointFault, Class::HalfFault, Class::Overload] {
            assert!(cost(class) > good, "{}", class.name());
        }
        for class in [Class::Success, Class::CallerFault, Class::Neutral] {
            assert!(cost(class) < good, "{}", class.name());
        }
    }

    #[test]
    fn a_penalty_fades_and_is_no_latency() {
        let rules = EwmaRules::default();
        let ewma = fresh().observe(&rules, at(0), ms(100));
        let failed = ewma.penalise(&rules, at(0), Class::EndpointFault);
        assert_eq!(failed.usual_latency(), ewma.usual_latency());
        let minute = at(60_000);
        assert!(failed.cost(&rules, minute, 0) < 1.2 * ewma.cost(&rules, at(0), 0));
    }

    #[test]
    fn who_only_fails_gets_dearer_than_who_is_slow_and_loaded() {
        let rules = EwmaRules::default();
        let slow = fresh().observe(&rules, at(0), ms(300));
        let dead = (0..3).fold(fresh(), |ewma, _| {
            ewma.penalise(&rules, at(0), Class::EndpointFault)
        });
        assert!(dead.cost(&rules, at(0), 0) > slow.cost(&rules, at(0), 8));
        let forever = (0..100).fold(dead, |ewma, _| {
            ewma.penalise(&rules, at(0), Class::EndpointFault)
        });
        let healthy = fresh().observe(&rules, at(12_000), ms(2));
        assert!(
            forever.cost(&rules, at(12_000), 0) < healthy.cost(&rules, at(12_000), 8),
            "tried again"
        );
    }

    proptest! {
        #[test]
        fn a_cost_is_a_number_above_zero(
            decay in prop_oneof![Just(Duration::ZERO), Just(Duration::MAX), (1u64..1 << 40).prop_map(Duration::from_nanos)],
            events in proptest::collection::vec((any::<u64>(), any::<u64>(), any::<bool>()), 0..20),
            in_flight: u32,
        ) {
            let rules = EwmaRules { decay, penalty_decay: decay, initial: Duration::MAX, ..EwmaRules::default() };
            let mut ewma = PeakEwma::new(&rules, Tick::MAX);
            // Times in any order: a stale sample must not break the estimate either.
            for (now, latency, failed) in events {
                let now = Tick::from_nanos(now);
                ewma = ewma.observe(&rules, now, Duration::from_nanos(latency));
                if failed {
                    ewma = ewma.penalise(&rules, now, Class::EndpointFault);
                }
                let cost = ewma.cost(&rules, now, in_flight);
                prop_assert!(cost.is_finite() && cost > 0.0, "{}", cost);
            }
        }
    }
}
