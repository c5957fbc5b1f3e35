//! Waiting: a phase of a call that has no stream, and what ends it.
//!
//! There is one rule for every wait, whatever is missing: it is within the call's deadline, no more
//! calls of a cluster wait than `limits.waiting` says, and they go on in the order in which they
//! came. What a call holds meanwhile is bounded as ever: its body's window is not given back, and
//! near the memory limit calls that hold much are given up (`load_shedding.rs`). Calls for a service that
//! is not known yet wait in `discover.rs`, calls for a connection that is being made in the
//! connection (`pool.rs`), all others in their cluster's lines (`lines.rs`).

use std::rc::Rc;

use outrider_policy::Tick;

use super::Phase;
use super::grammar::shown;
use crate::cluster::ClusterState;
use crate::cluster::lines::{Line, Ticket};
use crate::engine::Engine;
use crate::ids::CallId;
use crate::record::WAITED_FOR;
use crate::refusal::{Reason, Refusal};
use crate::timers::{Timer, TimerKey};

/// A call's wait.
pub(crate) struct Wait {
    pub(super) missing: Missing,
    since: Tick,
    /// What ends it besides the deadline; `None` if nothing does, or once it has fired.
    timer: Option<TimerKey>,
}

/// What a call waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// A service, under the name it was asked for.
    Service(String),
    /// A first endpoint of the call's cluster.
    Endpoint,
    /// A stream: every endpoint has as many as it allows.
    Stream,
    /// An endpoint that can be reached; with what was said of the last that could not.
    Ready(String),
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// What was missing is there, or there is none.
    Answered,
    /// The call ended before.
    InVain,
}

/// What calls wait for, in the order of [`WAITED_FOR`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitKind {
    Service,
    Endpoint,
    Connection,
    Stream,
    Ready,
}

impl Engine {
    /// May one more call wait for this cluster?
    pub(super) fn may_wait(&self, cluster: &ClusterState) -> Result<(), Refusal> {
        let limit = cluster.config.policy.limits.waiting;
        if cluster.load.waiting.get() < limit {
            return Ok(());
        }
        let sentence = format!("{limit} calls wait for {} already", cluster.name);
        Err(Refusal::early(Reason::Overloaded, sentence))
    }

    /// No endpoint has room, or there is none at all: the call stands in line, where it stood before
    /// if it did.
    pub(crate) fn wait_for_room(&mut self, id: CallId) {
        let Some(cluster) = self.cluster_of(id) else {
            return;
        };
        let missing = match cluster.endpoints.is_empty() {
            true => Missing::Endpoint,
            false => Missing::Stream,
        };
        self.join_line(id, &cluster, missing);
    }

    /// No endpoint could be reached. `true`: the call may wait until one can be.
    pub(super) fn wait_until_ready(&mut self, id: CallId, words: &str) -> bool {
        let Some(cluster) = self.cluster_of(id) else {
            return false;
        };
        let now = self.now;
        let Some(call) = self.calls.at_mut(id) else {
            return false;
        };
        let route = call.route.as_ref();
        let Some(patience) = route.and_then(|route| route.route.policy.wait_for_ready) else {
            return false;
        };
        let until = *call.history_mut().ready_until.get_or_insert(now + patience);
        if until <= now || self.may_wait(&cluster).is_err() {
            return false;
        }
        // What surely had no effect counts no more towards its attempts.
        let Some(call) = self.calls.at_mut(id) else {
            return false;
        };
        call.attempts = call.maybe_processed;
        let failed = call.last_endpoint;
        let tried = &mut call.history_mut().tried;
        tried.extend(failed);
        if tried.len() >= cluster.endpoints.len() {
            tried.clear();
        }
        self.join_line(id, &cluster, Missing::Ready(words.to_owned()));
        true
    }

    /// The configuration has changed: the call's cluster is another, or gone.
    pub(crate) fn rejoin_line(&mut self, id: CallId) {
        if self.renew_cluster(id).is_none() {
            return;
        }
        let call = self.calls.at(id);
        // It left the lines of a cluster that was away in between.
        if call.is_some_and(|call| matches!(call.phase, Phase::Admitted)) {
            self.attempt(id);
        }
    }

    fn join_line(&mut self, id: CallId, cluster: &Rc<ClusterState>, missing: Missing) {
        if self.waits_for(id, &missing) {
            return;
        }
        self.end_wait(id, Waited::Answered);
        if let Err(refusal) = self.may_wait(cluster) {
            return self.end_refused(id, refusal);
        }
        let ticket = self.ticket(id);
        cluster.load.waiting.set(cluster.load.waiting.get() + 1);
        if let Some(line) = missing.line(cluster) {
            line.join(ticket, id);
        }
        self.open_lines(&cluster.load);
        self.begin_wait(id, missing);
    }

