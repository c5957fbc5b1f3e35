//! The answer on its way down: passed on at once, or held while it may still be retried.
//!
//! Commit rule: a call is committed once response headers that are not trailers-only were passed
//! on. For methods declared unary and idempotent the answer is held, up to 64 KiB, until its
//! trailers, so that an error said there can still be retried.

use std::rc::Rc;

use outrider_http2::{Ends, Field, Fields};
use outrider_policy::{
    AttemptEnd, Class, Code, Origin, Processed, Pushback, Reason, classify_grpc, classify_http,
};

use super::Call;
use super::forward::{answer_fields, head_fields};
use super::grammar::is_grpc_type;
use super::last::{FinalPart, GRPC_STATUS};
use super::steps::rate_limit;
use crate::engine::Engine;
use crate::ids::CallId;
use crate::refusal::{BLAMELESS, Refusal, UNPROCESSED};

/// Largest response body held back for a possible retry. Bytes.
const HELD_BYTES_MAX: usize = 64 * 1024;

/// What came of the answer so far.
#[derive(Debug, Default)]
pub(crate) struct Response {
    /// The caller has the head of this answer.
    pub(crate) head_passed: bool,
    /// `:status`; 0 before the head.
    pub(crate) http_status: u16,
    /// Its content type is gRPC's, so it owes trailers.
    owes_trailers: bool,
    /// A verified endpoint says that no application saw the request.
    marked: bool,
    /// It says that its answer could not be passed on, and that it is well.
    blameless: bool,
    held: Option<Box<HeldResponse>>,
    /// Octets whose window the endpoint has back, and octets the caller's connection took.
    credited: usize,
    taken: usize,
    /// Body octets passed on.
    pub(crate) bytes: u64,
    /// The caller has the whole answer, and this is what it said.
    pub(crate) over: Option<(Code, Class)>,
}

#[derive(Debug)]
struct HeldResponse {
    head: Fields,
    body: Vec<u8>,
}

impl Response {
    /// Octets of an answer that waits for its trailers.
    pub(crate) fn held_bytes(&self) -> usize {
        let held = self.held.as_ref();
        held.map_or(0, |held| held.head.size() + held.body.len())
    }
}

impl Engine {
    /// A 1xx head passes through (RFC 9110 15.2).
    pub(crate) fn response_interim(&mut self, id: CallId, fields: &Fields) {
        let Some(call) = self.calls.at(id) else {
            return;
        };
        let (downstream, stream) = (call.downstream, call.stream);
        if let Some(http2) = self.http2(downstream) {
            http2.head(stream, answer_fields(fields), false);
        }
    }

    /// The final head of the answer.
    pub(crate) fn response_head(&mut self, id: CallId, fields: Fields, end: bool) {
        self.observe_latency(id);
        let is_verified = self.is_verified(id);
        let marked = is_verified && fields.find(UNPROCESSED).is_some();
        let blameless = is_verified && fields.find(BLAMELESS).is_some();
        if !marked {
            self.note_reached(id);
        }
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        call.response.http_status = http_status(&fields);
        call.response.owes_trailers =
            call.is_grpc && fields.find(b"content-type").is_some_and(is_grpc_type);
        call.response.marked = marked;
        call.response.blameless = blameless;
        if end {
            return self.response_end(id, &FinalPart::Head(fields));
        }
        if may_hold(call) {
            call.response.held = Some(Box::new(HeldResponse {
                head: fields,
                body: Vec::new(),
            }));
        } else {
            self.pass_head(id, &fields);
        }
    }

    /// An application has answered.
    fn note_reached(&mut self, id: CallId) {
        let call = self.calls.at(id);
        let cluster = call.and_then(|call| call.cluster.as_ref());
        let waited_for = cluster.filter(|cluster| !cluster.load.lines.ready.is_empty());
        if let Some(cluster) = waited_for.map(Rc::clone) {
            self.reached(&cluster);
        }
    }

    /// Body octets of the answer.
    pub(crate) fn response_data(&mut self, id: CallId, bytes: &[u8], ends: Ends) {
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        match &mut call.response.held {
            Some(held) if held.body.len() + bytes.len() <= HELD_BYTES_MAX => {
                held.body.extend_from_slice(bytes);
                self.credit_response(id, bytes.len());
            }
            Some(_) => {
                self.release(id);
                self.pass_data(id, bytes, ends);
            }
            None => self.pass_data(id, bytes, ends),
        }
        if ends.stream() {
            self.response_end(id, &FinalPart::Data);
        }
    }

    /// The answer ends with trailers.
    pub(crate) fn response_trailers(&mut self, id: CallId, fields: Fields) {
        if self.is_verified(id)
            && fields.find(BLAMELESS).is_some()
            && let Some(call) = self.calls.at_mut(id)
        {
            call.response.blameless = true;
        }
        self.response_end(id, &FinalPart::Trailers(fields));
    }

