//! The engine: events in, actions out. One worker's connections and calls, no I/O.
//!
//! This file is the front door: each public method is one event of the contract and only routes it.
//! What bytes mean is in `events.rs`, connections in `net/`, calls in `call/`,
//! the swap of configuration in `configuration.rs`, the flush in `net/flush.rs`.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use outrider_eviction::PendingHandshakes;
use outrider_http2 as http2;
#[cfg(any(test, feature = "simulation"))]
use outrider_identity::SpiffeId;
use outrider_policy::{Pressure, Tick};
use slab::Slab;

use crate::call::{AttemptError, Calls, WaitKind};
use crate::cluster::lines::Lines;
use crate::config::Settings;
use crate::configuration::Configuration;
use crate::contract::{Action, CloseCause, ConnectFailure};
use crate::ids::{ConnectionId, Scope, Side};
use crate::net::codec::Codec;
use crate::net::connection::{Connection, DrainStep, Role};
use crate::net::drain::Drain;
use crate::net::tls::{Decoded, TlsMaterial, Transport};
use crate::panic::failpoint::Failpoints;
use crate::random::Random;
use crate::record::Counters;
use crate::timers::{TimerKey, Timers};

/// One worker's proxy.
pub struct Engine {
    pub(crate) now: Tick,
    pub(crate) settings: Settings,
    pub(crate) material: Option<Arc<TlsMaterial>>,
    pub(crate) configuration: Configuration,
    pub(crate) connections: Slab<Connection>,
    serials: u32,
    pub(crate) calls: Calls,
    pub(crate) timers: Timers,
    pub(crate) random: Random,
    pub(crate) window_pool: http2::WindowPool,
    /// Request octets kept for retries. Invariant: the sum of all `call.body.bytes`.
    pub(crate) replay_bytes: usize,
    pub(crate) actions: VecDeque<Action>,
    /// Connections to flush before the next action is handed out.
    pub(crate) dirty: VecDeque<ConnectionId>,
    pub(crate) counters: Counters,
    pub(crate) drain: Option<Drain>,
    /// When a connection of the local application was last closed.
    pub(crate) application_left: Option<Tick>,
    /// Names asked for that no route leads to, yet or at all; and the calls that wait for each.
    pub(crate) wanted: BTreeMap<String, usize>,
    pub(crate) pressure: Pressure,
    /// Calls that wait, by what for.
    pub(crate) waiting: [usize; WaitKind::COUNT],
    pub(crate) lines: Lines,
    /// Whose event is handled now; what a panic would end.
    pub(crate) scope: Scope,
    /// A panic was contained; see `rebuild.rs`.
    pub(crate) rebuild_due: bool,
    pub(crate) failpoints: Failpoints,
    /// By serial first, which is the order of arrival.
    pub(crate) handshakes: PendingHandshakes<(u32, ConnectionId)>,
}

impl Engine {
    /// An engine without configuration: every call is refused until `configure`.
    ///
    /// `seed` feeds the engine's only source of randomness (trace ids, jitter, balancing).
    pub fn new(settings: Settings, seed: u64) -> Engine {
        Engine {
            now: Tick::ZERO,
            material: None,
            configuration: Configuration::new(settings.app),
            connections: Slab::new(),
            serials: 0,
            calls: Calls::default(),
            timers: Timers::default(),
            random: Random::new(seed),
            window_pool: http2::WindowPool::new(settings.window_growth_bytes),
            replay_bytes: 0,
            actions: VecDeque::new(),
            dirty: VecDeque::new(),
            counters: Counters::default(),
            drain: None,
            application_left: None,
            wanted: BTreeMap::new(),
            pressure: Pressure::Low,
            waiting: [0; WaitKind::COUNT],
            lines: Lines::default(),
            scope: Scope::None,
            rebuild_due: false,
            failpoints: Failpoints::default(),
            handshakes: PendingHandshakes::default(),
            settings,
        }
    }

    /// New certificate, key and bundle; connections made from now on use them, and those whose peer
    /// the new bundle does not believe end.
    pub fn identity(&mut self, now: Tick, material: Arc<TlsMaterial>) {
        self.now = now;
        self.settings.identity = Some(material.identity().clone());
        let before = self.material.replace(material);
        self.recheck_peers(before.as_deref());
    }

    /// A downstream connection was accepted.
    pub fn accepted(&mut self, now: Tick, side: Side, address: SocketAddr) -> ConnectionId {
        self.now = now;
        self.scope = Scope::None;
        self.guarded(|engine| engine.accept_connection(side, address))
            .unwrap_or_else(|| self.closed_at_birth())
    }

