//! The border of the measurement: every entry into the engine, and nothing else.
//!
//! callgrind counts only while one of these methods is on the stack (`--toggle-collect`, see
//! `bench/gate.sh`), so they are never inlined and never call each other.

use std::net::SocketAddr;
use std::sync::Arc;

use outrider_engine::config::{Settings, Snapshot};
use outrider_engine::{Action, ConnectionId, Engine, Side};
use outrider_policy::Tick;

/// An engine whose work is counted.
pub struct Measured(Engine);

impl Measured {
    /// A configured outbound engine.
    pub fn new(settings: Settings, snapshot: Snapshot, seed: u64) -> Measured {
        let mut engine = Engine::new(settings, seed);
        engine.configure(Tick::ZERO, Arc::new(snapshot));
        Measured(engine)
    }

    /// A downstream connection.
    #[inline(never)]
    pub fn accepted(&mut self, now: Tick, from: SocketAddr) -> ConnectionId {
        self.0.accepted(now, Side::Outbound, from)
    }

    /// An upstream connection is up.
    #[inline(never)]
    pub fn connected(&mut self, now: Tick, id: ConnectionId) {
        self.0.connected(now, id);
    }

    /// Bytes came in.
    #[inline(never)]
    pub fn received(&mut self, now: Tick, id: ConnectionId, bytes: &[u8]) {
        self.0.received(now, id, bytes);
    }

    /// A turn of the loop begins.
    #[inline(never)]
    pub fn tick(&mut self, now: Tick) {
        self.0.tick(now);
    }

    /// What is there to do.
    #[inline(never)]
    pub fn next_action(&mut self) -> Option<Action> {
        self.0.next_action()
    }

    /// The socket took these bytes.
    #[inline(never)]
    pub fn written(&mut self, now: Tick, id: ConnectionId, count: usize) {
        self.0.written(now, id, count);
    }

    /// Bytes for the socket. A view, so not part of the figure.
    pub fn output(&self, id: ConnectionId) -> &[u8] {
        self.0.output(id)
    }

    /// Calls alive.
    pub fn calls(&self) -> usize {
        self.0.gauges().calls
    }
}
