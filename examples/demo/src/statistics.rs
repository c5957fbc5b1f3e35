//! What the customers saw, scene by scene.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use tonic::Code;

use crate::load::{CallKind, CallOutcome};
use crate::scenes::Scene;

/// Statistics of the calls sent in each scene.
#[derive(Debug, Default)]
pub struct StatisticsByScene {
    scenes: BTreeMap<Scene, CallStatistics>,
}

/// What the customers saw.
#[derive(Clone, Debug, Default)]
pub struct CallStatistics {
    /// Calls that have ended.
    pub calls: u64,
    /// Of these, those that ended with OK.
    pub ok: u64,
    /// Calls of methods marked idempotent that did not end with OK.
    pub failed_idempotent: u64,
    /// Calls that ended with DEADLINE_EXCEEDED.
    pub deadline_exceeded: u64,
    /// How long after its deadline a call ended, at most.
    pub deadline_overrun_max: Duration,
    /// Unary calls that ended with OK.
    pub unary_ok: u64,
    /// Of these, those in which the new version of `inventory` took part.
    pub new_version: u64,
    /// How calls ended, by status.
    pub codes: BTreeMap<&'static str, StatusCount>,
    /// Latency of each `ShowOrder` that ended with OK.
    latencies: Vec<Duration>,
    /// Of these, of each that was sent a second or more after its scene began.
    settled: Vec<Duration>,
}

/// Calls that ended with one status.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StatusCount {
    /// How many.
    pub count: u64,
    /// What the first of them said.
    pub first: String,
}

impl StatisticsByScene {
    /// Records a call that has ended.
    pub fn record(&mut self, ended: &CallOutcome) {
        self.scenes.entry(ended.scene).or_default().record(ended);
    }

    /// What was seen in one scene.
    pub fn of(&self, scene: Scene) -> CallStatistics {
        self.scenes.get(&scene).cloned().unwrap_or_default()
    }

    /// What was seen in all of them.
    pub fn total(&self) -> CallStatistics {
        let mut total = CallStatistics::default();
        self.scenes
            .values()
            .for_each(|call_statistics| total.add(call_statistics));
        total
    }
}

impl CallStatistics {
    fn record(&mut self, ended: &CallOutcome) {
        let ok = ended.code == Code::Ok;
        let overrun = ended
            .latency
            .saturating_sub(ended.scene.deadline(ended.kind));
        self.calls += 1;
        self.ok += u64::from(ok);
        self.deadline_exceeded += u64::from(ended.code == Code::DeadlineExceeded);
        self.deadline_overrun_max = self.deadline_overrun_max.max(overrun);
        let ends = self
            .codes
            .entry(name(ended.code))
            .or_insert_with(|| StatusCount {
                count: 0,
                first: ended.message.clone(),
            });
        ends.count += 1;
        match ended.kind {
            CallKind::Show if ok => {
                self.latencies.push(ended.latency);
                self.settled.extend(ended.settled.then_some(ended.latency));
            }
            CallKind::Show => self.failed_idempotent += 1,
            CallKind::Checkout | CallKind::Track | CallKind::Basket => {}
        }
        if ok && matches!(ended.kind, CallKind::Show | CallKind::Checkout) {
            self.unary_ok += 1;
            self.new_version += u64::from(ended.new_version);
        }
    }

    fn add(&mut self, other: &CallStatistics) {
        self.calls += other.calls;
        self.ok += other.ok;
        self.failed_idempotent += other.failed_idempotent;
        self.deadline_exceeded += other.deadline_exceeded;
        self.deadline_overrun_max = self.deadline_overrun_max.max(other.deadline_overrun_max);
        self.unary_ok += other.unary_ok;
        self.new_version += other.new_version;
        for (code, ends) in &other.codes {
            let sum = self.codes.entry(code).or_insert_with(|| StatusCount {
                count: 0,
                first: ends.first.clone(),
            });
            sum.count += ends.count;
        }
        self.latencies.extend_from_slice(&other.latencies);
        self.settled.extend_from_slice(&other.settled);
    }

    /// Latency that `percent` of the successful `ShowOrder` calls did not exceed. Milliseconds; 0
    /// without calls.
    pub fn latency_ms(&self, percent: usize) -> f64 {
        quantile_ms(&self.latencies, percent)
    }

    /// The same without the first second of each scene.
    pub fn settled_latency_ms(&self, percent: usize) -> f64 {
        quantile_ms(&self.settled, percent)
    }

    /// Share of the unary calls in which the new version of `inventory` took part. Percent.
    pub fn new_version_percent(&self) -> f64 {
        percent(self.new_version, self.unary_ok)
    }
}

fn quantile_ms(latencies: &[Duration], percent: usize) -> f64 {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted
        .get(rank)
        .map_or(0.0, |latency| milliseconds(*latency))
}

/// `duration` in milliseconds, to a tenth.
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        (part as f64 * 1_000.0 / whole as f64).round() / 10.0
    }
}

/// The status as gRPC spells it.
fn name(code: Code) -> &'static str {
    outrider_policy::Code::from_u32(code as u32).name()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(kind: CallKind, code: Code, latency_ms: u64) -> CallOutcome {
        let latency = Duration::from_millis(latency_ms);
        CallOutcome {
            scene: Scene::ShortDeadline,
            kind,
            code,
            message: String::new(),
            latency,
            settled: latency_ms > 1,
            new_version: false,
        }
    }

    fn call_statistics(calls: &[CallOutcome]) -> CallStatistics {
        let mut statistics = StatisticsByScene::default();
        calls.iter().for_each(|ended| statistics.record(ended));
        statistics.total()
    }

    #[test]
    fn only_a_failed_call_of_an_idempotent_method_is_a_failed_idempotent() {
        let cases = [
            (CallKind::Show, Code::Unavailable, 1),
            (CallKind::Show, Code::Ok, 0),
            (CallKind::Checkout, Code::DeadlineExceeded, 0),
            (CallKind::Track, Code::Unavailable, 0),
            (CallKind::Basket, Code::Internal, 0),
        ];
        for (kind, code, expected) in cases {
            assert_eq!(
                call_statistics(&[ended(kind, code, 1)]).failed_idempotent,
                expected,
                "{kind:?} {code:?}"
            );
        }
    }

    #[test]
    fn the_overrun_is_counted_from_the_deadline_of_the_scene() {
        let seen = call_statistics(&[
            ended(CallKind::Checkout, Code::DeadlineExceeded, 203),
            ended(CallKind::Checkout, Code::DeadlineExceeded, 207),
            ended(CallKind::Show, Code::Ok, 900),
        ]);
        assert_eq!(seen.deadline_overrun_max, Duration::from_millis(7));
        assert_eq!(seen.deadline_exceeded, 2);
    }

    #[test]
    fn a_percentile_is_a_latency_that_was_seen() {
        let hundred: Vec<_> = (1..=100)
            .map(|ms| ended(CallKind::Show, Code::Ok, ms))
            .collect();
        let seen = call_statistics(&hundred);
        assert_eq!((seen.latency_ms(50), seen.latency_ms(99)), (50.0, 99.0));
        assert_eq!(seen.settled_latency_ms(1), 2.0);
        assert_eq!(call_statistics(&hundred[..1]).latency_ms(99), 1.0);
        assert_eq!(call_statistics(&hundred[..1]).settled_latency_ms(99), 0.0);
        assert_eq!(call_statistics(&[]).latency_ms(99), 0.0);
    }
}
