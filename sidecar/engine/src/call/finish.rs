//! The end of a call: its attempt is accounted for, its resources come back, its record is made.
//!
//! Every way out of a call passes through [`Engine::end_call`] and [`Engine::record`], each once.

use outrider_http2::ErrorCode;
use outrider_policy::{Class, Code, Reason, Tick};

use super::wait::Waited;
use super::{Attempt, Call, Phase};
use crate::contract::Action;
use crate::engine::Engine;
use crate::ids::CallId;
use crate::panic::failpoint::Failpoint;
use crate::record::{AttemptRecord, CallRecord, Outcome};
use crate::refusal::Refusal;

/// Peer-made text kept in a record. Octets.
const RECORDED_TEXT_MAX: usize = 256;

/// Attempts kept in a record. Documents allow five and a free replay; foreign configuration more.
const ATTEMPTS_RECORDED_MAX: usize = 8;

impl Engine {
    /// The application's answer was passed on in full.
    pub(crate) fn finish(&mut self, id: CallId, code: Code, class: Class) {
        if let Some(call) = self.end_call(id) {
            self.note_early_answer(&call);
            self.record(call, Outcome::Answered, code, class, None);
        }
    }

    /// The caller reset its stream or closed its connection: upstream is reset at once.
    pub(crate) fn cancelled(&mut self, id: CallId) {
        self.cut_off(id);
        self.end_attempt(id, Code::Cancelled, Class::Neutral);
        if let Some(call) = self.end_call(id) {
            self.record(
                call,
                Outcome::Cancelled,
                Code::Cancelled,
                Class::Neutral,
                None,
            );
        }
    }

    /// The deadline: the caller gets DEADLINE_EXCEEDED from us, upstream a RST_STREAM.
    pub(crate) fn deadline_passed(&mut self, id: CallId) {
        let class = self.judge_timeout(id);
        self.end_late(id, class);
    }

    /// The endpoint has ended the call at its deadline, a moment before us: it is there, and has done
    /// what it was asked for.
    pub(crate) fn deadline_kept(&mut self, id: CallId) {
        self.cut_off(id);
        self.end_late(id, Class::Neutral);
    }

    fn end_late(&mut self, id: CallId, class: Class) {
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        let sentence = late_sentence(call);
        let unprocessed = call.sent == 0;
        self.end_attempt(id, Code::DeadlineExceeded, class);
        let refusal = Refusal::late(Reason::DeadlineExceeded, sentence);
        self.end_refused(
            id,
            Refusal {
                unprocessed,
                class,
                ..refusal
            },
        );
    }

    /// The running attempt is over, if there is one: its stream, its timer, its endpoint's health.
    pub(crate) fn end_attempt(&mut self, id: CallId, code: Code, class: Class) {
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        if let Phase::Waiting(_) = call.phase {
            return self.end_wait(id, Waited::InVain);
        }
        let attempt = match std::mem::replace(&mut call.phase, Phase::Admitted) {
            Phase::Trying(attempt) => attempt,
            Phase::BackingOff(timer) => return self.timers.cancel(timer),
            Phase::Admitted | Phase::Waiting(_) => return,
        };
        self.failpoints.hit(Failpoint::Call);
        note_attempt(call, &attempt, self.now, code);
        let cluster = call.cluster.clone();
        if let Some(timer) = attempt.per_try_timer {
            self.timers.cancel(timer);
        }
        match attempt.stream {
            Some(stream) => self.release_upstream(attempt.connection, stream),
            None => self.leave_queue(id, attempt.connection),
        }
        self.less_one(&attempt.endpoint.in_flight);
        if let Some(cluster) = cluster {
            self.judge_endpoint(&cluster, &attempt.endpoint, attempt.admission, class);
        }
    }

    /// The call has no more business on its upstream stream; a stream still open is cancelled.
    fn release_upstream(
        &mut self,
        connection: crate::ids::ConnectionId,
        stream: outrider_http2::StreamId,
    ) {
        let is_there = self.connection(connection).is_some();
        self.assert_sound(is_there, "an attempt on a connection that is gone");
        let Some(target) = self.connection_mut(connection) else {
            return;
        };
        target.streams.remove(&stream);
        target.http2.reset(stream, ErrorCode::Cancel);
        self.mark_dirty(connection);
        self.room_behind(connection);
        self.close_if_idle(connection);
    }