    /// The answer is complete: it is classified, then retried if the caller has seen nothing of it, else passed on.
    fn response_end(&mut self, id: CallId, last: &FinalPart) {
        let Some(call) = self.calls.at(id) else {
            return;
        };
        if call.is_grpc
            && let Some(sentence) = last.fault(call.response.owes_trailers)
        {
            self.end_attempt(id, Reason::UpstreamProtocol.code(), Class::EndpointFault);
            return self.end_refused(id, Refusal::late(Reason::UpstreamProtocol, sentence));
        }
        let marked = call.response.marked;
        let (code, class) = match verdict(call, last) {
            (code, _) if call.response.blameless => (code, Class::Neutral),
            told => told,
        };
        let pushback = match last {
            FinalPart::Head(fields) | FinalPart::Trailers(fields) => {
                Pushback::of(fields.find_all(b"grpc-retry-pushback-ms"))
            }
            FinalPart::Data => None,
        };
        self.end_attempt(id, code, class);
        let processed = match marked {
            true => Processed::No,
            false => Processed::Yes,
        };
        let end = AttemptEnd {
            code,
            processed,
            pushback,
            refused: false,
        };
        if code != Code::Ok && self.retry(id, &end) {
            return;
        }
        self.pass_last(id, last, code);
        if let Some(call) = self.calls.at_mut(id) {
            call.response.over = Some((code, class));
        }
        self.finish(id, code, class);
    }

    /// A gRPC caller gets a gRPC status even of what is no gRPC answer: what gRPC makes of the HTTP
    /// status, which is never a success.
    fn pass_last(&mut self, id: CallId, last: &FinalPart, code: Code) {
        self.release(id);
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        let (downstream, stream) = (call.downstream, call.stream);
        let made = (call.is_grpc && last.code().is_none()).then(|| (code as u32).to_string());
        let mut made = made
            .iter()
            .map(|status| Field::new(GRPC_STATUS, status.as_bytes()));
        let rate_limits = call.take_rate_limits();
        call.response.head_passed = true;
        let Some(http2) = self.http2(downstream) else {
            return;
        };
        match last {
            FinalPart::Head(fields) => {
                let made = made.chain(rate_limit::field(&rate_limits));
                http2.head(stream, answer_fields(fields).chain(made), true);
            }
            FinalPart::Data => match made.next() {
                Some(status) => http2.trailers(stream, [status]),
                None => http2.data(stream, &[], Ends::Stream),
            },
            FinalPart::Trailers(fields) => {
                http2.trailers(stream, answer_fields(fields).chain(made))
            }
        }
    }

    /// The caller sees the answer's beginning: nothing is repeated any more, so nothing is kept.
    fn pass_head(&mut self, id: CallId, fields: &Fields) {
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        let (downstream, stream, is_grpc) = (call.downstream, call.stream, call.is_grpc);
        let rate_limits = call.take_rate_limits();
        call.response.head_passed = true;
        let forgotten = call.body.forget();
        self.release_replay_bytes(forgotten);
        if let Some(http2) = self.http2(downstream) {
            let made = rate_limit::field(&rate_limits);
            http2.head(stream, head_fields(fields, is_grpc).chain(made), false);
        }
    }

    /// The end of the stream follows in a step of its own.
    fn pass_data(&mut self, id: CallId, bytes: &[u8], ends: Ends) {
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        let (downstream, stream) = (call.downstream, call.stream);
        call.response.bytes += bytes.len() as u64;
        if let Some(http2) = self.http2(downstream) {
            let ends = match ends {
                Ends::Frame => Ends::Frame,
                Ends::Nothing | Ends::Stream => Ends::Nothing,
            };
            http2.data(stream, bytes, ends);
        }
    }

    /// A held answer goes out: the call is committed.
    fn release(&mut self, id: CallId) {
        let held = self
            .calls
            .at_mut(id)
            .and_then(|call| call.response.held.take());
        if let Some(held) = held {
            self.pass_head(id, &held.head);
            self.pass_data(id, &held.body, Ends::Nothing);
        }
    }

    /// The caller's connection took octets of the answer: the endpoint gets that much window back,
    /// but not twice what it got while they were held.
    pub(crate) fn response_taken(&mut self, id: CallId, count: usize) {
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        call.response.taken += count;
        let fresh = call.response.taken.saturating_sub(call.response.credited);
        if fresh > 0 {
            self.credit_response(id, fresh);
        }
    }

    fn credit_response(&mut self, id: CallId, count: usize) {
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        call.response.credited += count;
        if let Some((connection, stream)) = call.upstream()
            && let Some(http2) = self.http2(connection)
        {
            http2.credit(stream, count);
        }
    }

    /// A mark counts only from a verified endpoint.
    fn is_verified(&self, id: CallId) -> bool {
        let upstream = self.calls.at(id).and_then(|call| call.upstream());
        upstream
            .and_then(|(connection, _)| self.connection(connection))
            .is_some_and(|connection| connection.peer.is_some())
    }
}

/// Only where a retry is possible is there a reason to hold an answer back: an idempotent unary
/// method may fail in its trailers, and a marked refusal for plain HTTP/2 has a body that nobody
/// needs if the call goes elsewhere.
fn may_hold(call: &Call) -> bool {
    let policy = call.route.as_ref().map(|route| &route.route.policy);
    let declared = call.is_grpc && policy.is_some_and(|policy| policy.unary && policy.idempotent);
    (declared || call.response.marked) && !call.is_committed()
}

/// The status of a complete answer, wherever it arrived, and what it says of the endpoint.
fn verdict(call: &Call, last: &FinalPart) -> (Code, Class) {
    let status = call.response.http_status;
    if !call.is_grpc {
        // gRPC's mapping is for answers that owe a gRPC status; a plain success owes none.
        let code = if (100..400).contains(&status) {
            Code::Ok
        } else {
            Code::from_http(status)
        };
        return (code, classify_http(status));
    }
    let code = last.code().unwrap_or_else(|| Code::from_http(status));
    (code, classify_grpc(code, Origin::Application))
}

fn http_status(fields: &Fields) -> u16 {
    let text = fields
        .find(b":status")
        .and_then(|value| std::str::from_utf8(value).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}
