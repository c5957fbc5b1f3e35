//! Memory near its limit: new calls are refused, and what is held is given up, the largest first.
//!
//! How near the limit is, and how much to give up, is `policy`'s decision and is told here. What a
//! call holds is known here: its octets that no peer takes, its head, and what is kept for a retry;
//! and what is left of an answer when its call is over.
//! Calls that wait for a stalled reader go first; calls whose reader reads are spared for longest.

use std::cmp::Reverse;

use outrider_http2::StreamId;
use outrider_policy::{Pressure, Reason, Tick};

use crate::call::{AttemptError, Call};
use crate::engine::Engine;
use crate::ids::{CallId, ConnectionId, Scope};
use crate::net::connection::{Connection, Role};
use crate::refusal::Refusal;

/// What holds less is not worth a failed call. Bytes.
const HELD_BYTES_MIN: usize = 4 << 10;

/// A connection with as much unsent output as this has a peer that takes nothing. Bytes.
const UNSENT_BYTES_MIN: usize = 64 << 10;

/// What could be given up.
struct Buffered {
    what: Owner,
    bytes: usize,
    /// Some of it waits for a peer that does not take it.
    is_stalled: bool,
}

#[derive(Clone, Copy)]
enum Owner {
    Call(CallId),
    /// The rest of an answer whose call is over.
    Answer(ConnectionId, StreamId),
    /// A caller that takes nothing.
    Connection(ConnectionId),
}

impl Engine {
    /// From now on the process is so near its limit.
    pub fn pressure(&mut self, pressure: Pressure) {
        self.pressure = pressure;
    }

    /// What could be given up. Bytes.
    pub fn held_bytes(&self) -> usize {
        self.all_buffered()
            .iter()
            .map(|holding| holding.bytes)
            .sum()
    }

    /// Gives up what is held until no more than `bytes_max` are: stalled streams, then other calls,
    /// then connections that take nothing; of each the largest first. For the end of a turn, when all
    /// that sockets take is written.
    pub fn relieve(&mut self, now: Tick, bytes_max: usize) {
        self.now = now;
        let mut holdings = self.all_buffered();
        let mut held: usize = holdings.iter().map(|holding| holding.bytes).sum();
        if held <= bytes_max {
            return;
        }
        holdings.sort_by_key(|holding| Reverse((holding.rank(), holding.bytes)));
        for holding in holdings {
            if held <= bytes_max {
                return;
            }
            held -= holding.bytes;
            self.evict(holding.what);
        }
    }

    /// In no order.
    fn all_buffered(&self) -> Vec<Buffered> {
        let calls = self.calls.iter();
        let calls = calls.map(|(id, call)| self.buffered_by(id, call));
        let holdings = calls.chain(self.answers()).chain(self.unsent());
        holdings
            .filter(|holding| holding.bytes >= HELD_BYTES_MIN)
            .collect()
    }

    fn buffered_by(&self, id: CallId, call: &Call) -> Buffered {
        let queued = |at, stream| {
            let connection: Option<&Connection> = self.connection(at);
            connection.map_or(0, |connection| connection.http2.queued(stream))
        };
        let upstream = call.upstream();
        let stalled = queued(call.downstream, call.stream)
            + upstream.map_or(0, |(at, stream)| queued(at, stream));
        Buffered {
            what: Owner::Call(id),
            bytes: stalled
                + call.body.bytes.len()
                + call.request.size()
                + call.response.held_bytes(),
            is_stalled: stalled > 0,
        }
    }

    /// What waits on streams whose calls are over.
    fn answers(&self) -> impl Iterator<Item = Buffered> {
        self.connections.iter().flat_map(|(slot, connection)| {
            let id = connection.id(slot);
            let stalled = connection.http2.waiting();
            let answers = stalled.filter(|(stream, _)| !connection.streams.contains_key(stream));
            answers.map(move |(stream, bytes)| Buffered {
                what: Owner::Answer(id, stream),
                bytes,
                is_stalled: true,
            })
        })
    }

    /// Connections from callers with much unsent.
    fn unsent(&self) -> impl Iterator<Item = Buffered> {
        let connections = self.connections.iter();
        let downstream = connections
            .filter(|(_, connection)| matches!(connection.role, Role::Downstream { .. }));
        let unsent = downstream.map(|(slot, connection)| Buffered {
            what: Owner::Connection(connection.id(slot)),
            bytes: connection.output().len(),
            is_stalled: false,
        });
        unsent.filter(|holding| holding.bytes >= UNSENT_BYTES_MIN)
    }

    fn evict(&mut self, what: Owner) {
        match what {
            Owner::Call(id) => self.for_call(id, |engine| engine.end_for_memory(id)),
            Owner::Answer(id, stream) => self.in_scope(Scope::Connection(id), |engine| {
                engine.counters.relief_streams += 1;
                engine.reset_remains(id, stream);
            }),
            Owner::Connection(id) => {
                self.in_scope(Scope::Connection(id), |engine| engine.close_for_memory(id));
            }
        }
    }

    fn close_for_memory(&mut self, id: ConnectionId) {
        self.counters.relief_connections += 1;
        let words = "closed for want of memory: its peer takes nothing";
        self.connection_lost(id, &AttemptError::lost(words.to_owned()));
        self.forget_connection(id);
    }

    fn end_for_memory(&mut self, id: CallId) {
        self.counters.relief_streams += 1;
        let sentence = "ended for want of memory: this sidecar is near its limit";
        self.end_refused(id, Refusal::late(Reason::MemoryLimit, sentence));
    }
}

impl Buffered {
    /// Those of a higher one are given up first.
    fn rank(&self) -> u8 {
        match self.what {
            Owner::Call(_) | Owner::Answer(..) if self.is_stalled => 2,
            Owner::Call(_) | Owner::Answer(..) => 1,
            Owner::Connection(_) => 0,
        }
    }
}
