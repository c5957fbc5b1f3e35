//! Clients, engine and servers in one loop: who speaks when, and that every call ends well.
//!
//! A turn is what a worker's turn is: what arrived goes in, connection by connection, then the
//! engine's actions are done, one write per connection. Everything takes one virtual turn.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use outrider_engine::config::Settings;
use outrider_engine::{Action, ConnectionId, Outcome};
use outrider_http2::WindowPool;
use outrider_policy::{ConfigError, Tick};

use super::client::Client;
use super::measured::Measured;
use super::policies;
use super::server::Server;

/// Downstream connections.
const CONNECTIONS: u16 = 10;
/// Calls that each keeps in flight.
const STREAMS: usize = 10;
/// Virtual time between turns: what 100 calls take at about 2 us each, and some network.
const TURN: Duration = Duration::from_micros(250);
/// Any number, always the same.
const SEED: u64 = 0x0dd5_ba11;

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Calls that ended with OK and a whole body at their client.
    pub ended: u64,
    /// Records the engine made, all of calls answered by a server.
    pub records: u64,
    /// Attempts in those records.
    pub attempts: u64,
    /// Turns of the loop.
    pub turns: u64,
}

/// The scenario.
pub struct World {
    engine: Measured,
    clients: BTreeMap<ConnectionId, Client>,
    servers: BTreeMap<ConnectionId, Server>,
    pool: WindowPool,
    now: Tick,
    started: u64,
    totals: Totals,
}

impl World {
    /// Ten connected clients and a configured engine.
    ///
    /// # Errors
    /// The scenario's configuration is refused: it was not kept up with the rules.
    pub fn new() -> Result<World, ConfigError> {
        let pool = WindowPool::new(64 << 20);
        let mut engine = Measured::new(Settings::new("bench"), policies::snapshot()?, SEED);
        let clients = (0..CONNECTIONS)
            .map(|index| {
                let from = SocketAddr::from(([127, 0, 0, 1], 40_000 + index));
                (engine.accepted(Tick::ZERO, from), Client::new(&pool))
            })
            .collect();
        Ok(World {
            engine,
            clients,
            servers: BTreeMap::new(),
            pool,
            now: Tick::ZERO,
            started: 0,
            totals: Totals::default(),
        })
    }

    /// Runs until `calls` calls have started and all have ended.
    ///
    /// # Panics
    /// When a call is not answered with OK: the figure would be of something else.
    pub fn run(&mut self, calls: u64) -> Totals {
        while self.totals.ended < calls {
            self.turn(calls);
            assert!(
                self.totals.turns < 1_000 + calls,
                "stuck: {:?}",
                self.totals
            );
        }
        assert_eq!(self.totals.records, calls);
        assert_eq!(self.engine.calls(), 0);
        self.totals
    }

    fn turn(&mut self, calls: u64) {
        self.now = self.now + TURN;
        self.totals.turns += 1;
        for (id, client) in &mut self.clients {
            while client.open_calls() < STREAMS && self.started < calls {
                client.call(self.started);
                self.started += 1;
            }
            feed(&mut self.engine, self.now, *id, &client.output());
        }
        for (id, server) in &mut self.servers {
            feed(&mut self.engine, self.now, *id, &server.output());
        }
        self.engine.tick(self.now);
        while let Some(action) = self.engine.next_action() {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Connect { id, .. } => {
                self.servers.insert(id, Server::new(&self.pool));
                self.engine.connected(self.now, id);
            }
            Action::Write(id) => self.write(id),
            Action::Record(record) => {
                assert_eq!(record.outcome, Outcome::Answered, "{record:?}");
                self.totals.records += 1;
                self.totals.attempts += u64::from(record.attempts);
            }
            Action::Read { .. } => {}
            Action::Close(_) => panic!("a connection was closed"),
            Action::Want(name) => panic!("{name} is not known"),
            Action::Foreign { .. } => {}
            Action::Contained(what) => panic!("a panic was contained: {what:?}"),
        }
    }

    fn write(&mut self, id: ConnectionId) {
        let bytes = self.engine.output(id).to_vec();
        let now = Duration::from_nanos(self.now.as_nanos());
        if let Some(client) = self.clients.get_mut(&id) {
            self.totals.ended += client.receive(now, &bytes) as u64;
        } else if let Some(server) = self.servers.get_mut(&id) {
            server.receive(now, &bytes);
        }
        self.engine.written(self.now, id, bytes.len());
    }
}

fn feed(engine: &mut Measured, now: Tick, id: ConnectionId, bytes: &[u8]) {
    if !bytes.is_empty() {
        engine.received(now, id, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_takes_one_attempt_and_a_run_repeats_exactly() {
        let run = || World::new().unwrap().run(1_000);
        let totals = run();
        assert_eq!(totals.attempts, 1_000);
        assert_eq!(totals, run());
    }
}
