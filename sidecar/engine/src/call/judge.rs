//! What an attempt says of its endpoint: a latency sample, a failure, the breaker's and ejection's
//! next step. The rules are `policy`'s; here they are fed.

use std::rc::Rc;

use outrider_policy::{Admission, Class, Code, Estimate, HealthChange, Origin, classify_grpc};

use super::Call;
use crate::cluster::{ClusterState, EndpointState};
use crate::engine::Engine;
use crate::ids::CallId;

impl Engine {
    /// Response headers are the sample: a body's length says nothing of the endpoint.
    pub(crate) fn observe_latency(&mut self, id: CallId) {
        let now = self.now;
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        let cluster = call.cluster.clone();
        debug_assert!(call.attempt_mut().is_some(), "an answer to no attempt");
        let Some(attempt) = call.attempt_mut() else {
            return;
        };
        let latency = now.since(attempt.started);
        if let Some(cluster) = cluster {
            let baseline = cluster.load.baseline.get();
            let known = attempt.endpoint.estimate.get();
            let estimate = &attempt.endpoint.estimate;
            estimate.set(known.observe(&baseline, latency));
            let baseline = baseline.observe(latency, known.excess());
            cluster.load.baseline.set(baseline);
        }
        call.first_byte = Some(latency);
    }

    /// The attempt is cut off before its headers, connecting or not: it would have taken at least
    /// this long. That may raise the endpoint's estimate, never lower it, or impatient callers
    /// would make a slow endpoint look fast. `true`: it had more than its usual time.
    pub(crate) fn cut_off(&mut self, id: CallId) -> bool {
        let now = self.now;
        let Some(call) = self.calls.at_mut(id) else {
            return false;
        };
        let answered = call.first_byte.is_some();
        let Some(cluster) = call.cluster.clone() else {
            return false;
        };
        // A call that waits has no attempt.
        let Some(attempt) = call.attempt_mut() else {
            return false;
        };
        let (known, baseline) = (&attempt.endpoint.estimate, cluster.load.baseline.get());
        let elapsed = now.since(attempt.started);
        let is_overlong = baseline.is_overlong(elapsed);
        if is_overlong && !answered {
            known.set(known.get().observe(&baseline, elapsed));
        }
        is_overlong
    }

    /// Our own time limit ends an attempt. A stream whose headers came and that lives until its
    /// deadline, as a watch does, says nothing against its endpoint.
    pub(crate) fn judge_timeout(&mut self, id: CallId) -> Class {
        let had_usual_latency = self.cut_off(id);
        let call = self.calls.at(id);
        if call.is_some_and(|call| call.first_byte.is_some() && !is_unary(call)) {
            return Class::Neutral;
        }
        classify_grpc(
            Code::DeadlineExceeded,
            Origin::OurDeadline { had_usual_latency },
        )
    }

    /// An attempt at `endpoint` ended as `class` says.
    pub(crate) fn judge_endpoint(
        &mut self,
        cluster: &Rc<ClusterState>,
        endpoint: &Rc<EndpointState>,
        admission: Admission,
        class: Class,
    ) {
        let cluster = cluster.newest();
        let mut turn = cluster.load.turn.get();
        turn.ended(class);
        cluster.load.turn.set(turn);
        let estimate = endpoint.estimate.get().ended(&turn, self.now, class);
        let random = self.random.next_u64();
        let observation = cluster.observation(endpoint, admission, class, self.now, random);
        let rules = &cluster.config.policy.health;
        let (health, change) = endpoint.health.get().record(rules, self.now, observation);
        endpoint.health.set(health);
        // Back from an outage it is new: tried gently.
        let is_back = change == Some(HealthChange::Recovered);
        let estimate = if is_back {
            Estimate::default()
        } else {
            estimate
        };
        endpoint.estimate.set(estimate);
        match change {
            Some(HealthChange::Opened { .. } | HealthChange::Ejected { .. }) => {
                self.counters.ejections += 1;
            }
            Some(HealthChange::Recovered) => self.counters.recoveries += 1,
            None => {}
        }
    }
}

fn is_unary(call: &Call) -> bool {
    call.route
        .as_ref()
        .is_some_and(|route| route.route.policy.unary)
}
