//! The retry of a call: asks the policy, pays the budget, waits, tries elsewhere.
//!
//! Decides nothing itself: the verdict is `policy::decide_retry`'s, the price the budget's.

use std::rc::Rc;
use std::time::Duration;

use outrider_policy::{
    AttemptEnd, CallFacts, Class, Code, Policy, PolicyVerdict, Processed, Reason, Rule, Verdict,
    deadline, decide_retry,
};

use super::wait::Waited;
use super::{Call, Phase, Response};
use crate::cluster::ClusterState;
use crate::engine::Engine;
use crate::ids::{CallId, Side};
use crate::panic::failpoint::Failpoint;
use crate::refusal::Refusal;
use crate::timers::Timer;

/// Another attempt, decided on and paid for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retry {
    after: Duration,
    free: bool,
}

impl Engine {
    /// An attempt ended without success. `true`: the call will be tried again, after a while or when
    /// an endpoint can be reached.
    pub(crate) fn retry(&mut self, id: CallId, end: &AttemptEnd) -> bool {
        self.failpoints.hit(Failpoint::Call);
        // Who waits for an endpoint tries for nothing, when its turn comes.
        let is_patient = is_unreached(end) && self.has_waited_until_ready(id);
        let again = match is_patient {
            true => None,
            false => self.decide_retry(id, end),
        };
        if let Some(call) = self.calls.at_mut(id) {
            call.maybe_processed += u32::from(end.processed != Processed::No);
        }
        match again {
            Some(again) => {
                self.back_off(id, again);
                true
            }
            None => is_unreached(end) && self.wait_out_endpoints(id),
        }
    }

    /// Whether another attempt follows one that ends so; it is paid for already.
    pub(super) fn decide_retry(&mut self, id: CallId, end: &AttemptEnd) -> Option<Retry> {
        let random = self.random.next_u64();
        let call = self.calls.at(id)?;
        let policy = &call.route.as_ref()?.route.policy.retry;
        let stopped = match decide_retry(policy, &facts(call, self.now), end, random) {
            Verdict::Retry { after, free } if free || self.spend_budget(id) => {
                return Some(Retry { after, free });
            }
            Verdict::Retry { .. } => Some((Policy::RetryBudget, Rule::Fixed("spent"))),
            Verdict::Stop(reason) => reason.rule().map(|rule| (Policy::Retry, rule)),
        };
        if let (Some((policy, rule)), Some(call)) = (stopped, self.calls.at_mut(id)) {
            call.note(policy, PolicyVerdict::Limited, rule);
        }
        None
    }

    fn has_waited_until_ready(&self, id: CallId) -> bool {
        let call = self.calls.at(id);
        call.is_some_and(|call| call.ready_until().is_some())
    }

    /// No further try, but no application has seen the request, and an endpoint may be reached
    /// later. `true`: the call waits for that.
    fn wait_out_endpoints(&mut self, id: CallId) -> bool {
        let Some(call) = self.calls.at(id) else {
            return false;
        };
        if call.side == Side::Inbound || call.is_committed() {
            return false;
        }
        let words = match call.last_endpoint {
            Some(endpoint) => format!("the last tried was {endpoint}"),
            None => String::new(),
        };
        let stands = self.wait_until_ready(id, &words);
        if stands && let Some(call) = self.calls.at_mut(id) {
            call.response = Response::default();
            call.first_byte = None;
        }
        stands
    }

    fn spend_budget(&mut self, id: CallId) -> bool {
        let cluster = self.calls.at(id).and_then(|call| call.cluster.clone());
        let paid = cluster.is_some_and(|cluster| {
            let cluster = cluster.newest();
            cluster
                .config
                .shared
                .budget
                .spend(&cluster.config.policy.budget, self.now)
        });
        self.counters.budget_denied += u64::from(!paid);
        paid
    }

    /// Waits for the next attempt.
    pub(super) fn back_off(&mut self, id: CallId, Retry { after, free }: Retry) {
        let timer = self.timers.arm(self.now + after, Timer::BackOff(id));
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        call.retries += 1;
        call.free_replay_used |= free;
        let failed = call.last_endpoint;
        call.history_mut().tried.extend(failed);
        call.response = Response::default();
        call.first_byte = None;
        call.phase = Phase::BackingOff(timer);
    }

    /// The wait is over.
    pub(crate) fn attempt_again(&mut self, id: CallId) {
        if let Some(call) = self.calls.at_mut(id) {
            call.phase = Phase::Admitted;
        }
        if self.renew_cluster(id).is_some() {
            self.attempt(id);
        }
    }

    /// It is the turn of a call that stands in line.
    pub(super) fn attempt_in_turn(&mut self, id: CallId) {
        if let Some(cluster) = self.renew_cluster(id) {
            self.attempt_now(id, &cluster);
        }
    }

    /// The configuration may have changed while the call waited: the newest endpoints count. `None`:
    /// its cluster is gone, and so is the call.
    pub(crate) fn renew_cluster(&mut self, id: CallId) -> Option<Rc<ClusterState>> {
        let cluster = self.calls.at(id)?.cluster.clone()?;
        // The local application is in no configuration.
        if cluster.is_app {
            return Some(cluster);
        }
        let newest = self.configuration.cluster_state(&cluster.name);
        match &newest {
            Some(newest) => {
                self.move_load(id, &cluster, newest);
                if let Some(call) = self.calls.at_mut(id) {
                    call.cluster = Some(Rc::clone(newest));
                }
            }
            None => {
                let sentence = format!("{} has left the configuration", cluster.name);
                self.end_refused(id, Refusal::early(Reason::NoEndpoint, sentence));
            }
        }
        newest
    }

    /// A cluster that was away and is back counts its calls from zero, and has other lines.
    fn move_load(&mut self, id: CallId, from: &ClusterState, to: &ClusterState) {
        if Rc::ptr_eq(&from.load, &to.load) {
            return;
        }
        self.end_wait(id, Waited::Answered);
        if !self.calls.at(id).is_some_and(Call::is_admitted) {
            return;
        }
        let (left, joined) = (&from.load.calls, &to.load.calls);
        self.less_one(left);
        joined.set(joined.get() + 1);
    }

    /// The connection that a call waited for, or got, is not for it: the call goes to another, or
    /// stands in line. Nothing was tried, so nothing is counted, charged or blamed.
    pub(crate) fn attempt_elsewhere(&mut self, id: CallId) {
        self.end_attempt(id, Code::Unavailable, Class::Neutral);
        if let Some(call) = self.calls.at_mut(id) {
            debug_assert!(call.attempts > 0, "an attempt that was not counted");
            call.attempts = call.attempts.saturating_sub(1);
        }
        self.attempt_again(id);
    }
}

/// Was no endpoint reached? Who refuses a stream is there.
fn is_unreached(end: &AttemptEnd) -> bool {
    end.code == Code::Unavailable && end.processed == Processed::No && !end.refused
}

fn facts(call: &Call, now: outrider_policy::Tick) -> CallFacts {
    let counted = call.attempts - u32::from(call.free_replay_used);
    CallFacts {
        idempotent: call.is_idempotent(),
        attempts: u8::try_from(counted).unwrap_or(u8::MAX),
        replayable: call.body.kept,
        committed: call.response.head_passed,
        remaining: call
            .deadline
            .map(|deadline| deadline::remaining(deadline, now)),
        may_retry: call.side == Side::Outbound,
        free_replay_used: call.free_replay_used,
    }
}
