//! One connection: HTTP/2 over a transport, and which call each stream belongs to.
//!
//! Knows nothing of what calls do; the engine routes events between connections and calls.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use outrider_http2::{ErrorCode, StreamId};
use outrider_identity::SpiffeId;
use outrider_policy::Tick;
use rustc_hash::FxHashMap;

use crate::cluster::{ClusterState, EndpointState};
use crate::config::INBOUND_STREAMS_DEFAULT;
use crate::ids::{CallId, ConnectionId, Side};
use crate::net::codec::Codec;
use crate::net::lifetime::LifetimeState;
use crate::net::tls::Transport;
use crate::record::Counters;
use crate::timers::TimerKey;

/// Calls that wait for one connection before another is made: a peer that has not said its
/// MAX_CONCURRENT_STREAMS is assumed to take this many (our own inbound listener's default). One
/// that takes fewer gets more connections as soon as it has said so.
const WAITERS_MAX: u32 = INBOUND_STREAMS_DEFAULT;

/// A connection's state on its worker.
pub(crate) struct Connection {
    pub(crate) serial: u32,
    pub(crate) role: Role,
    /// `None` only while it is lent out; or for ever, because a panic ended the loan.
    pub(crate) transport: Option<Transport>,
    pub(crate) http2: Codec,
    /// The verified (or, in a simulation, assigned) identity at the other end.
    pub(crate) peer: Option<Arc<SpiffeId>>,
    /// A call of another sidecar was served here without a verified identity.
    pub(crate) served_unverified: bool,
    /// Calls by stream. A stream leaves when its call has no more business on it.
    pub(crate) streams: FxHashMap<StreamId, CallId>,
    /// Streams answered before their request was over, or because it is malformed: reset with this code
    /// once the answer is out.
    pub(crate) answered_early: Vec<(StreamId, ErrorCode)>,
    /// Listed among the connections to flush at the end of this turn.
    pub(crate) dirty: bool,
    /// Reading is on; `false` after an `Action::Read { on: false }`.
    pub(crate) reading: bool,
    /// Flush, then close: nothing more is read or opened.
    pub(crate) closing: bool,
    /// The timer of the connection's present stage (handshake, connect, drain step).
    pub(crate) timer: Option<TimerKey>,
    /// How it lives, and until when.
    pub(crate) lifetime: LifetimeState,
}

/// Which end we are.
pub(crate) enum Role {
    /// The caller connected to us.
    Downstream {
        side: Side,
        address: SocketAddr,
        drain: DrainStep,
    },
    /// We connected to an endpoint.
    Upstream(Box<Upstream>),
}

/// What an upstream connection carries besides HTTP/2.
pub(crate) struct Upstream {
    pub(crate) cluster: Rc<ClusterState>,
    pub(crate) endpoint: Rc<EndpointState>,
    pub(crate) stage: Stage,
    /// It took long enough that the other family of its name was tried beside it, if it has one.
    pub(crate) is_slow: bool,
    /// Calls that get a stream as soon as the connection is ready, or its window is wide again.
    pub(crate) waiters: VecDeque<CallId>,
    /// The peer's connection window was narrow for too long.
    pub(crate) blocked: bool,
    pub(crate) blocked_timer: Option<TimerKey>,
    /// Small pieces of requests wait for more.
    pub(crate) gather_timer: Option<TimerKey>,
    /// What was wrong by its last GOAWAY, for people; `None` where it goes in good order.
    pub(crate) complaint: Option<String>,
}

impl Upstream {
    /// Longest wait until the connection is usable, from its beginning.
    pub(crate) fn patience(&self) -> Duration {
        self.cluster.config.policy.connect_timeout
    }
}

/// How far an upstream connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The loop is connecting the socket.
    Connecting,
    /// TLS and HTTP/2 SETTINGS are being agreed on.
    Greeting,
    /// Streams may be opened.
    Ready,
    /// No new streams: GOAWAY, a failure, or its endpoint left the configuration.
    Retired,
}

impl Stage {
    /// No stream may be opened yet.
    pub(crate) fn is_beginning(self) -> bool {
        matches!(self, Stage::Connecting | Stage::Greeting)
    }
}

/// Where a downstream connection is in a two-step drain (RFC 9113 6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DrainStep {
    Open,
    /// GOAWAY 2^31-1 and a ping are out; the pong shows that the peer has seen both.
    Noticed,
    /// GOAWAY with the last stream is out; closes with its last call.
    Final,
}

impl Counters {
    /// Takes over what the connection has counted; once for each connection.
    pub(crate) fn note_limits(&mut self, connection: &Connection) {
        let is_upstream = connection.upstream().is_some();
        self.http2_limits[usize::from(is_upstream)] += &connection.http2.counters();
    }
}