    fn waits_for(&self, id: CallId, missing: &Missing) -> bool {
        let call = self.calls.at(id);
        call.is_some_and(
            |call| matches!(&call.phase, Phase::Waiting(wait) if wait.missing == *missing),
        )
    }

    /// Its place in every line, kept from its first wait on.
    pub(crate) fn ticket(&mut self, id: CallId) -> Ticket {
        let Some(call) = self.calls.at_mut(id) else {
            return self.lines.draw();
        };
        *call.ticket.get_or_insert_with(|| self.lines.draw())
    }

    pub(super) fn begin_wait(&mut self, id: CallId, missing: Missing) {
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        let unknown = self.now + self.settings.discovery_wait;
        let until = match &missing {
            Missing::Service(_) => Some(call.discovery_until(unknown)),
            Missing::Endpoint => {
                let first = call.discovery_until(unknown);
                Some(call.ready_until().map_or(first, |ready| first.max(ready)))
            }
            Missing::Stream => None,
            Missing::Ready(_) => call.ready_until(),
        };
        self.waiting[missing.kind() as usize] += 1;
        let timer = until.map(|until| self.timers.arm(until, Timer::WaitTimeout(id)));
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
        let Some(cluster) = cluster else { return };
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

    /// What was missing did not come in time.
    pub(crate) fn wait_timed_out(&mut self, id: CallId) {
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        let Phase::Waiting(wait) = &mut call.phase else {
            return;
        };
        wait.timer = None;
        let passed = self.now.since(wait.since);
        let words = wait.words(call.cluster.as_deref());
        let sentence = format!("{passed:?} passed while {words}");
        let refusal = Refusal::early(wait.missing.reason(), sentence);
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
        let Some(call) = call.filter(|call| matches!(call.phase, Phase::Waiting(_))) else {
            return;
        };
        if call.route.is_some() {
            return self.attempt_in_turn(id);
        }
        self.end_wait(id, Waited::Answered);
        if let Some(call) = self.remove_call(id) {
            self.readmit(call);
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

    fn cluster_of(&self, id: CallId) -> Option<Rc<ClusterState>> {
        self.calls.at(id)?.cluster.clone()
    }
}

impl Wait {
    pub(super) fn timer(&self) -> Option<TimerKey> {
        self.timer
    }

    pub(super) fn kind(&self) -> WaitKind {
        self.missing.kind()
    }

    /// What the call was waiting for, after "while".
    pub(super) fn words(&self, cluster: Option<&ClusterState>) -> String {
        let unresolved = cluster.and_then(|cluster| cluster.config.unresolved.as_deref());
        let cluster = cluster.map_or("", |cluster| &cluster.name);
        match &self.missing {
            Missing::Service(name) => {
                let name = shown(name.as_bytes());
                format!("nobody said whether there is a service {name}")
            }
            Missing::Endpoint => match unresolved {
                Some(sentence) => format!("{cluster} had no address: {sentence}"),
                None => format!("{cluster} had no endpoint"),
            },
            Missing::Stream => {
                format!("every endpoint of {cluster} had as many streams as it allows")
            }
            Missing::Ready(words) => format!("no endpoint of {cluster} could be reached: {words}"),
        }
    }
}

impl Missing {
    fn kind(&self) -> WaitKind {
        match self {
            Missing::Service(_) => WaitKind::Service,
            Missing::Endpoint => WaitKind::Endpoint,
            Missing::Stream => WaitKind::Stream,
            Missing::Ready(_) => WaitKind::Ready,
        }
    }

    /// What the answer says when it did not come. A wait for a stream ends by the deadline only.
    fn reason(&self) -> Reason {
        match self {
            Missing::Service(_) => Reason::NotDiscovered,
            Missing::Endpoint => Reason::NoEndpoint,
            Missing::Stream => Reason::Overloaded,
            Missing::Ready(_) => Reason::UpstreamFailed,
        }
    }

    fn line<'a>(&self, cluster: &'a ClusterState) -> Option<&'a Line> {
        match self {
            Missing::Service(_) => None,
            Missing::Endpoint | Missing::Stream => Some(&cluster.load.lines.room),
            Missing::Ready(_) => Some(&cluster.load.lines.ready),
        }
    }
}

impl WaitKind {
    pub(crate) const COUNT: usize = WAITED_FOR.len();
}
