//! Waiting: a phase of a call that has no stream, and what ends it.
//!
//! There is one rule for every wait, whatever is missing: it is within the call's deadline, no more
//! calls of a cluster wait than `limits.waiting` says, and they go on in the order in which they
//! came. What a call holds meanwhile is bounded as ever: its body's window is not given back, and
//! near the memory limit calls that hold much are given up (`load_shedding.rs`). A step of admission lets a
//! call wait in `at_step.rs`; calls for a connection that is being made wait in the connection
//! (`pool.rs`), all others in their cluster's lines (`line.rs`).

mod at_step;
mod line;
mod missing;

use std::rc::Rc;

use outrider_policy::{PolicyVerdict, Reason, Tick};

use super::Phase;
use crate::cluster::ClusterState;
use crate::cluster::lines::Ticket;
use crate::engine::Engine;
use crate::ids::CallId;
use crate::refusal::Refusal;
use crate::timers::{Timer, TimerKey};

pub(super) use missing::Missing;
pub(crate) use missing::WaitKind;

/// A call's wait.
pub(crate) struct Wait {
    pub(super) missing: Missing,
    since: Tick,
    /// What ends it besides the deadline; `None` if nothing does, or once it has fired.
    timer: Option<TimerKey>,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// What was missing is there, or there is none.
    Answered,
    /// The call ended before.
    InVain,
}

impl Engine {
    /// May one more call wait for this cluster?
    pub(super) fn may_wait(&self, cluster: &ClusterState) -> Result<(), Refusal> {
        let limit = cluster.config.policy.limits.waiting;
        if cluster.load.waiting.get() < limit {
            return Ok(());
        }
        let sentence = format!("{limit} calls wait for {} already", cluster.name);
        Err(Refusal::early(Reason::WaitingLimit, sentence))
    }

    /// Its place in every line, kept from its first wait on.
    pub(crate) fn ticket(&mut self, id: CallId) -> Ticket {
        let Some(call) = self.calls.at_mut(id) else {
            return self.lines.draw();
        };
        *call.ticket.get_or_insert_with(|| self.lines.draw())
    }

    pub(super) fn begin_wait(&mut self, id: CallId, missing: Missing) {
        if let Missing::Service(name) = &missing {
            self.note_wait_for_service(name);
        }
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        if let Some((policy, rule)) = missing.decided_by() {
            call.note(policy, PolicyVerdict::Waited, rule);
        }
        let unknown = self.now + self.settings.discovery_wait;
        let until = match &missing {
            Missing::Service(_) => Some(call.discovery_until(unknown)),
            Missing::Time { until, .. } => Some(*until),
            Missing::Endpoint => {
                let first = call.discovery_until(unknown);
                Some(call.ready_until().map_or(first, |ready| first.max(ready)))
            }
            Missing::Stream => None,
            Missing::Ready(_) => call.ready_until(),
        };
        self.waiting[missing.kind() as usize] += 1;
        if let (true, Some(cluster)) = (missing.is_limited(), &call.cluster) {
            cluster.load.waiting.set(cluster.load.waiting.get() + 1);
        }
        let timer = until.map(|until| self.timers.arm(until, Timer::WaitOver(id)));
        call.phase = Phase::Waiting(Wait {
            missing,
            since: self.now,
            timer,
        });
    }

    /// The call waits no longer, if it did; it is in no phase until its caller says what comes next.
    pub(super) fn end_wait(&mut self, id: CallId, waited: Waited) {
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        let wait = match std::mem::replace(&mut call.phase, Phase::Admitted) {
            Phase::Waiting(wait) => wait,
            other @ (Phase::Admitted | Phase::BackingOff(_) | Phase::Trying(_)) => {
                call.phase = other;
                return;
            }
        };
        let (ticket, cluster) = (call.ticket, call.cluster.clone());
        call.waited += self.now.since(wait.since);
        if let Some(timer) = wait.timer {
            self.timers.cancel(timer);
        }
        let kind = wait.missing.kind();
        self.waiting[kind as usize] = self.waiting[kind as usize].saturating_sub(1);
        self.count_waited(kind, waited);
        if let Missing::Service(name) = &wait.missing {
            return self.note_wait_for_service_over(name);
        }
        let Some(cluster) = cluster.filter(|_| wait.missing.is_limited()) else {
            return;
        };
        let waiting = &cluster.load.waiting;
        waiting.set(waiting.get().saturating_sub(1));
        if let (Some(ticket), Some(line)) = (ticket, wait.missing.line(&cluster)) {
            line.leave(ticket);
        }
        self.close_lines(&cluster.load);
    }

