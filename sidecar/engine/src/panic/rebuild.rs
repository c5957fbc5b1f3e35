//! After a panic: drops entries that point at calls or connections that no longer exist, and computes
//! all sums again.
//!
//! The truth is the slab of calls and the slab of connections; every other list and number of the
//! engine follows from them. Rare, so it may take as long as there are calls.

use std::rc::Rc;

use outrider_http2::{ErrorCode, StreamId};

use crate::call::{AttemptError, Call, Phase};
use crate::cluster::{ClusterState, EndpointState};
use crate::engine::Engine;
use crate::ids::{CallId, ConnectionId, Scope};
use crate::net::connection::Connection;
use crate::timers::Timer;

impl Engine {
    /// Makes the engine whole again. Called when nothing is lent out: between turns.
    pub(crate) fn rebuild_after_panic(&mut self) {
        self.rebuild_due = false;
        while let Some(id) = self.find_connection_where(Connection::is_damaged) {
            self.end_damaged_connection(id);
        }
        self.release_dangling_streams();
        self.end_lost_calls();
        self.drop_stale_timers();
        self.recount();
        self.calls.note_rebuilt();
    }

    fn find_connection_where(&self, test: fn(&Connection) -> bool) -> Option<ConnectionId> {
        let mut all = self.connections.iter();
        let (slot, found) = all.find(|(_, connection)| test(connection))?;
        Some(ConnectionId {
            slot: slot as u32,
            serial: found.serial,
        })
    }

    /// Streams and queues that name a call which is gone, or is not theirs.
    fn release_dangling_streams(&mut self) {
        let mut touched = Vec::new();
        let calls = &self.calls;
        for (slot, connection) in &mut self.connections {
            let id = ConnectionId {
                slot: slot as u32,
                serial: connection.serial,
            };
            let owner = |call: &CallId| calls.find(*call);
            let dangling: Vec<StreamId> = connection
                .streams
                .iter()
                .filter(|(stream, call)| !owner(call).is_some_and(|call| is_on(call, id, **stream)))
                .map(|(stream, _)| *stream)
                .collect();
            for stream in dangling {
                connection.streams.remove(&stream);
                touched.push((id, stream));
            }
            if let Some(upstream) = connection.upstream_mut() {
                upstream
                    .waiters
                    .retain(|call| owner(call).is_some_and(|call| waits_for(call, id)));
            }
        }
        for (id, stream) in touched {
            self.in_scope(Scope::Connection(id), |engine| {
                if let Some(http2) = engine.http2(id) {
                    http2.reset(stream, ErrorCode::InternalError);
                }
                engine.close_if_idle(id);
            });
        }
    }

    /// Calls whose connection is gone, at either end.
    fn end_lost_calls(&mut self) {
        let lost = |id: CallId, call: &Call| match &call.phase {
            Phase::Trying(attempt) => !self.is_known_to(id, call, attempt.connection),
            Phase::Admitted => true,
            Phase::Waiting(_) | Phase::BackingOff(_) => false,
        };
        let mut left = Vec::new();
        for (id, call) in self.calls.iter() {
            if self.connection(call.downstream).is_none() {
                left.push((id, None));
            } else if lost(id, call) {
                let words = "this sidecar has a bug that ended the attempt; its log says where";
                left.push((id, Some(AttemptError::lost(words.to_owned()))));
            }
        }
        for (id, error) in left {
            self.for_call(id, |engine| match error {
                Some(error) => engine.attempt_failed(id, &error),
                None => engine.cancelled(id),
            });
        }
    }

    /// Does the connection of a running attempt know of it?
    fn is_known_to(&self, id: CallId, call: &Call, connection: ConnectionId) -> bool {
        let Some(connection) = self.connection(connection) else {
            return false;
        };
        match call.upstream() {
            Some((_, stream)) => connection.streams.contains_key(&stream),
            None => connection
                .upstream()
                .is_some_and(|upstream| upstream.waiters.contains(&id)),
        }
    }

    /// Timers of what is gone.
    fn drop_stale_timers(&mut self) {
        let (calls, connections) = (&self.calls, &self.connections);
        let lives = |id: ConnectionId| {
            connections
                .get(id.slot as usize)
                .is_some_and(|connection| connection.serial == id.serial)
        };
        self.timers.retain(|key, timer| match timer {
            Timer::Deadline(id) => calls
                .find(id)
                .is_some_and(|call| call.deadline_timer == Some(key)),
            Timer::PerTry(id) | Timer::BackOff(id) | Timer::WaitOver(id) => calls
                .find(id)
                .is_some_and(|call| call.phase.timer() == Some(key)),
            Timer::Connect(id)
            | Timer::Handshake(id)
            | Timer::FinalGoaway(id)
            | Timer::Blocked(id)
            | Timer::Gather(id)
            | Timer::Maintain(id)
            | Timer::Block(id)
            | Timer::Linger(id) => lives(id),
            Timer::DrainOver | Timer::DrainPause => true,
            // Armed again with the lines.
            Timer::Lines => false,
        });
    }

    fn recount(&mut self) {
        self.replay_bytes = self
            .calls
            .iter()
            .map(|(_, call)| call.body.bytes.len())
            .sum();
        self.forget_lines();
        for cluster in self.every_cluster() {
            cluster.load.calls.set(0);
            cluster.load.waiting.set(0);
            cluster.load.lines.clear();
            for endpoint in &cluster.endpoints {
                endpoint.in_flight.set(0);
                endpoint.note_room();
                let mut known = endpoint.connections.borrow_mut();
                known.retain(|id| self.connection(*id).is_some());
            }
        }
        for (_, call) in self.calls.iter() {
            if let Phase::Trying(attempt) = &call.phase {
                attempt.endpoint.in_flight.set(0);
            }
        }
        for (_, call) in self.calls.iter() {
            count(call);
        }
        self.count_waits();
    }

    /// Every cluster that has a number to mend: those in force, and those that calls still hold.
    fn every_cluster(&self) -> Vec<Rc<ClusterState>> {
        let held = self
            .calls
            .iter()
            .filter_map(|(_, call)| call.cluster.clone());
        let app = self
            .configuration
            .app_route
            .iter()
            .flat_map(|route| route.clusters.iter().flatten().cloned());
        self.configuration
            .clusters
            .values()
            .cloned()
            .chain(app)
            .chain(held)
            .collect()
    }
}

/// Adds one call to what its cluster and its endpoint count.
fn count(call: &Call) {
    let more = |cell: &std::cell::Cell<u32>| cell.set(cell.get() + 1);
    let endpoint: Option<&EndpointState> = match &call.phase {
        Phase::Trying(attempt) => Some(&attempt.endpoint),
        Phase::Admitted | Phase::Waiting(_) | Phase::BackingOff(_) => None,
    };
    if let Some(endpoint) = endpoint {
        more(&endpoint.in_flight);
    }
    if let Some(cluster) = &call.cluster {
        if call.is_admitted() {
            more(&cluster.load.calls);
        }
        if call.phase.is_limited() {
            more(&cluster.load.waiting);
        }
    }
}

fn is_on(call: &Call, id: ConnectionId, stream: StreamId) -> bool {
    (call.downstream, call.stream) == (id, stream) || call.upstream() == Some((id, stream))
}

fn waits_for(call: &Call, id: ConnectionId) -> bool {
    match &call.phase {
        Phase::Trying(attempt) => attempt.stream.is_none() && attempt.connection == id,
        Phase::Admitted | Phase::Waiting(_) | Phase::BackingOff(_) => false,
    }
}