impl Connection {
    /// A connection that has carried nothing yet.
    pub(crate) fn new(serial: u32, role: Role, transport: Transport, http2: Codec) -> Connection {
        Connection {
            serial,
            role,
            transport: Some(transport),
            http2,
            peer: None,
            served_unverified: false,
            streams: FxHashMap::default(),
            answered_early: Vec::new(),
            dirty: false,
            reading: true,
            closing: false,
            timer: None,
            lifetime: LifetimeState::default(),
        }
    }

    /// Its name, in the `slot` where it is.
    pub(crate) fn id(&self, slot: usize) -> ConnectionId {
        ConnectionId {
            slot: slot as u32,
            serial: self.serial,
        }
    }

    pub(crate) fn upstream(&self) -> Option<&Upstream> {
        match &self.role {
            Role::Upstream(upstream) => Some(upstream),
            Role::Downstream { .. } => None,
        }
    }

    pub(crate) fn upstream_mut(&mut self) -> Option<&mut Upstream> {
        match &mut self.role {
            Role::Upstream(upstream) => Some(upstream),
            Role::Downstream { .. } => None,
        }
    }

    /// Did the local application open it?
    pub(crate) fn is_from_application(&self) -> bool {
        matches!(
            self.role,
            Role::Downstream {
                side: Side::Outbound,
                ..
            }
        )
    }

    /// Where a downstream connection comes from.
    pub(crate) fn caller_address(&self) -> Option<SocketAddr> {
        match self.role {
            Role::Downstream { address, .. } => Some(address),
            Role::Upstream(_) => None,
        }
    }

    /// Until when this stream is held, because its peer takes back what it opens.
    pub(crate) fn held_until(&self, stream: StreamId) -> Option<Tick> {
        let until = self.http2.held_until(stream)?;
        u64::try_from(until.as_nanos()).ok().map(Tick::from_nanos)
    }

    /// May a new stream be opened here now, and would its body move?
    pub(crate) fn is_usable(&self) -> bool {
        self.may_move() && !self.http2.is_send_window_low()
    }

    /// May a new stream be opened here now, and would its body move soon, as far as is known? Not where
    /// its peer may lose patience with those who dribble.
    pub(crate) fn may_move(&self) -> bool {
        self.can_open()
            && self.upstream().is_some_and(|upstream| !upstream.blocked)
            && !self.http2.has_many_small_frames()
    }

    /// May a new stream be opened here now?
    pub(crate) fn can_open(&self) -> bool {
        self.upstream()
            .is_some_and(|upstream| upstream.stage == Stage::Ready)
            && !self.closing
            && self.http2.can_open()
    }

    /// Is it being made, and may one more call wait for it?
    pub(crate) fn has_room_to_wait(&self) -> bool {
        self.upstream().is_some_and(|upstream| {
            let expected = upstream.endpoint.streams_max.get().clamp(1, WAITERS_MAX);
            upstream.stage.is_beginning() && upstream.waiters.len() < expected as usize
        })
    }

    /// Lends transport and HTTP/2 to `work`; nothing comes back from a panic.
    pub(crate) fn lend(&mut self, work: impl FnOnce(&mut Transport, &mut Codec)) {
        if let Some(mut transport) = self.transport.take() {
            work(&mut transport, &mut self.http2);
            self.transport = Some(transport);
        }
    }

    /// Between turns, when nothing is lent: did a panic leave half of it?
    pub(crate) fn is_damaged(&self) -> bool {
        self.transport.is_none() || self.http2.is_damaged()
    }

    /// Bytes waiting for the socket.
    pub(crate) fn output(&self) -> &[u8] {
        match &self.transport {
            Some(transport) => transport.output(&self.http2),
            None => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::engine::Engine;
    use outrider_http2::{self as http2, Config, Field, WindowPool};
    use outrider_policy::Tick;

    /// An application's sidecar after two calls on one inbound connection of `peer`.
    fn served(peer: Option<SpiffeId>) -> Engine {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let settings = Settings {
            app: Some(address),
            ..Settings::new("orders")
        };
        let mut engine = Engine::new(settings, 1);
        let id = engine.accepted_as(Tick::ZERO, Side::Inbound, address, peer);
        let mut caller = http2::Connection::client(Config::default(), &WindowPool::new(0));
        let head = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "orders"),
            (":path", "/shop.v1.Orders/Get"),
        ];
        let fields = head.map(|(name, value)| Field {
            name: name.as_bytes(),
            value: value.as_bytes(),
            sensitive: false,
        });
        for _ in 0..2 {
            caller.open(fields, true).expect("a stream");
        }
        let sent = caller.output().to_vec();
        engine.received(Tick::ZERO, id, &sent);
        assert_eq!(engine.gauges().calls, 2);
        engine
    }

    #[test]
    fn a_connection_that_is_served_without_an_identity_is_counted_once() {
        let known = SpiffeId::parse(b"spiffe://outrider.local/ns/default/svc/frontend");
        for (peer, expected) in [(None, [1, 0]), (known.ok(), [0, 0])] {
            let counters = served(peer).gauges().counters;
            assert_eq!(counters.plaintext_connections, expected);
        }
    }
}
