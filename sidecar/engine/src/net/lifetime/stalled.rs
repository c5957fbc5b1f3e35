//! Octets that are held for a peer that takes none of them (the HTTP/2 bomb's second half,
//! CVE-2026-47774): a stream is reset, a connection whose socket takes nothing is dropped.
//!
//! An idle stream holds nothing and is never called stalled. A stalled peer makes every hop before it
//! hold octets. Only the hop next to it sees each octet that it takes, because credit travels in
//! large pieces; so a hop between sidecars waits much longer.

use std::time::Duration;

use outrider_http2::{ErrorCode, StreamId};

use outrider_policy::Reason;

use crate::engine::Engine;
use crate::ids::ConnectionId;
use crate::net::connection::Role;
use crate::refusal::Refusal;

/// Between sidecars a stream may be stuck so many times longer: an hour by default.
const BETWEEN_SIDECARS: u32 = 12;

impl Engine {
    /// Has the socket taken nothing of what waits for it, for too long?
    pub(super) fn is_output_stuck(&self, id: ConnectionId) -> bool {
        let longest = self.lifetimes(id).stalled;
        let since = self.connection(id).and_then(|it| it.lifetime.output_since);
        since.is_some_and(|since| self.now.since(since) >= longest)
    }

    pub(super) fn reset_stalled(&mut self, id: ConnectionId) {
        let now = Duration::from_nanos(self.now.as_nanos());
        let longest = self.stalled_after(id);
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        for stream in connection.http2.stalled(now, longest) {
            self.reset_stalled_stream(id, stream, longest);
        }
    }

    fn stalled_after(&self, id: ConnectionId) -> Duration {
        let longest = self.lifetimes(id).stalled;
        let peer = self.connection(id).and_then(|it| it.peer.as_ref());
        peer.map_or(longest, |_| longest.saturating_mul(BETWEEN_SIDECARS))
    }

    fn reset_stalled_stream(&mut self, id: ConnectionId, stream: StreamId, longest: Duration) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        let is_upstream = matches!(connection.role, Role::Upstream(_));
        let call = connection.streams.get(&stream).copied();
        self.counters.streams_stalled[usize::from(is_upstream)] += 1;
        let sentence = match is_upstream {
            true => format!("the endpoint took nothing of the request for {longest:?}"),
            false => format!("the caller took nothing of the answer for {longest:?}"),
        };
        match call {
            Some(call) => {
                let refusal = Refusal::late(Reason::Stalled, sentence);
                self.for_call(call, |engine| engine.end_refused(call, refusal));
            }
            // Its call has ended; what is left is the part of the answer that was queued.
            None => self.reset_remains(id, stream),
        }
    }

    /// Resets a stream whose call is over.
    pub(crate) fn reset_remains(&mut self, id: ConnectionId, stream: StreamId) {
        // To gRPC callers this code is RESOURCE_EXHAUSTED.
        if let Some(http2) = self.http2(id) {
            http2.reset(stream, ErrorCode::EnhanceYourCalm);
        }
        self.connection_drained(id);
    }
}