    fn accept_connection(&mut self, side: Side, address: SocketAddr) -> ConnectionId {
        let transport = match (side, &self.material) {
            (Side::Inbound, Some(material)) => Transport::server(material).ok(),
            (Side::Inbound, None) => None,
            (Side::Outbound, _) => Some(Transport::Plain),
        };
        // Inbound without a certificate: nothing may pass in plaintext, so the connection closes.
        let refused = transport.is_none();
        let id = self.accept(side, address, transport.unwrap_or(Transport::Plain));
        if refused {
            self.counters.handshake_failures[0] += 1;
            self.flush_and_close(id, None);
        }
        id
    }

    fn accept(&mut self, side: Side, address: SocketAddr, transport: Transport) -> ConnectionId {
        let config = self.settings.downstream(side);
        let http2 = http2::Connection::server(config, &self.window_pool);
        let id = self.insert_connection(
            Role::Downstream {
                side,
                address,
                drain: DrainStep::Open,
            },
            transport,
            http2,
        );
        self.begin_handshake(id);
        self.mark_dirty(id);
        self.accepted_late(id, side);
        id
    }

    /// Bytes were read from a connection.
    pub fn received(&mut self, now: Tick, id: ConnectionId, bytes: &[u8]) {
        self.now = now;
        self.for_connection(id, |engine| engine.decode(id, bytes));
    }

    fn decode(&mut self, id: ConnectionId, bytes: &[u8]) {
        // On a closing connection nothing is read, judged or counted any more.
        let now = self.now;
        let open = self.connection_mut(id).filter(|found| !found.closing);
        let Some(found) = open else { return };
        found.lifetime.last_received = now;
        let Some(mut transport) = found.transport.take() else {
            return;
        };
        let mut foreign = None;
        let result = transport.read(bytes, &mut |decoded| match decoded {
            Decoded::Secured(peer) => self.secured(id, peer),
            Decoded::Plaintext(bytes) => self.plaintext(id, bytes),
            Decoded::Foreign(met) => foreign = Some(met),
        });
        if let Some(connection) = self.connection_mut(id) {
            connection.transport = Some(transport);
        }
        if let Err(failure) = result {
            self.tls_failed(id, &failure);
        }
        if let Some(foreign) = foreign {
            self.counters.handshake_failures[0] += 1;
            self.foreign_protocol(id, Side::Inbound, foreign);
        }
        self.note_received(id);
        self.mark_dirty(id);
    }

    /// A connection asked for by [`Action::Connect`] is up.
    pub fn connected(&mut self, now: Tick, id: ConnectionId) {
        self.now = now;
        self.for_connection(id, |engine| engine.socket_connected(id));
    }

    /// A connection asked for by [`Action::Connect`] could not be made.
    pub fn connect_failed(&mut self, now: Tick, id: ConnectionId, cause: ConnectFailure) {
        self.now = now;
        self.for_connection(id, |engine| engine.connect_failure(id, cause));
    }

    /// The socket took `count` bytes of [`Engine::output`].
    pub fn written(&mut self, now: Tick, id: ConnectionId, count: usize) {
        self.now = now;
        self.for_connection(id, |engine| {
            if let Some(connection) = engine.connection_mut(id) {
                connection.lifetime.output_since = None;
                connection.lend(|transport, http2| transport.written(http2, count));
            }
            engine.mark_dirty(id);
        });
    }

    /// The peer closed, or the socket failed. The loop has closed the socket or will do so on the
    /// `Close` that follows.
    pub fn closed(&mut self, now: Tick, id: ConnectionId, how: CloseCause) {
        self.now = now;
        let words = match how {
            CloseCause::Eof => "the endpoint closed the connection",
            CloseCause::Reset => "the connection was reset",
            CloseCause::Error => "the connection failed",
        };
        self.for_connection(id, |engine| {
            let complaint = engine.upstream_mut(id).and_then(|it| it.complaint.take());
            let words = match complaint {
                Some(complaint) => format!("{words} behind {complaint}"),
                None => words.to_owned(),
            };
            engine.connection_lost(id, &AttemptError::lost(words));
            engine.forget_connection(id);
        });
    }

    /// The time is `now`: everything due fires.
    pub fn tick(&mut self, now: Tick) {
        self.now = now;
        // After a panic the rest of what is due fires: the timer that panicked is disarmed.
        while self.guarded(Engine::run_due_timers).is_none() {}
    }

