//! Connections to endpoints: one each, another when all are full or blocked, up to a ceiling.
//!
//! Decides which connection an attempt gets, and what happens when one becomes ready, fails or must
//! not get new streams. Knows nothing of retries: a call whose connection fails is told so; and
//! nothing of lines: a call for which no connection has room is sent away.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use outrider_http2 as http2;
use outrider_policy::{Admission, Class, Reason};

use crate::call::{AttemptError, WaitKind, Waited};
use crate::cluster::{ClusterState, EndpointState};
use crate::config::Transport as Protection;
use crate::contract::{Action, ConnectFailure};
use crate::engine::Engine;
use crate::ids::{CallId, ConnectionId};
use crate::net::connection::{Connection, Role, Stage, Upstream};
use crate::net::tls::Transport;

/// How long no connection is added to those that an endpoint has when one could not be made: it
/// takes no more of them, and calls wait for what they have.
const NO_MORE_FOR: Duration = Duration::from_secs(5);

/// What the pool has for an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found {
    /// Open a stream now.
    Ready(ConnectionId),
    /// Wait for this connection, which is being made, or whose window is spent just now.
    Waiting(ConnectionId),
}

impl Engine {
    /// A connection to `endpoint` for one more call; `None` if it has no room for one.
    pub(crate) fn find_connection(
        &mut self,
        cluster: &Rc<ClusterState>,
        endpoint: &Rc<EndpointState>,
    ) -> Option<Found> {
        let known = endpoint.connections.borrow();
        let first = |fits: fn(&Connection) -> bool| {
            let mut known = known.iter().copied();
            known.find(|id| self.connection(*id).is_some_and(fits))
        };
        if let Some(ready) = first(Connection::is_usable) {
            return Some(Found::Ready(ready));
        }
        let making = first(Connection::has_room_to_wait);
        let stuck = first(Connection::may_move);
        let blocked = first(Connection::can_open);
        let may_add = known.is_empty()
            || known.len() < cluster.connections_max() && endpoint.takes_more(self.now);
        drop(known);
        let has_room = cluster.load.waiting.get() < cluster.config.policy.limits.waiting;
        match (making.or(stuck), blocked) {
            // A tenth of a second says whether its peer reads; a body sent before might never move.
            (Some(stuck), _) if making.is_none() && !has_room => Some(Found::Ready(stuck)),
            (Some(waited_for), _) => Some(Found::Waiting(waited_for)),
            (None, _) if may_add => Some(Found::Waiting(self.connect(cluster, endpoint))),
            // Slow is better than refused: what the peer takes next may be this call.
            (None, Some(blocked)) => Some(Found::Ready(blocked)),
            (None, None) => None,
        }
    }

    /// The call waits for a connection.
    pub(crate) fn await_connection(&mut self, id: CallId, connection: ConnectionId) {
        self.ticket(id);
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        if let Some(attempt) = call.attempt_mut() {
            attempt.connection = connection;
        }
        if let Some(cluster) = &call.cluster {
            cluster.load.waiting.set(cluster.load.waiting.get() + 1);
        }
        self.waiting[WaitKind::Connection as usize] += 1;
        let is_there = self.connection(connection).is_some();
        self.assert_sound(is_there, "a wait for a connection that is gone");
        if let Some(upstream) = self.upstream_mut(connection) {
            upstream.waiters.push_back(id);
        }
    }

    fn connect(
        &mut self,
        cluster: &Rc<ClusterState>,
        endpoint: &Rc<EndpointState>,
    ) -> ConnectionId {
        let config = http2::Config {
            peer_is_trusted: cluster.is_secured(),
            // A sidecar bears as many small frames as there are, and passes them on.
            coalesces: !cluster.is_secured(),
            ..self.settings.http2.clone()
        };
        let http2 = http2::Connection::client(config, &self.window_pool);
        let upstream = Upstream {
            cluster: Rc::clone(cluster),
            endpoint: Rc::clone(endpoint),
            stage: Stage::Connecting,
            is_slow: false,
            waiters: VecDeque::new(),
            blocked: false,
            blocked_timer: None,
            gather_timer: None,
            complaint: None,
        };
        let id =
            self.insert_connection(Role::Upstream(Box::new(upstream)), Transport::Plain, http2);
        self.time_beginning(id);
        endpoint.connections.borrow_mut().push(id);
        self.actions.push_back(Action::Connect {
            id,
            address: endpoint.address,
        });
        id
    }