    /// A call ends: everything it held comes back.
    pub(crate) fn end_call(&mut self, id: CallId) -> Option<Box<Call>> {
        self.failpoints.hit(Failpoint::Call);
        let call = self.remove_call(id)?;
        if let Some(cluster) = call.cluster.as_ref().filter(|_| call.is_admitted()) {
            self.less_one(&cluster.load.calls);
        }
        Some(call)
    }

    /// Takes a call off the worker; what [`Engine::insert_call`] gave it comes back.
    pub(crate) fn remove_call(&mut self, id: CallId) -> Option<Box<Call>> {
        let call = self.calls.at_mut(id)?;
        if let Some(timer) = call.deadline_timer.take() {
            self.timers.cancel(timer);
        }
        let (downstream, stream, kept) = (call.downstream, call.stream, call.body.bytes.len());
        self.release_replay_bytes(kept);
        if let Some(connection) = self.connection_mut(downstream) {
            connection.streams.remove(&stream);
        }
        // Last, so that a panic before this leaves a call to be ended.
        self.calls.remove(id)
    }

    /// Makes the one record of a call that has left.
    pub(crate) fn record(
        &mut self,
        mut call: Box<Call>,
        outcome: Outcome,
        code: Code,
        class: Class,
        detail: Option<String>,
    ) {
        let downstream = call.downstream;
        let history = call.history.take();
        let (attempt_records, trail) = history.map_or_else(Default::default, |history| {
            (history.attempt_records, history.trail)
        });
        let record = CallRecord {
            side: call.side,
            caller: call.caller_address,
            started: call.started,
            ended: self.now,
            deadline: call.deadline,
            authority: text(&call, b":authority"),
            path: text(&call, b":path"),
            route: call
                .route
                .as_ref()
                .map(|route| std::sync::Arc::clone(&route.name)),
            cluster: call
                .cluster
                .as_ref()
                .map(|cluster| std::sync::Arc::clone(&cluster.name)),
            idempotent: call.is_idempotent(),
            endpoint: call.last_endpoint,
            peer: call.caller.clone().or_else(|| call.last_peer.clone()),
            is_grpc: call.is_grpc,
            code,
            http_status: call.response.http_status,
            class,
            outcome,
            attempts: call.sent,
            retries: call.retries,
            request_bytes: call.body.received,
            response_bytes: call.response.bytes,
            first_byte: call.first_byte,
            waited: call.waited,
            trace: call.trace,
            parent_span: call.parent_span,
            request_id: match call.made_request_id {
                Some(made) => String::from_utf8_lossy(&made).into_owned(),
                None => text(&call, b"x-request-id"),
            },
            detail,
            attempt_records,
            trail,
        };
        self.actions.push_back(Action::Record(Box::new(record)));
        self.connection_drained(downstream);
        self.advance_drain();
    }
}

/// What a call was doing when its deadline passed.
fn late_sentence(call: &Call) -> String {
    let given = call
        .deadline
        .map(|deadline| deadline.since(call.started))
        .unwrap_or_default();
    let cluster = call
        .cluster
        .as_ref()
        .map_or("upstream", |cluster| &cluster.name);
    match &call.phase {
        Phase::Waiting(wait) => {
            let waited_for = wait.words(call.cluster.as_deref());
            format!("the deadline of {given:?} passed while {waited_for}")
        }
        Phase::Trying(attempt) if attempt.stream.is_none() => {
            let endpoint = attempt.endpoint.address;
            format!("the deadline of {given:?} passed before there was a connection to {endpoint}")
        }
        Phase::Admitted | Phase::BackingOff(_) | Phase::Trying(_) => {
            format!("{cluster} did not answer within the deadline of {given:?}")
        }
    }
}

fn note_attempt(call: &mut Call, attempt: &Attempt, now: Tick, code: Code) {
    if !call.records_attempts() {
        return;
    }
    let records = &mut call.history_mut().attempt_records;
    if records.len() >= ATTEMPTS_RECORDED_MAX {
        return;
    }
    records.push(AttemptRecord {
        span_id: attempt.trace.span_id(),
        endpoint: attempt.endpoint.address,
        started: attempt.picked,
        ended: now,
        code,
        sent: attempt.stream.is_some(),
    });
}

fn text(call: &Call, name: &[u8]) -> String {
    let value = call.request.find(name).unwrap_or_default();
    let value = &value[..value.len().min(RECORDED_TEXT_MAX)];
    // Nearly always ASCII, which the check passes in words of eight octets.
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(value).into_owned(),
    }
}
