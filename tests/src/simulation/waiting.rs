//! How calls may wait, and what must hold while they do. Drawn apart from the rest, as `discovery.rs`.

use std::time::Duration;

use outrider_engine::{CallRecord, Gauges};

use super::plan::Plan;
use super::random::Random;
use super::world::World;

/// Sets its draws apart from the rest of the plan.
const APART: u64 = 0xa17_0000_0004_0000;

/// The plan with its rules of waiting.
pub(super) fn patient(mut plan: Plan, seed: u64) -> Plan {
    let mut random = Random::new(seed ^ APART);
    plan.rules.waiting = random.pick(&[10_000, 10_000, 10_000, 2]);
    let patience = [None, Some(1), Some(10)];
    plan.rules.wait_for_ready = random.pick(&patience).map(Duration::from_secs);
    plan
}

impl World {
    /// A service with calls in line for a stream, and with one that is free. Looked for only where
    /// no endpoint is ever out: one that returns is noticed at the next look.
    pub(super) fn left_behind<'g>(&self, gauges: &'g Gauges) -> Option<&'g str> {
        let rules = self.plan.rules;
        let is_steady = !rules.breaker && !rules.ejection;
        let of_app = gauges.app.iter();
        let of_mesh = gauges.clusters.iter().filter(|_| is_steady);
        let mut left = of_app.chain(of_mesh).filter(|cluster| {
            let has_room = cluster.endpoints.iter().any(|endpoint| endpoint.room > 0);
            cluster.in_line > 0 && has_room
        });
        left.next().map(|cluster| &*cluster.name)
    }

    /// Attempts that a call may make besides, while it waits for an endpoint: in each 100 ms its own try,
    /// and one when it goes on because another call's was answered.
    pub(super) fn tries_while_waiting(&self, record: &CallRecord) -> u32 {
        if self.patience().is_zero() {
            return 0;
        }
        let looks = 1 + record.waited.as_millis() / 100;
        u32::try_from(2 * looks).unwrap_or(u32::MAX)
    }

    /// How long the rules let a call wait for an endpoint.
    pub(super) fn patience(&self) -> Duration {
        self.plan.rules.wait_for_ready.unwrap_or_default()
    }
}