    /// TCP is up: begins TLS where the cluster asks for it.
    pub(crate) fn socket_connected(&mut self, id: ConnectionId) {
        let Some(upstream) = self.upstream_mut(id) else {
            return;
        };
        let cluster = Rc::clone(&upstream.cluster);
        match &cluster.config.transport {
            Protection::Plaintext => {
                if !cluster.is_app {
                    self.counters.plaintext_connections[1] += 1;
                }
                self.await_settings(id);
            }
            Protection::MutualTls { peer } => {
                let made = match &self.material {
                    Some(material) => Transport::client(material, peer).map_err(|failure| failure.0),
                    None => Err("this sidecar has no certificate; start it with --certificate, --key and --trust-bundle".to_owned()),
                };
                match made {
                    Ok(transport) => self.begin_tls(id, transport),
                    Err(words) => self.connection_lost(id, &AttemptError::connect(words)),
                }
            }
        }
    }

    fn begin_tls(&mut self, id: ConnectionId, transport: Transport) {
        if let Some(connection) = self.connection_mut(id) {
            connection.transport = Some(transport);
        }
        self.await_settings(id);
    }

    /// The peer's SETTINGS come first: streams opened before they said how many may be open would
    /// be refused, and a call that cannot be repeated lost.
    pub(crate) fn await_settings(&mut self, id: ConnectionId) {
        if let Some(upstream) = self.upstream_mut(id) {
            upstream.stage = Stage::Greeting;
        }
        self.mark_dirty(id);
    }

    /// The peer's SETTINGS are in force; the first ones make the connection ready, later ones may let
    /// it have more streams.
    pub(crate) fn settings_changed(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        let streams_max = connection.http2.streams_max();
        let Some(upstream) = connection.upstream() else {
            return;
        };
        upstream.endpoint.streams_max.set(streams_max);
        if upstream.stage == Stage::Greeting {
            self.connection_ready(id);
        }
        self.room_behind(id);
    }

    /// Streams may be opened: the calls that waited get theirs.
    fn connection_ready(&mut self, id: ConnectionId) {
        self.cancel_connection_timer(id);
        let reached = self.upstream_mut(id).map(|upstream| {
            upstream.stage = Stage::Ready;
            (Rc::clone(&upstream.cluster), Rc::clone(&upstream.endpoint))
        });
        self.begin_lifetime(id);
        self.mark_dirty(id);
        self.send_waiting(id);
        if let Some((cluster, endpoint)) = reached {
            self.family_answered(&cluster, &endpoint);
            self.reached(&cluster);
        }
    }

    /// The calls that waited for this connection get their streams, as far as it has room and no call
    /// stands in line before them; the others find another, or stand in line too. Of those that are
    /// sent together those with the shortest bodies are first, because one long body may be all that
    /// the connection's window holds.
    pub(crate) fn send_waiting(&mut self, id: ConnectionId) {
        let mut waiters = self.take_waiters(id);
        waiters.sort_by_key(|call| self.calls.at(*call).map(|call| call.ticket));
        let is_first = |upstream: &Upstream| upstream.cluster.load.lines.room.is_empty();
        let room = match self.connection(id) {
            Some(found) if found.upstream().is_some_and(is_first) => found.http2.room(),
            Some(_) | None => 0,
        };
        let others = waiters.split_off(room.min(waiters.len()));
        let held = |call: &CallId| {
            let call = self.calls.at(*call);
            call.map_or(0, |call| call.body.bytes.len())
        };
        waiters.sort_by_key(held);
        for call in waiters {
            self.for_call(call, |engine| {
                engine.end_connection_wait(call, Waited::Answered);
                engine.send(call, id);
            });
        }
        self.attempt_each(others);
    }

    /// The calls that waited for this connection find another.
    pub(crate) fn attempt_waiters(&mut self, id: ConnectionId) {
        let waiters = self.take_waiters(id);
        self.attempt_each(waiters);
    }

    fn attempt_each(&mut self, waiters: Vec<CallId>) {
        for call in waiters {
            self.for_call(call, |engine| {
                engine.end_connection_wait(call, Waited::Answered);
                engine.attempt_elsewhere(call);
            });
        }
    }

    fn take_waiters(&mut self, id: ConnectionId) -> Vec<CallId> {
        let upstream = self.upstream_mut(id);
        upstream.map_or_else(Vec::new, |found| std::mem::take(&mut found.waiters).into())
    }

    /// The connection gets no new streams; it closes when its last call has ended. Calls that wait
    /// for it find another.
    pub(crate) fn retire(&mut self, id: ConnectionId) {
        let Some(upstream) = self.upstream_mut(id) else {
            return;
        };
        let unused = upstream.stage.is_beginning();
        upstream.stage = Stage::Retired;
        upstream
            .endpoint
            .connections
            .borrow_mut()
            .retain(|known| *known != id);
        self.attempt_waiters(id);
        self.room_behind(id);
        // Nothing was said on it: there is nothing to say goodbye to.
        if unused {
            self.forget_connection(id);
        } else {
            self.close_if_idle(id);
        }
    }

