//! The loop: wait, tell the engine what happened, do what it asks, once around per turn.
//!
//! A turn in order: events noted, mailbox, accepts, connects, reads, timers, actions, writes. One
//! write per connection and turn, after everything of the turn was fed, so that many small frames
//! leave in one packet. At most [`READ_PER_TURN`] bytes of one connection are read before the
//! others have their turn.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Poll, Token};
use outrider_engine::{Action, CloseCause, ConnectFailure, ConnectionId, Engine, Side};
use outrider_policy::{ConnectionSide, Tick};
use tokio::sync::mpsc::Receiver;

use super::descriptors::{Descriptors, Permit};
use super::foreign_log::ForeignLog;
use super::listeners::{AcceptBudget, Listeners};
use super::mailbox::{Command, Heartbeat};
use super::memory::MemoryWatch;
use super::outbox::Outbox;
use super::sockets::{self, Progress, Sockets, WAKER};
use crate::clock::Clock;

/// Bytes read from one connection in one turn; `docs/ARCHITECTURE.md`, fairness.
const READ_PER_TURN: usize = 256 << 10;

/// Longest wait for an event, so that the heartbeat of an idle worker stays young.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Everything one worker owns.
pub struct Worker {
    pub clock: Clock,
    pub engine: Engine,
    pub poll: Poll,
    pub events: Events,
    pub listeners: Listeners,
    pub descriptors: Descriptors,
    pub memory: MemoryWatch,
    pub sockets: Sockets,
    pub foreign: ForeignLog,
    pub inbox: Receiver<Command>,
    pub outbox: Outbox,
    pub heartbeat: Heartbeat,
    /// Where every read lands first; its length is the most one read can take.
    pub buffer: Box<[u8]>,
}

/// What comes after a turn.
enum Next {
    Turn,
    Ended,
}

impl Worker {
    /// Turns until the engine has drained or the control thread is gone.
    ///
    /// # Errors
    /// When the poll fails, which leaves nothing to do.
    pub fn run(mut self) -> io::Result<()> {
        while let Next::Turn = self.turn()? {}
        self.outbox.flush();
        Ok(())
    }

    fn turn(&mut self) -> io::Result<Next> {
        self.wait()?;
        let now = self.clock.now();
        self.heartbeat.beat(now);
        self.watch_memory(now);
        let connects = self.note_events(now);
        let next = self.obey(now);
        self.accept(now);
        connects
            .into_iter()
            .for_each(|key| self.check_connect(now, key));
        self.read(now);
        self.engine.tick(now);
        self.act(now);
        self.write(now);
        self.act(now);
        self.relieve_memory(now);
        if self.engine.is_outbound_told() {
            self.listeners.close(Side::Outbound);
        }
        self.outbox.tick(now);
        self.sockets.close_overdue(now);
        self.memory.give_back(now);
        // Looked at last: the turn that closes the last connection is the last one.
        Ok(
            if self.engine.is_drained() && self.sockets.none_lingering() {
                Next::Ended
            } else {
                next
            },
        )
    }