    fn run_due_timers(&mut self) {
        while let Some(timer) = self.timers.pop_due(self.now) {
            self.scope = timer.scope();
            self.on_timer(timer);
        }
        self.scope = Scope::None;
    }

    /// When `tick` is needed next.
    pub fn wake_at(&self) -> Option<Tick> {
        self.timers.next_due()
    }

    /// What to do next; `None` when this turn is done.
    pub fn next_action(&mut self) -> Option<Action> {
        self.flush_all();
        self.actions.pop_front()
    }

    /// Bytes a connection has for its socket.
    pub fn output(&self, id: ConnectionId) -> &[u8] {
        self.connection(id).map_or(&[], Connection::output)
    }

    /// A connection accepted in a simulation, whose caller is known without TLS.
    #[cfg(any(test, feature = "simulation"))]
    pub fn accepted_as(
        &mut self,
        now: Tick,
        side: Side,
        address: SocketAddr,
        peer: Option<SpiffeId>,
    ) -> ConnectionId {
        self.now = now;
        let id = self.accept(side, address, Transport::Plain);
        if let (Some(peer), Some(connection)) = (peer, self.connection_mut(id)) {
            connection.peer = Some(Arc::new(peer));
        }
        id
    }

    /// A connection made in a simulation: the endpoint's identity is believed without TLS.
    #[cfg(feature = "simulation")]
    pub fn connected_as(&mut self, now: Tick, id: ConnectionId, peer: SpiffeId) {
        self.now = now;
        if let Some(connection) = self.connection_mut(id) {
            connection.peer = Some(Arc::new(peer));
        }
        self.await_settings(id);
    }

    /// Injects panics: the `counts[0]`th time that `at` is passed from now on, the `counts[1]`th
    /// after that, and so on. Takes the place of what was asked for before.
    #[cfg(any(test, feature = "simulation"))]
    pub fn inject_panics(&self, at: crate::panic::failpoint::Failpoint, counts: &[u32]) {
        self.failpoints.arm(at, counts);
    }

    /// Does what one event of a connection asks for.
    fn for_connection(&mut self, id: ConnectionId, work: impl FnOnce(&mut Engine)) {
        self.scope = Scope::Connection(id);
        self.guarded(work);
        self.scope = Scope::None;
    }

    /// The id of a connection that could not be set up; the loop closes its socket.
    fn closed_at_birth(&mut self) -> ConnectionId {
        self.serials = self.serials.wrapping_add(1);
        let id = ConnectionId {
            serial: self.serials,
            ..ConnectionId::NONE
        };
        self.actions.push_back(Action::Close(id));
        id
    }

    pub(crate) fn insert_connection(
        &mut self,
        role: Role,
        transport: Transport,
        http2: http2::Connection,
    ) -> ConnectionId {
        self.serials = self.serials.wrapping_add(1);
        let serial = self.serials;
        let http2 = Codec::new(http2, self.failpoints.clone());
        let mut connection = Connection::new(serial, role, transport, http2);
        connection.lifetime.began_at = self.now;
        let slot = self.connections.insert(connection);
        ConnectionId {
            slot: slot as u32,
            serial,
        }
    }

    /// The connection of this id, if it is not gone: an event of the network or a timer may come late.
    pub(crate) fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections
            .get(id.slot as usize)
            .filter(|connection| connection.serial == id.serial)
    }

    /// As [`connection`](Engine::connection).
    pub(crate) fn connection_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections
            .get_mut(id.slot as usize)
            .filter(|connection| connection.serial == id.serial)
    }

    pub(crate) fn upstream_mut(
        &mut self,
        id: ConnectionId,
    ) -> Option<&mut crate::net::connection::Upstream> {
        self.connection_mut(id)?.upstream_mut()
    }

    /// The HTTP/2 half of a connection that exists; it will be flushed at the end of the turn.
    pub(crate) fn http2(&mut self, id: ConnectionId) -> Option<&mut Codec> {
        self.assert_sound(self.connection(id).is_some(), "a connection that is gone");
        self.mark_dirty(id);
        self.connection_mut(id)
            .map(|connection| &mut connection.http2)
    }

    pub(crate) fn cancel_connection_timer(&mut self, id: ConnectionId) {
        let timer: Option<TimerKey> = self
            .connection_mut(id)
            .and_then(|connection| connection.timer.take());
        if let Some(timer) = timer {
            self.timers.cancel(timer);
        }
    }
}