    pub(crate) fn count_waited(&mut self, kind: WaitKind, waited: Waited) {
        match waited {
            Waited::Answered => self.counters.waits_answered[kind as usize] += 1,
            Waited::InVain => self.counters.waits_given_up[kind as usize] += 1,
        }
    }

    /// The wait has had its time: what was missing did not come, or it was the time that was missing.
    pub(crate) fn wait_over(&mut self, id: CallId) {
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        let Phase::Waiting(wait) = &mut call.phase else {
            return;
        };
        wait.timer = None;
        let Some(reason) = wait.missing.reason() else {
            return self.resume(id);
        };
        let passed = self.now.since(wait.since);
        let words = wait.words(call.cluster.as_deref());
        let refusal = Refusal::early(reason, format!("{passed:?} passed while {words}"));
        let unprocessed = call.maybe_processed == 0;
        self.end_refused(
            id,
            Refusal {
                unprocessed,
                ..refusal
            },
        );
    }

    /// What this call waits for may be there.
    pub(crate) fn resume(&mut self, id: CallId) {
        let call = self.calls.at(id);
        let Some(Phase::Waiting(wait)) = call.map(|call| &call.phase) else {
            return;
        };
        match wait.missing {
            Missing::Service(_) => self.resume_step(id),
            Missing::Time { .. } => self.pass_step(id),
            Missing::Endpoint | Missing::Stream | Missing::Ready(_) => self.attempt_in_turn(id),
        }
    }

    /// A call that waits for a connection does so no longer.
    pub(crate) fn end_connection_wait(&mut self, id: CallId, waited: Waited) {
        let now = self.now;
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        if let Phase::Trying(attempt) = &call.phase {
            call.waited += now.since(attempt.picked);
        }
        if let Some(cluster) = &call.cluster {
            let waiting = &cluster.load.waiting;
            waiting.set(waiting.get().saturating_sub(1));
        }
        let waiting = &mut self.waiting[WaitKind::Connection as usize];
        *waiting = waiting.saturating_sub(1);
        self.count_waited(WaitKind::Connection, waited);
    }

    /// Lines and sums are made again from the calls, after a panic.
    pub(crate) fn count_waits(&mut self) {
        self.waiting = [0; WaitKind::COUNT];
        self.wanted.values_mut().for_each(|calls| *calls = 0);
        let mut in_line = Vec::new();
        for (id, call) in self.calls.iter() {
            let Some(kind) = call.phase.waits_for() else {
                continue;
            };
            self.waiting[kind as usize] += 1;
            let Phase::Waiting(wait) = &call.phase else {
                continue;
            };
            match (&wait.missing, &call.cluster, call.ticket) {
                (Missing::Service(name), _, _) => {
                    if let Some(calls) = self.wanted.get_mut(name) {
                        *calls += 1;
                    }
                }
                (missing, Some(cluster), Some(ticket)) => {
                    if let Some(line) = missing.line(cluster) {
                        line.join(ticket, id);
                        in_line.push(Rc::clone(&cluster.load));
                    }
                }
                (_, _, _) => {}
            }
        }
        for load in in_line {
            self.open_lines(&load);
            self.line_is_due(&load);
        }
    }
}

impl Wait {
    pub(super) fn timer(&self) -> Option<TimerKey> {
        self.timer
    }

    pub(super) fn kind(&self) -> WaitKind {
        self.missing.kind()
    }

    /// Does `limits.waiting` count it?
    pub(super) fn is_limited(&self) -> bool {
        self.missing.is_limited()
    }

    /// What the call was waiting for, after "while".
    pub(super) fn words(&self, cluster: Option<&ClusterState>) -> String {
        self.missing.words(cluster)
    }
}
