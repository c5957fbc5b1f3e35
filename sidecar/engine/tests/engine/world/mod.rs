//! A world without sockets: engines, plain HTTP/2 peers and wires that deliver at once.
//!
//! Time moves only when a test says so. Delays, faults and seeds belong to the simulation; here a
//! test plays one exact sequence and looks at what every party saw.

mod authority;
pub mod mesh;
mod octets;
mod peer;

pub use authority::{Authority, WallClock};
pub use octets::fields;
pub use peer::{Peer, Seen};

use octets::{settings, without_connection_window};

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use outrider_engine::{Action, CallRecord, CloseCause, ConnectFailure, ConnectionId, Engine, Side};
use outrider_http2::{self as http2, WindowPool};
use outrider_policy::Tick;

/// An end of a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    Engine(usize, ConnectionId),
    Peer(usize),
}

#[derive(Default)]
pub struct World {
    pub now: Tick,
    pub engines: Vec<Engine>,
    pub peers: Vec<Peer>,
    pub records: Vec<CallRecord>,
    /// What engines asked for, in order.
    pub wanted: Vec<String>,
    wires: BTreeMap<End, End>,
    listeners: BTreeMap<SocketAddr, Listener>,
    /// Peers keep the connection window they begin with (65,535 octets) and never give any back.
    pub is_narrow: bool,
    /// Streams that servers at these addresses allow on each connection.
    pub streams_max: BTreeMap<SocketAddr, u32>,
    /// No engine gets a socket for another connection.
    pub is_short: bool,
    /// The engine whose sockets take nothing for now, and what it wants to write to.
    full: Option<usize>,
    unwritten: BTreeSet<ConnectionId>,
}

#[derive(Clone, Copy)]
enum Listener {
    Inbound(usize),
    Server,
    /// Drops whatever is sent to it.
    Hole,
}

impl World {
    pub fn engine(&mut self, engine: Engine) -> usize {
        self.engines.push(engine);
        self.engines.len() - 1
    }

    /// The inbound listener of `engine` is reachable at `address`.
    pub fn listen(&mut self, address: SocketAddr, engine: usize) {
        self.listeners.insert(address, Listener::Inbound(engine));
    }

    /// A serving application is reachable at `address`; each connection to it is a new peer.
    pub fn serve(&mut self, address: SocketAddr) {
        self.listeners.insert(address, Listener::Server);
    }

    /// Packets to `address` vanish.
    pub fn swallow(&mut self, address: SocketAddr) {
        self.listeners.insert(address, Listener::Hole);
    }

    /// Nobody listens at `address` any more.
    pub fn close(&mut self, address: SocketAddr) {
        self.listeners.remove(&address);
    }

    /// An application connects to the outbound listener of `engine`.
    pub fn connect(&mut self, engine: usize) -> usize {
        let address = "127.0.0.1:40000".parse().expect("an address");
        let id = self.engines[engine].accepted(self.now, Side::Outbound, address);
        let http2 = http2::Connection::client(http2::Config::default(), &WindowPool::new(0));
        let peer = self.peer(http2);
        self.wire(End::Peer(peer), End::Engine(engine, id));
        self.settle();
        peer
    }

    fn peer(&mut self, http2: http2::Connection) -> usize {
        self.peers.push(Peer::new(http2));
        self.peers.len() - 1
    }

    fn wire(&mut self, a: End, b: End) {
        self.wires.insert(a, b);
        self.wires.insert(b, a);
    }

    /// Time passes; what is due fires, in order.
    pub fn advance(&mut self, by: Duration) {
        let target = self.now + by;
        loop {
            self.settle();
            let due = self.engines.iter().filter_map(Engine::wake_at).min();
            match due.filter(|due| *due <= target) {
                Some(due) => self.now = self.now.max(due),
                None => break,
            }
            for engine in &mut self.engines {
                engine.tick(self.now);
            }
        }
        self.now = target;
        self.settle();
    }

    /// Delivers everything until nobody has anything to say.
    pub fn settle(&mut self) {
        let mut busy = true;
        while busy {
            busy = false;
            for engine in 0..self.engines.len() {
                while let Some(action) = self.engines[engine].next_action() {
                    busy = true;
                    self.act(engine, action);
                }
            }
            for peer in 0..self.peers.len() {
                busy |= self.flush_peer(peer);
            }
        }
    }

