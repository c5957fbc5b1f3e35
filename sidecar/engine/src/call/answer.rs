//! Our own answer to a caller: said on its stream, whatever the call had reached.

use outrider_http2::{Ends, ErrorCode, StreamId};
use outrider_policy::{Class, PolicyVerdict};

use super::Call;
use super::steps::rate_limit;
use crate::engine::Engine;
use crate::ids::{CallId, ConnectionId, Scope, Side};
use crate::record::Outcome;
use crate::refusal::{Refusal, grpc_answer, grpc_trailers, plain_answer};

impl Engine {
    /// Refuses a call that was not admitted, or is over. Every refusal passes here.
    pub(crate) fn refuse(&mut self, mut call: Box<Call>, refusal: Refusal) {
        // Whatever becomes of the answer, the record is made.
        self.in_scope(Scope::UnkeptCall, |engine| {
            engine.answer(&mut call, &refusal);
        });
        self.note_early_answer(&call);
        let Refusal {
            reason,
            sentence,
            detail,
            class,
            rule,
            ..
        } = refusal;
        if let Some(policy) = reason.policy() {
            call.note(policy, PolicyVerdict::Refused, rule);
        }
        self.record(
            call,
            Outcome::Refused(reason),
            reason.code(),
            class,
            Some(detail.unwrap_or(sentence)),
        );
    }

    /// Ends a live call with an answer of ours.
    pub(crate) fn end_refused(&mut self, id: CallId, refusal: Refusal) {
        self.end_attempt(id, refusal.reason.code(), Class::Neutral);
        if let Some(call) = self.end_call(id) {
            let unprocessed = refusal.unprocessed && call.maybe_processed == 0;
            self.refuse(
                call,
                Refusal {
                    unprocessed,
                    ..refusal
                },
            );
        }
    }

    /// The caller has its whole answer; the rest of its request is not needed.
    pub(crate) fn note_early_answer(&mut self, call: &Call) {
        if call.body.ended {
            return;
        }
        self.reset_behind_answer(call.downstream, call.stream, ErrorCode::NoError);
    }

    /// The stream is reset once its answer is out. What was asked for first holds.
    pub(super) fn reset_behind_answer(
        &mut self,
        id: ConnectionId,
        stream: StreamId,
        code: ErrorCode,
    ) {
        self.mark_dirty(id);
        if let Some(connection) = self.connection_mut(id) {
            connection.answered_early.push((stream, code));
        }
    }

    fn answer(&mut self, call: &mut Call, refusal: &Refusal) {
        let hop = format!("{}/{}", self.settings.service, call.side.name());
        // Towards the local application the mark would mean nothing; it is for the caller's sidecar.
        let mark = call.side == Side::Inbound;
        let (stream, passed) = (call.stream, call.response.head_passed);
        let caller = self.connection(call.downstream);
        let is_verified = caller.is_some_and(|caller| caller.peer.is_some());
        let shown = call.take_rate_limits();
        let Some(http2) = self.http2(call.downstream) else {
            return;
        };
        http2.mark_local_reply(stream);
        if let (Side::Inbound, Some(code)) = (call.side, refusal.reset) {
            // The caller's sidecar makes a status of it, by the same rules as of any endpoint's reset.
            return http2.reset(stream, code);
        }
        match (call.is_grpc, passed) {
            (true, false) => {
                let head = grpc_answer(refusal, &hop, mark);
                http2.head(stream, head.iter().chain(rate_limit::field(&shown)), true);
            }
            (true, true) => {
                let trailers = grpc_trailers(refusal, &hop, mark);
                match refusal.reason.is_urgent() {
                    true => http2.cut_short(stream, trailers.iter()),
                    false => http2.trailers(stream, trailers.iter()),
                }
            }
            (false, false) => {
                let (head, body) = plain_answer(refusal, &hop, mark);
                let bodyless = call.request.find(b":method") == Some(b"HEAD");
                http2.head(
                    stream,
                    head.iter().chain(rate_limit::field(&shown)),
                    bodyless,
                );
                if !bodyless {
                    http2.data(stream, body.as_bytes(), Ends::Stream);
                }
            }
            (false, true) => http2.reset(stream, break_off(refusal, mark && is_verified)),
        }
        if !passed {
            call.response.http_status = if call.is_grpc {
                200
            } else {
                refusal.reason.http_status()
            };
        }
    }
}

/// With which code a plain answer ends that has begun: as the endpoint broke it off, if that is why. It
/// has no trailers to carry a mark, so the code says to another sidecar what the mark would.
fn break_off(refusal: &Refusal, to_sidecar: bool) -> ErrorCode {
    match refusal.reset {
        Some(code) => code,
        None if to_sidecar && refusal.is_blameless() => ErrorCode::Blameless,
        None => ErrorCode::InternalError,
    }
}