    fn wait(&mut self) -> io::Result<()> {
        let timeout = self.timeout();
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            result => result,
        }
    }

    fn timeout(&self) -> Duration {
        if self.sockets.any_listed() {
            return Duration::ZERO;
        }
        let due = [
            self.engine.wake_at(),
            self.listeners.wake_at(),
            self.memory.wake_at(),
            self.outbox.wake_at(),
            self.sockets.wake_at(),
        ];
        let Some(due) = due.into_iter().flatten().min() else {
            return WAIT_MAX;
        };
        due.since(self.clock.now()).min(WAIT_MAX)
    }

    /// Remembers what the poll said; returns the outgoing connections to look at.
    fn note_events(&mut self, now: Tick) -> Vec<usize> {
        let mut connects = Vec::new();
        for event in &self.events {
            if event.token() == WAKER || self.listeners.note(event.token()) {
                continue;
            }
            let Token(key) = event.token();
            let Some(socket) = self.sockets.by_key(key) else {
                continue;
            };
            socket.note(event);
            if socket.connecting {
                connects.push(key);
            } else if event.is_error() && !socket.reading && socket.lingering.is_none() {
                // Nobody would read the error while back-pressure holds the reads.
                self.engine.closed(now, socket.id, CloseCause::Reset);
            }
            self.sockets.list_to_read(key);
            self.sockets.list_to_write(key);
        }
        connects
    }

    fn obey(&mut self, now: Tick) -> Next {
        use tokio::sync::mpsc::error::TryRecvError;
        loop {
            match self.inbox.try_recv() {
                Ok(Command::Configure(snapshot)) => self.engine.configure(now, snapshot),
                Ok(Command::Identity(material)) => self.engine.identity(now, material),
                Ok(Command::Drain(deadline)) => {
                    // The application may need calls of its own to finish what it serves.
                    self.listeners.close(Side::Inbound);
                    self.engine.drain(now, deadline);
                }
                Ok(Command::Gauges(asked)) => {
                    let gauges = self.engine.gauges();
                    self.outbox.gauges(gauges, asked);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Next::Ended,
            }
        }
        Next::Turn
    }

    fn watch_memory(&mut self, now: Tick) {
        if let Some(pressure) = self.memory.look(now) {
            self.engine.pressure(pressure);
        }
    }

    /// Runs after the writes: bytes still buffered belong to peers that are not reading.
    fn relieve_memory(&mut self, now: Tick) {
        let Worker { memory, engine, .. } = self;
        if let Some(keep) = memory.relief(now, || engine.held_bytes()) {
            engine.relieve(now, keep);
            self.act(now);
        }
    }

    fn accept(&mut self, now: Tick) {
        let Worker {
            listeners,
            descriptors,
            memory,
            sockets,
            engine,
            poll,
            ..
        } = self;
        let budget = AcceptBudget {
            descriptors,
            pressure: memory.pressure(),
        };
        listeners.accept(now, budget, |side, stream, peer| {
            let name = || engine.accepted(now, side, peer);
            match sockets.insert(poll.registry(), stream, false, name) {
                Ok(id) if engine.is_between_sidecars(id) => sockets.expect_acknowledgements(id),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(side = side.name(), %error, "an accepted connection was dropped");
                }
            }
        });
    }

    fn check_connect(&mut self, now: Tick, key: usize) {
        let Some(socket) = self.sockets.by_key(key) else {
            return;
        };
        let id = socket.id;
        match sockets::progress(&socket.stream) {
            Progress::Waiting => {}
            Progress::Connected => {
                socket.connecting = false;
                self.engine.connected(now, id);
                self.sockets.list_to_read(key);
                self.sockets.list_to_write(key);
            }
            Progress::Failed(cause) => {
                self.sockets.close(id);
                self.engine.connect_failed(now, id, cause);
            }
        }
    }

    fn read(&mut self, now: Tick) {
        for key in self.sockets.take_to_read() {
            if self.sockets.discard(key, &mut self.buffer) {
                continue;
            }
            match self.read_one(now, key) {
                // The engine answers with `Close`, before anything is listed again.
                Some((id, how)) => self.engine.closed(now, id, how),
                // Unfinished, it goes on in the next turn, after the others.
                None => self.sockets.list_to_read(key),
            }
            // One turn may take in more than there is room for.
            if self.memory.is_limited() {
                self.watch_memory(self.clock.now());
            }
        }
    }

    /// Reads one connection's share of the turn; says when the connection is over and how.
    fn read_one(&mut self, now: Tick, key: usize) -> Option<(ConnectionId, CloseCause)> {
        let socket = self.sockets.by_key(key)?;
        let mut taken = 0;
        while taken < READ_PER_TURN {
            match socket.stream.read(&mut self.buffer) {
                Ok(0) => return Some((socket.id, CloseCause::Eof)),
                Ok(length) => {
                    taken += length;
                    self.engine.received(now, socket.id, &self.buffer[..length]);
                    // A short read has emptied the socket (epoll(7)), unless its end waits too.
                    if length < self.buffer.len() && !socket.ending {
                        socket.readable = false;
                        return None;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    socket.readable = false;
                    return None;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Some((socket.id, ending(&error))),
            }
        }
        None
    }

    /// Does all the engine asks; writes are only listed, `write` does them at the end of the turn.
    fn act(&mut self, now: Tick) {
        while let Some(action) = self.engine.next_action() {
            match action {
                Action::Write(id) => self.want_write(id),
                Action::Read { id, on } => self.set_reading(id, on),
                Action::Connect { id, address } => self.connect(now, id, address),
                Action::Close(id) => self.sockets.close_gently(now, id),
                Action::Want(name) => self.outbox.want(now, name),
                Action::Record(record) => self.outbox.record(now, record),
                Action::Foreign {
                    side,
                    peer,
                    foreign,
                } => self.foreign.note(now, side, peer, foreign),
                Action::Contained(what) => {
                    tracing::error!(ended = what.name(), "a panic was contained");
                }
            }
        }
    }

    fn want_write(&mut self, id: ConnectionId) {
        let Some(key) = self.sockets.key(id) else {
            return;
        };
        if let Some(socket) = self.sockets.by_key(key) {
            socket.writing = true;
        }
        self.sockets.list_to_write(key);
    }

    fn set_reading(&mut self, id: ConnectionId, on: bool) {
        let Some(key) = self.sockets.key(id) else {
            return;
        };
        if let Some(socket) = self.sockets.by_key(key) {
            socket.reading = on;
        }
        self.sockets.list_to_read(key);
    }

    fn connect(&mut self, now: Tick, id: ConnectionId, address: SocketAddr) {
        let permit = self.descriptors.permit(ConnectionSide::Upstream);
        let connected = permit.ok_or(ConnectFailure::NoSocket).and_then(|permit| {
            let stream = sockets::connect(address)?;
            self.take_connecting((stream, permit), id)
        });
        if let Err(cause) = connected {
            self.engine.connect_failed(now, id, cause);
        }
    }

    fn take_connecting(
        &mut self,
        stream: (TcpStream, Permit),
        id: ConnectionId,
    ) -> Result<(), ConnectFailure> {
        let inserted = self
            .sockets
            .insert(self.poll.registry(), stream, true, || id);
        let id = inserted.map_err(|error| sockets::connect_failure(&error))?;
        if self.engine.is_between_sidecars(id) {
            self.sockets.expect_acknowledgements(id);
        }
        Ok(())
    }

    fn write(&mut self, now: Tick) {
        for key in self.sockets.take_to_write() {
            if let Some((id, how)) = self.write_one(now, key) {
                self.engine.closed(now, id, how);
            }
        }
    }

    /// Writes one connection's output once; says when the connection is over and how.
    fn write_one(&mut self, now: Tick, key: usize) -> Option<(ConnectionId, CloseCause)> {
        let socket = self.sockets.by_key(key)?;
        let output = self.engine.output(socket.id);
        if output.is_empty() {
            socket.writing = false;
            return None;
        }
        let length = output.len();
        match socket.stream.write(output) {
            Ok(count) => {
                // A short write has filled the socket: its next edge goes on with the rest.
                socket.writing = count < length;
                socket.writable = count == length;
                self.engine.written(now, socket.id, count);
                None
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                socket.writable = false;
                None
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                self.sockets.list_to_write(key);
                None
            }
            Err(error) => Some((socket.id, ending(&error))),
        }
    }
}

fn ending(error: &io::Error) -> CloseCause {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
            CloseCause::Reset
        }
        _ => CloseCause::Error,
    }
}

#[cfg(test)]
mod tests;