    fn act(&mut self, engine: usize, action: Action) {
        match action {
            Action::Connect { id, address } => self.dial(engine, id, address),
            Action::Write(id) if self.full == Some(engine) => {
                self.unwritten.insert(id);
            }
            Action::Write(id) => {
                let bytes = self.engines[engine].output(id).to_vec();
                self.engines[engine].written(self.now, id, bytes.len());
                self.deliver(End::Engine(engine, id), &bytes);
            }
            Action::Close(id) => {
                if let Some(other) = self.wires.remove(&End::Engine(engine, id)) {
                    self.wires.remove(&other);
                    if let End::Engine(other, id) = other {
                        self.engines[other].closed(self.now, id, CloseCause::Eof);
                    }
                }
            }
            Action::Read { .. } => {}
            Action::Want(name) => self.wanted.push(name),
            Action::Foreign { .. } => {}
            Action::Contained(what) => panic!("a panic was contained: {what:?}"),
            Action::Record(record) => self.records.push(*record),
        }
    }

    fn dial(&mut self, engine: usize, id: ConnectionId, address: SocketAddr) {
        if self.is_short {
            return self.engines[engine].connect_failed(self.now, id, ConnectFailure::NoSocket);
        }
        let far = match self.listeners.get(&address) {
            Some(Listener::Inbound(other)) => {
                let other = *other;
                let from = "127.0.0.1:50000".parse().expect("an address");
                End::Engine(
                    other,
                    self.engines[other].accepted(self.now, Side::Inbound, from),
                )
            }
            Some(Listener::Server) => {
                // It does not mind how many of its calls are cancelled.
                let mut config = http2::Config::default();
                config.resets.burst = 10_000;
                let http2 = http2::Connection::server(config, &WindowPool::new(0));
                End::Peer(self.peer(http2))
            }
            Some(Listener::Hole) => return,
            None => {
                return self.engines[engine].connect_failed(self.now, id, ConnectFailure::Refused);
            }
        };
        self.wire(End::Engine(engine, id), far);
        self.engines[engine].connected(self.now, id);
        if let Some(most) = self.streams_max.get(&address) {
            self.engines[engine].received(self.now, id, &settings(*most));
        }
    }

    fn flush_peer(&mut self, peer: usize) -> bool {
        let mut bytes = self.peers[peer].http2.output().to_vec();
        self.peers[peer].http2.written(bytes.len());
        if self.is_narrow {
            without_connection_window(&mut bytes);
        }
        if bytes.is_empty() || !self.wires.contains_key(&End::Peer(peer)) {
            return false;
        }
        self.deliver(End::Peer(peer), &bytes);
        true
    }

    fn deliver(&mut self, from: End, bytes: &[u8]) {
        match self.wires.get(&from).copied() {
            Some(End::Engine(engine, id)) => self.engines[engine].received(self.now, id, bytes),
            Some(End::Peer(peer)) => self.peers[peer].receive(self.now, bytes),
            None => {}
        }
    }

    /// The sockets of `engine` take nothing more, until [`World::thaw`].
    pub fn freeze(&mut self, engine: usize) {
        self.full = Some(engine);
    }

    /// Lets out what was kept since [`World::freeze`].
    pub fn thaw(&mut self) {
        let Some(engine) = self.full.take() else {
            return;
        };
        for id in std::mem::take(&mut self.unwritten) {
            self.act(engine, Action::Write(id));
        }
        self.settle();
    }

    /// A narrow peer gives back some of its connection's window after all.
    pub fn widen(&mut self, peer: usize, octets: u32) {
        let mut update = vec![0, 0, 4, 8, 0, 0, 0, 0, 0];
        update.extend(octets.to_be_bytes());
        self.deliver(End::Peer(peer), &update);
        self.settle();
    }

    /// A peer says these octets, whatever its own HTTP/2 thinks of them.
    pub fn say(&mut self, peer: usize, bytes: &[u8]) {
        self.deliver(End::Peer(peer), bytes);
        self.settle();
    }

    /// A server allows so many streams from now on.
    pub fn allow(&mut self, peer: usize, most: u32) {
        self.say(peer, &settings(most));
    }

    /// Is a peer still connected?
    pub fn is_connected(&self, peer: usize) -> bool {
        self.wires.contains_key(&End::Peer(peer))
    }

    /// Nothing goes to an engine any more, or comes from it, and nobody is told.
    pub fn sever(&mut self, engine: usize) {
        let is_its = |end: &End| matches!(end, End::Engine(other, _) if *other == engine);
        self.wires.retain(|a, b| !is_its(a) && !is_its(b));
    }

    /// A peer is gone without a word; who was at the other end of its wire.
    pub fn vanish(&mut self, peer: usize) -> Option<End> {
        let other = self.wires.remove(&End::Peer(peer))?;
        self.wires.remove(&other);
        Some(other)
    }

    /// Cuts a peer's wire as a reset.
    pub fn cut(&mut self, peer: usize) {
        if let Some(End::Engine(engine, id)) = self.vanish(peer) {
            self.engines[engine].closed(self.now, id, CloseCause::Reset);
        }
        self.settle();
    }
}
