//! What the next hop sees: the request head of an attempt, and the answer on its way back.
//!
//! Fields pass in order and unread, but for the few that are the mesh's own: they are stripped at
//! the edge so that nobody can forge them, and written from what this hop knows.

use outrider_http2::{Field, Fields};
use outrider_policy::{deadline, timeout};

use super::Call;
use crate::engine::Engine;
use crate::ids::Side;
use crate::refusal::is_mark;

const CALLER_IDENTITY: &[u8] = b"x-forwarded-client-cert";

const PREVIOUS_ATTEMPTS: &[u8] = b"grpc-previous-rpc-attempts";

/// Values written into one attempt's head; the head itself borrows them.
pub(crate) struct HopFields {
    traceparent: [u8; 55],
    timeout: Option<timeout::TimeoutText>,
    previous_attempts: Option<String>,
    caller: Option<String>,
    authority: Option<String>,
}

impl Engine {
    /// Decides what this hop writes into the head of the call's next attempt.
    pub(crate) fn write_head(&self, call: &Call) -> HopFields {
        let remaining = call
            .deadline
            .map(|deadline| deadline::remaining(deadline, self.now));
        HopFields {
            traceparent: call.upstream_trace().format(),
            timeout: remaining.filter(|_| call.is_grpc).map(timeout::format),
            previous_attempts: previous_attempts(call),
            caller: self.caller_field(call),
            authority: service_authority(call),
        }
    }

    /// `x-forwarded-client-cert` for the application, from the certificate alone.
    fn caller_field(&self, call: &Call) -> Option<String> {
        let caller = call
            .caller
            .as_ref()
            .filter(|_| call.side == Side::Inbound)?;
        Some(match &self.settings.identity {
            Some(own) => format!("By={own};URI={caller}"),
            None => format!("URI={caller}"),
        })
    }
}

/// gRFC A6: the server learns how often the call was tried before, by its caller and by us. A free replay
/// was seen by nobody, and behind the inbound listener the number is the caller's sidecar's to say.
fn previous_attempts(call: &Call) -> Option<String> {
    let counted = call.retries - u32::from(call.free_replay_used);
    (call.side == Side::Outbound && counted > 0).then(|| {
        let before = attempts_of_caller(&call.request);
        before.saturating_add(counted).to_string()
    })
}

/// What the caller says of its own tries; nothing, if it says so twice or in no number.
fn attempts_of_caller(request: &Fields) -> u32 {
    let mut values = request.find_all(PREVIOUS_ATTEMPTS);
    let (Some(value), None) = (values.next(), values.next()) else {
        return 0;
    };
    let text = std::str::from_utf8(value).unwrap_or_default();
    text.parse().unwrap_or_default()
}

/// A call addressed to localhost goes on under the name of the service it was routed to.
fn service_authority(call: &Call) -> Option<String> {
    let cluster = call.cluster.as_ref().filter(|_| call.is_to_loopback)?;
    Some(cluster.name.to_string())
}

/// The head of an attempt: the request's fields in order, then what this hop adds.
pub(crate) fn request_head<'a>(
    call: &'a Call,
    written: &'a HopFields,
) -> impl Iterator<Item = Field<'a>> {
    let has_timeout = call.deadline.is_some() && call.is_grpc;
    let has_retries = written.previous_attempts.is_some();
    let passed = call.request.iter().filter(move |field| match field.name {
        CALLER_IDENTITY | b"traceparent" => false,
        b"grpc-timeout" => !has_timeout,
        PREVIOUS_ATTEMPTS => !has_retries,
        name => !is_mark(name),
    });
    let passed = passed.map(|field| match (field.name, &written.authority) {
        (b":authority", Some(service)) => Field {
            value: service.as_bytes(),
            ..field
        },
        _ => field,
    });
    passed.chain(own_fields(call, written))
}

fn own_fields<'a>(call: &'a Call, written: &'a HopFields) -> impl Iterator<Item = Field<'a>> {
    let own: [(&'static [u8], Option<&'a [u8]>); 5] = [
        (b"traceparent", Some(&written.traceparent)),
        (
            b"grpc-timeout",
            written.timeout.as_ref().map(timeout::TimeoutText::as_bytes),
        ),
        (
            b"x-request-id",
            call.made_request_id.as_ref().map(|id| &id[..]),
        ),
        (
            PREVIOUS_ATTEMPTS,
            written.previous_attempts.as_deref().map(str::as_bytes),
        ),
        (
            CALLER_IDENTITY,
            written.caller.as_deref().map(str::as_bytes),
        ),
    ];
    own.into_iter().filter_map(|(name, value)| {
        value.map(|value| Field {
            name,
            value,
            sensitive: false,
        })
    })
}

/// The request's trailers on their way up: what only the mesh may say is no truer at the end.
pub(crate) fn trailer_fields(fields: &Fields) -> impl Iterator<Item = Field<'_>> {
    fields
        .iter()
        .filter(|field| field.name != CALLER_IDENTITY && !is_mark(field.name))
}

/// A head whose body follows on its way back. A gRPC answer promises no length: it may end with a
/// status of ours instead, and would then be malformed.
pub(crate) fn head_fields(fields: &Fields, is_grpc: bool) -> impl Iterator<Item = Field<'_>> {
    answer_fields(fields).filter(move |field| !is_grpc || field.name != b"content-length")
}

/// The answer's fields on their way back: the mesh's own marks are taken off.
pub(crate) fn answer_fields(fields: &Fields) -> impl Iterator<Item = Field<'_>> {
    fields.iter().filter(|field| !is_mark(field.name))
}