    /// A retired connection without calls says goodbye.
    pub(crate) fn close_if_idle(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        let retired = connection
            .upstream()
            .is_some_and(|upstream| upstream.stage == Stage::Retired);
        if retired && connection.streams.is_empty() && !connection.closing {
            connection
                .http2
                .goaway(http2::ErrorCode::NoError, http2::GoawayKind::Final);
            self.flush_and_close(id, None);
        }
    }

    /// A connection is gone: ends the attempt of every call on it or waiting for it.
    pub(crate) fn connection_lost(&mut self, id: ConnectionId, error: &AttemptError) {
        self.cancel_connection_timer(id);
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        connection.closing = true;
        let streams = std::mem::take(&mut connection.streams);
        let mut calls: Vec<_> = streams.into_iter().collect();
        calls.sort_unstable();
        let is_upstream = connection.upstream().is_some();
        let waiters = self.give_up_upstream(id);
        for (_, call) in calls {
            self.for_call(call, |engine| match is_upstream {
                true => engine.attempt_failed(call, error),
                false => engine.cancelled(call),
            });
        }
        let unprocessed = error.clone().unprocessed();
        for call in waiters {
            self.for_call(call, |engine| {
                engine.end_connection_wait(call, Waited::InVain);
                engine.attempt_failed(call, &unprocessed);
            });
        }
        self.room_behind(id);
        self.flush_and_close(id, None);
    }

    /// An upstream connection leaves its endpoint. Gives the calls that waited for it and fail with
    /// it: one that could not be made beside others that work is no reason to fail.
    fn give_up_upstream(&mut self, id: ConnectionId) -> Vec<CallId> {
        let now = self.now;
        let Some(upstream) = self.upstream_mut(id) else {
            return Vec::new();
        };
        let was_made = !upstream.stage.is_beginning();
        upstream.stage = Stage::Retired;
        let (cluster, endpoint) = (Rc::clone(&upstream.cluster), Rc::clone(&upstream.endpoint));
        endpoint
            .connections
            .borrow_mut()
            .retain(|known| *known != id);
        if !was_made && self.other_family(&cluster, &endpoint) {
            self.attempt_waiters(id);
            return Vec::new();
        }
        if was_made || !self.has_ready(&endpoint) {
            return self.take_waiters(id);
        }
        endpoint.no_more_until.set(now + NO_MORE_FOR);
        self.attempt_waiters(id);
        Vec::new()
    }

    /// Does a connection to it work?
    pub(crate) fn has_ready(&self, endpoint: &EndpointState) -> bool {
        let is_ready = |found: &Connection| {
            let upstream = found.upstream();
            upstream.is_some_and(|upstream| upstream.stage == Stage::Ready) && !found.closing
        };
        let known = endpoint.connections.borrow();
        known
            .iter()
            .any(|id| self.connection(*id).is_some_and(is_ready))
    }

    /// The loop could not connect.
    pub(crate) fn connect_failure(&mut self, id: ConnectionId, cause: ConnectFailure) {
        self.counters.connect_failures += 1;
        let reason = match cause {
            // Ours, so the endpoint keeps its good name: it would be out for seconds after the
            // descriptors are back.
            ConnectFailure::NoSocket => Reason::NoSocket,
            ConnectFailure::Refused | ConnectFailure::Unreachable | ConnectFailure::TimedOut => {
                self.blame_unattended(id);
                Reason::UpstreamFailed
            }
        };
        let error = AttemptError {
            reason,
            ..AttemptError::connect(cause.words().to_owned())
        };
        self.connection_lost(id, &error);
        self.forget_connection(id);
    }

    /// A connection that no call waits for any more failed: no attempt will report it, so it is reported
    /// here, or a dead endpoint would look unused and therefore good.
    fn blame_unattended(&mut self, id: ConnectionId) {
        let Some(upstream) = self.connection(id).and_then(Connection::upstream) else {
            return;
        };
        if upstream.waiters.is_empty() && !self.has_ready(&upstream.endpoint) {
            let (cluster, endpoint) = (Rc::clone(&upstream.cluster), Rc::clone(&upstream.endpoint));
            self.judge_endpoint(&cluster, &endpoint, Admission::Pass, Class::EndpointFault);
        }
    }

    /// A call leaves the queue of a connection that is being made.
    pub(crate) fn leave_queue(&mut self, id: CallId, connection: ConnectionId) {
        // An attempt that found no connection yet is in no queue.
        let Some(upstream) = self.upstream_mut(connection) else {
            return;
        };
        let before = upstream.waiters.len();
        upstream.waiters.retain(|waiter| *waiter != id);
        if upstream.waiters.len() < before {
            self.end_connection_wait(id, Waited::InVain);
            self.room_behind(connection);
        }
    }
}
