//! The request body on its way up: forwarded at once, and kept for a retry while it is small.
//!
//! Invariant: while `kept`, `bytes` is the whole body received so far. Octets that no connection has
//! taken are not credited to the caller, so a body that waits is bounded by the caller's window.

use outrider_http2::{Ends, Fields, StreamId};

use super::Phase;
use super::forward::trailer_fields;
use crate::engine::Engine;
use crate::ids::{CallId, ConnectionId};
use crate::net::codec::Codec;

/// Largest request body kept for a retry. Bytes; a larger one is sent once and commits its call.
pub(crate) const REPLAY_BYTES_MAX: usize = 64 * 1024;

/// What came of the request after its head.
#[derive(Debug)]
pub(crate) struct RequestBody {
    /// The body so far, for the next attempt; empty once it is not `kept`.
    pub(crate) bytes: Vec<u8>,
    pub(crate) trailers: Option<Box<Fields>>,
    /// Nothing follows.
    pub(crate) ended: bool,
    /// The call could still be repeated.
    pub(crate) kept: bool,
    /// Octets whose window the caller has back.
    pub(crate) credited: usize,
    /// Octets received.
    pub(crate) received: u64,
}

impl RequestBody {
    pub(crate) fn new(ended: bool) -> RequestBody {
        RequestBody {
            bytes: Vec::new(),
            trailers: None,
            ended,
            kept: true,
            credited: 0,
            received: 0,
        }
    }

    /// Gives up repeating the request; returns how many octets were kept for it.
    pub(crate) fn forget(&mut self) -> usize {
        self.kept = false;
        std::mem::take(&mut self.bytes).len()
    }
}

impl Engine {
    /// Body octets from the caller.
    pub(crate) fn request_data(&mut self, id: CallId, bytes: &[u8], ends: Ends) {
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        call.body.received += bytes.len() as u64;
        call.body.ended |= ends.stream();
        let upstream = call.upstream();
        if call.body.kept {
            call.body.bytes.extend_from_slice(bytes);
            self.replay_bytes += bytes.len();
        }
        if let Some((connection, stream)) = upstream {
            if let Some(http2) = self.http2(connection) {
                http2.data(stream, bytes, ends);
            }
            self.forget_large_body(id);
        }
    }

    /// The caller ended its request with trailers.
    pub(crate) fn request_trailers(&mut self, id: CallId, fields: Fields) {
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        call.body.ended = true;
        if let Some((connection, stream)) = call.upstream()
            && let Some(http2) = self.http2(connection)
        {
            http2.trailers(stream, trailer_fields(&fields));
        }
        if let Some(call) = self.calls.at_mut(id) {
            call.body.trailers = Some(Box::new(fields));
        }
    }

    /// Sends what came so far on the attempt's new stream.
    pub(crate) fn send_body(&mut self, id: CallId, connection: ConnectionId, stream: StreamId) {
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        let body = std::mem::take(&mut call.body.bytes);
        let (ended, trailers) = (call.body.ended, call.body.trailers.take());
        let is_grpc = call.is_grpc;
        if let Some(http2) = self.http2(connection) {
            let ends = match ended && trailers.is_none() {
                true => Ends::Stream,
                false => Ends::Nothing,
            };
            send_kept(http2, stream, &body, is_grpc, ends);
            if let Some(fields) = &trailers {
                http2.trailers(stream, trailer_fields(fields));
            }
        }
        if let Some(call) = self.calls.at_mut(id) {
            call.body.bytes = body;
            call.body.trailers = trailers;
        }
        self.forget_large_body(id);
    }

    /// The upstream connection took body octets: the caller gets that much window back. What an
    /// earlier attempt was already credited for is not credited twice.
    pub(crate) fn request_taken(&mut self, id: CallId, count: usize) {
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        let is_trying = matches!(call.phase, Phase::Trying(_));
        debug_assert!(is_trying, "octets taken for no attempt");
        let Phase::Trying(attempt) = &mut call.phase else {
            return;
        };
        attempt.taken += count;
        let fresh = attempt.taken.saturating_sub(call.body.credited);
        if fresh == 0 {
            return;
        }
        call.body.credited += fresh;
        let (downstream, stream) = (call.downstream, call.stream);
        if let Some(http2) = self.http2(downstream) {
            http2.credit(stream, fresh);
        }
    }

    /// A body too large to repeat, or one too many for this worker's share, commits its call.
    fn forget_large_body(&mut self, id: CallId) {
        let full = self.replay_bytes > self.settings.replay_bytes_max;
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        let bytes = call.body.bytes.len();
        if call.body.kept && (full && bytes > 0 || bytes > REPLAY_BYTES_MAX) {
            let forgotten = call.body.forget();
            self.release_replay_bytes(forgotten);
        }
    }
}

/// Sends octets that were kept in one piece. Each gRPC message ends its frame, as it did when its sender
/// framed it.
fn send_kept(http2: &mut Codec, stream: StreamId, body: &[u8], is_grpc: bool, ends: Ends) {
    let mut rest = body;
    while is_grpc
        && let Some((message, behind)) = first_message(rest)
        && !behind.is_empty()
    {
        http2.data(stream, message, Ends::Frame);
        rest = behind;
    }
    if !rest.is_empty() || ends.stream() {
        http2.data(stream, rest, ends);
    }
}

/// A whole message with its prefix (gRPC over HTTP2: a flag and four octets of length), and what is
/// behind it.
fn first_message(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let &[_, a, b, c, d, ..] = octets else {
        return None;
    };
    octets.split_at_checked((u32::from_be_bytes([a, b, c, d]) as usize).checked_add(5)?)
}
