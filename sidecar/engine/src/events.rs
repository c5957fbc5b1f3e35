//! What decoded bytes mean: TLS progress and HTTP/2 events, routed to the call they belong to.

use std::time::Duration;

use outrider_http2::{ErrorCode, Event, StreamId};

use crate::call::{AttemptError, believed};
use crate::engine::Engine;
use crate::ids::{CallId, ConnectionId, Scope, Side};
use crate::net::connection::Role;
use crate::net::tls::{Peer, TlsFailure};
use crate::panic::failpoint::Failpoint;

impl Engine {
    /// TLS is agreed on and the peer is known.
    pub(crate) fn secured(&mut self, id: ConnectionId, peer: Peer<'_>) {
        if !self.is_handshake_believed(id, peer.chain) {
            let words = "the peer's root left the trust bundle during the handshake".to_owned();
            return self.tls_failed(id, &TlsFailure(words));
        }
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        connection.peer = Some(peer.id);
        let upstream = connection.upstream().is_some();
        self.counters.mtls_handshakes[usize::from(upstream)] += 1;
        self.end_handshake(id);
        self.begin_trust(id, peer.expires_unix);
    }

    pub(crate) fn tls_failed(&mut self, id: ConnectionId, failure: &TlsFailure) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        let upstream = connection.upstream().is_some();
        let secured = connection.peer.is_some();
        if !secured {
            self.counters.handshake_failures[usize::from(upstream)] += 1;
        }
        let words = format!("TLS failed: {}", failure.0);
        let error = if secured {
            AttemptError::lost(words)
        } else {
            AttemptError::connect(words)
        };
        self.connection_lost(id, &error);
    }

    /// Decoded bytes: HTTP/2 says what they mean, one event at a time.
    pub(crate) fn plaintext(&mut self, id: ConnectionId, mut bytes: &[u8]) {
        // Caught inside the loan of the transport: a call's panic must not cost the connection.
        // It goes on behind the event that panicked; a torn codec has no further events.
        while self
            .guarded(|engine| engine.take_events(id, &mut bytes))
            .is_none()
        {}
    }

    fn take_events(&mut self, id: ConnectionId, bytes: &mut &[u8]) {
        let now = Duration::from_nanos(self.now.as_nanos());
        loop {
            self.scope = Scope::Connection(id);
            let Some(connection) = self.connection_mut(id) else {
                return;
            };
            if connection.closing {
                return;
            }
            let Some(event) = connection.http2.receive(now, bytes) else {
                return;
            };
            match &connection.role {
                Role::Downstream { side, .. } => {
                    let side = *side;
                    self.downstream_event(id, side, event);
                }
                Role::Upstream(_) => self.upstream_event(id, event),
            }
        }
    }

    fn downstream_event(&mut self, id: ConnectionId, side: Side, event: Event<'_>) {
        match event {
            Event::Head {
                stream,
                fields,
                end,
            } => self.arrived(id, side, stream, fields, end),
            Event::HeadTooLarge {
                stream,
                fields,
                bytes,
                count,
                end,
            } => {
                self.arrived_too_large(id, side, stream, fields, (bytes, count), end);
            }
            Event::HeadMalformed {
                stream,
                fields,
                why,
                end,
            } => self.arrived_malformed(id, side, stream, (fields, end), &why),
            Event::Malformed { stream, why } => {
                if let Some(call) = self.call_on(id, stream) {
                    self.request_malformed(call, &why);
                }
            }
            Event::TrailersTooLarge {
                stream,
                bytes,
                count,
            } => {
                if let Some(call) = self.call_on(id, stream) {
                    self.request_trailers_too_large(call, (bytes, count));
                }
            }
            Event::Data {
                stream,
                bytes,
                ends,
            } => match self.call_on(id, stream) {
                Some(call) => self.request_data(call, bytes, ends),
                None => self.discard(id, stream, bytes.len()),
            },
            Event::Trailers { stream, fields } => {
                if let Some(call) = self.call_on(id, stream) {
                    self.request_trailers(call, fields);
                }
            }
            Event::Reset { stream, .. } => {
                if let Some(call) = self.call_on(id, stream) {
                    self.cancelled(call);
                }
            }
            Event::SettingsChanged => self.settings_received(id),
            Event::Pong { payload } => self.drain_pong(id, payload),
            Event::Interim { .. } | Event::Goaway { .. } => {}
            Event::Foreign(foreign) => self.foreign_protocol(id, side, foreign),
            Event::Failed(error) => self.http2_failed(id, error.reason),
        }
    }

    fn upstream_event(&mut self, id: ConnectionId, event: Event<'_>) {
        match event {
            Event::Head {
                stream,
                fields,
                end,
            } => {
                if let Some(call) = self.call_on(id, stream) {
                    self.response_head(call, fields, end);
                }
            }
            Event::Interim { stream, fields } => {
                if let Some(call) = self.call_on(id, stream) {
                    self.response_interim(call, &fields);
                }
            }
            Event::Data {
                stream,
                bytes,
                ends,
            } => {
                if let Some(call) = self.call_on(id, stream) {
                    self.response_data(call, bytes, ends);
                }
            }
            Event::Trailers { stream, fields } => {
                if let Some(call) = self.call_on(id, stream) {
                    self.response_trailers(call, fields);
                }
            }
            Event::Reset { stream, cause } => {
                let Some(connection) = self.connection(id) else {
                    return;
                };
                let is_going = connection.http2.peer_goaway();
                let cause = believed(cause, connection.peer.is_some());
                if let Some(call) = self.call_on(id, stream) {
                    self.attempt_failed(call, &AttemptError::reset(cause, is_going));
                }
            }
            Event::Goaway { code, debug, .. } => self.endpoint_goes(id, code, &debug),
            Event::Failed(error) => self.http2_failed(id, error.reason),
            Event::SettingsChanged => self.settings_changed(id),
            Event::HeadTooLarge { .. }
            | Event::HeadMalformed { .. }
            | Event::Malformed { .. }
            | Event::TrailersTooLarge { .. }
            | Event::Foreign(_)
            | Event::Pong { .. } => {}
        }
    }

    /// The endpoint takes no more streams. A gRPC server that minds our pings says it so (gRFC A8).
    fn endpoint_goes(&mut self, id: ConnectionId, code: ErrorCode, debug: &[u8]) {
        if code == ErrorCode::EnhanceYourCalm && debug == b"too_many_pings" {
            self.pinged_too_often(id);
        }
        if code != ErrorCode::NoError
            && let Some(upstream) = self.upstream_mut(id)
        {
            upstream.complaint = Some(complaint(code, debug));
        }
        self.retire(id);
    }

    fn http2_failed(&mut self, id: ConnectionId, reason: &'static str) {
        self.counters.protocol_errors += 1;
        self.connection_lost(
            id,
            &AttemptError::protocol(format!("the endpoint broke HTTP/2: {reason}")),
        );
    }

    /// The call an event is about; from here on it is the call's.
    fn call_on(&mut self, id: ConnectionId, stream: StreamId) -> Option<CallId> {
        let call = self.connection(id)?.streams.get(&stream).copied()?;
        self.scope = Scope::Call(call);
        self.failpoints.hit(Failpoint::Call);
        Some(call)
    }

    /// Body octets of a call that was answered already: their window goes straight back.
    fn discard(&mut self, id: ConnectionId, stream: StreamId, count: usize) {
        if let Some(http2) = self.http2(id) {
            http2.credit(stream, count);
        }
    }
}

/// Longest text of a GOAWAY that is repeated. Octets.
const DEBUG_BYTES_MAX: usize = 64;

fn complaint(code: ErrorCode, debug: &[u8]) -> String {
    let debug = &debug[..debug.len().min(DEBUG_BYTES_MAX)];
    match debug.is_empty() {
        true => format!("GOAWAY {}", code.name()),
        false => format!("GOAWAY {}: {}", code.name(), debug.escape_ascii()),
    }
}
