//! The request body on its way up: forwarded at once, and kept for a retry while it is small.
//!
//! Invariant: while `kept`, `bytes` is the whole body received so far. Octets that no connection has
//! taken are not credited to the caller, so a body that waits is bounded by the caller's window.

use outrider_http2::{Fields, StreamId};

use super::Phase;
use super::forward::trailer_fields;
use crate::engine::Engine;
use crate::ids::{CallId, ConnectionId};

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
    pub(crate) fn request_data(&mut self, id: CallId, bytes: &[u8], end: bool) {
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        call.body.received += bytes.len() as u64;
        call.body.ended |= end;
        let upstream = call.upstream();
        if call.body.kept {
            call.body.bytes.extend_from_slice(bytes);
            self.replay_bytes += bytes.len();
        }
        if let Some((connection, stream)) = upstream {
            if let Some(http2) = self.http2(connection) {
                http2.data(stream, bytes, end);
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
        if let Some(http2) = self.http2(connection) {
            match &trailers {
                Some(fields) => {
                    http2.data(stream, &body, false);
                    http2.trailers(stream, trailer_fields(fields));
                }
                None if ended || !body.is_empty() => http2.data(stream, &body, ended),
                None => {}
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
            self.replay_bytes = self.replay_bytes.saturating_sub(forgotten);
        }
    }
}
