//! Our own answer to a caller: said on its stream, whatever the call had reached.

use outrider_http2::ErrorCode;
use outrider_policy::{Class, Code, Origin, classify_grpc};

use super::{Call, CallId};
use crate::contract::Side;
use crate::engine::Engine;
use crate::record::Outcome;
use crate::refusal::{Reason, Refusal, grpc_answer, grpc_trailers, plain_answer};

impl Engine {
    /// Refuses a call that was not admitted.
    pub(crate) fn refuse(&mut self, mut call: Call, refusal: Refusal) {
        self.answer(&mut call, &refusal);
        self.note_early_answer(&call);
        let code = refusal.reason.code();
        let class = refusal_class(refusal.reason, code);
        self.record(
            &call,
            Outcome::Refused(refusal.reason),
            code,
            class,
            Some(refusal.sentence),
        );
    }

    /// Ends a live call with an answer of ours.
    pub(crate) fn end_refused(&mut self, id: CallId, refusal: Refusal) {
        self.end_attempt(id, Class::Neutral);
        if let Some(call) = self.leave(id) {
            let unprocessed = refusal.unprocessed && !call.maybe_processed;
            self.refuse(
                call,
                Refusal {
                    unprocessed,
                    ..refusal
                },
            );
        }
    }

    /// The caller has its whole answer; what it still sends of its request nobody needs.
    pub(crate) fn note_early_answer(&mut self, call: &Call) {
        if call.body.ended {
            return;
        }
        self.mark_dirty(call.downstream);
        if let Some(connection) = self.connection_mut(call.downstream) {
            connection.answered_early.push(call.stream);
        }
    }

    fn answer(&mut self, call: &mut Call, refusal: &Refusal) {
        let hop = format!("{}/{}", self.settings.service, call.side.name());
        // Towards the own application the mark would mean nothing; it is for the caller's sidecar.
        let mark = call.side == Side::Inbound;
        let (stream, passed) = (call.stream, call.response.head_passed);
        let Some(http2) = self.http2(call.downstream) else {
            return;
        };
        match (call.is_grpc, passed) {
            (true, false) => http2.head(stream, grpc_answer(refusal, &hop, mark).iter(), true),
            (true, true) => http2.trailers(stream, grpc_trailers(refusal, &hop).iter()),
            (false, false) => {
                let (head, body) = plain_answer(refusal, &hop, mark);
                http2.head(stream, head.iter(), false);
                http2.data(stream, body.as_bytes(), true);
            }
            (false, true) => http2.reset(stream, ErrorCode::InternalError),
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

/// What a refusal of ours says of the endpoint side, for metrics: the same classifier as for answers.
fn refusal_class(reason: Reason, code: Code) -> Class {
    match reason {
        Reason::NoRoute | Reason::BadRequest | Reason::BadTimeout | Reason::HeadersTooLarge => {
            Class::CallerFault
        }
        Reason::Overloaded => Class::Overload,
        Reason::Draining => Class::Neutral,
        Reason::NoEndpoint
        | Reason::DeadlineExceeded
        | Reason::UpstreamFailed
        | Reason::TryTimedOut
        | Reason::UpstreamProtocol => classify_grpc(code, Origin::Transport),
    }
}
