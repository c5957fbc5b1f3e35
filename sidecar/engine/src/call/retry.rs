//! The retry of a call: asks the policy, pays the budget, waits, tries elsewhere.
//!
//! Decides nothing itself: the verdict is `policy::decide_retry`'s, the price the budget's.

use std::sync::Arc;
use std::time::Duration;

use outrider_policy::{
    AttemptEnd, CallFacts, Class, Code, Processed, Verdict, deadline, decide_retry,
};

use super::{Call, CallId, Phase, Response};
use crate::contract::Side;
use crate::engine::Engine;
use crate::fuse::At;
use crate::refusal::{Reason, Refusal};
use crate::timers::Timer;

/// Another attempt, decided on and paid for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again {
    after: Duration,
    free: bool,
}

impl Engine {
    /// An attempt ended without success. `true`: the call will be tried again.
    pub(crate) fn retry(&mut self, id: CallId, end: &AttemptEnd) -> bool {
        self.fuse.burn(At::Call);
        let again = self.another(id, end);
        if let Some(call) = self.calls.get_mut(id.0 as usize) {
            call.maybe_processed |= end.processed != Processed::No;
        }
        again.is_some_and(|again| {
            self.back_off(id, again);
            true
        })
    }

    /// Whether another attempt follows one that ends so; it is paid for already.
    pub(super) fn another(&mut self, id: CallId, end: &AttemptEnd) -> Option<Again> {
        let random = self.random.next_u64();
        let call = self.calls.get(id.0 as usize)?;
        let policy = &call.route.as_ref()?.route.policy.retry;
        match decide_retry(policy, &facts(call, self.now), end, random) {
            Verdict::Stop(_) => None,
            Verdict::Retry { after, free } => {
                (free || self.pay(id)).then_some(Again { after, free })
            }
        }
    }

    fn pay(&mut self, id: CallId) -> bool {
        let cluster = self
            .calls
            .get(id.0 as usize)
            .and_then(|call| call.cluster.clone());
        let paid = cluster.is_some_and(|cluster| {
            let cluster = cluster.newest();
            cluster
                .config
                .budget_state
                .spend(&cluster.config.policy.budget, self.now)
        });
        self.counters.budget_denied += u64::from(!paid);
        paid
    }

    /// Waits for the next attempt.
    pub(super) fn back_off(&mut self, id: CallId, Again { after, free }: Again) {
        let timer = self.timers.arm(self.now + after, Timer::BackOff(id));
        let Some(call) = self.calls.get_mut(id.0 as usize) else {
            return;
        };
        call.retries += 1;
        call.free_replay_used |= free;
        call.tried.extend(call.last_endpoint);
        call.response = Response::default();
        call.first_byte = None;
        call.phase = Phase::BackingOff(timer);
    }

    /// The wait is over. The configuration may have changed meanwhile: the newest endpoints count.
    pub(crate) fn try_again(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id.0 as usize) else {
            return;
        };
        call.phase = Phase::Admitted;
        // The own application is in no configuration.
        let known = call.cluster.as_ref().filter(|cluster| !cluster.is_app);
        if let Some(name) = known.map(|cluster| Arc::clone(&cluster.name)) {
            let Some(newest) = self.cluster_state(&name) else {
                let sentence = format!("{name} has left the configuration");
                return self.end_refused(id, Refusal::early(Reason::NoEndpoint, sentence));
            };
            self.calls[id.0 as usize].cluster = Some(newest);
        }
        self.attempt(id);
    }

    /// The endpoint whose connection a call waited for has left the configuration: the call goes
    /// to another at once. Nothing was tried, so nothing is counted, charged or blamed.
    pub(crate) fn place_anew(&mut self, id: CallId) {
        self.end_attempt(id, Code::Unavailable, Class::Neutral);
        if let Some(call) = self.calls.get_mut(id.0 as usize) {
            call.attempts = call.attempts.saturating_sub(1);
        }
        self.try_again(id);
    }
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
