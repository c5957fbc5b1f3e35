//! Connections to endpoints: one each, another when all are full or blocked, at most sixteen.
//!
//! Decides which connection an attempt gets, and what happens when one becomes ready, fails or must
//! not get new streams. Knows nothing of retries: a call whose connection fails is told so.

use std::collections::VecDeque;
use std::rc::Rc;

use outrider_http2 as http2;
use outrider_policy::{Admission, Class};

use crate::call::{AttemptError, CallId};
use crate::cluster::{ClusterState, EndpointState};
use crate::config::Transport as Protection;
use crate::connection::{Connection, Role, Stage, Upstream};
use crate::contract::{Action, ConnectFailure, ConnectionId};
use crate::engine::Engine;
use crate::refusal::Reason;
use crate::tls::Transport;

/// Connections per endpoint and worker.
const CONNECTIONS_MAX: usize = 16;

/// What the pool has for an attempt.
pub(crate) enum Found {
    /// Open a stream now.
    Ready(ConnectionId),
    /// The call is queued on a connection that is being made, or whose window is spent just now.
    Waiting(ConnectionId),
    /// All connections are full.
    Full,
}

impl Engine {
    /// A connection to `endpoint` for the call `id`.
    pub(crate) fn find_connection(
        &mut self,
        id: CallId,
        cluster: &Rc<ClusterState>,
        endpoint: &Rc<EndpointState>,
    ) -> Found {
        let known = endpoint.connections.borrow();
        let first = |fits: fn(&Connection) -> bool| {
            let mut known = known.iter().copied();
            known.find(|id| self.connection(*id).is_some_and(fits))
        };
        if let Some(ready) = first(Connection::is_usable) {
            return Found::Ready(ready);
        }
        let making = first(Connection::has_room_to_wait);
        let stuck = first(Connection::may_move);
        let blocked = first(Connection::can_open);
        let count = known.len();
        drop(known);
        let has_room = cluster.load.waiting.get() < cluster.config.policy.limits.waiting_max;
        let connection = match (making.or(stuck), blocked) {
            // A tenth of a second says whether its peer reads; a body sent before might never move.
            (Some(stuck), _) if making.is_none() && !has_room => return Found::Ready(stuck),
            (Some(waited_for), _) => waited_for,
            (None, _) if count < CONNECTIONS_MAX => self.connect(cluster, endpoint),
            // Slow is better than refused: what the peer takes next may be this call.
            (None, Some(blocked)) => return Found::Ready(blocked),
            (None, None) => return Found::Full,
        };
        if let Some(upstream) = self.upstream_mut(connection) {
            upstream.waiters.push_back(id);
        }
        Found::Waiting(connection)
    }

    fn connect(
        &mut self,
        cluster: &Rc<ClusterState>,
        endpoint: &Rc<EndpointState>,
    ) -> ConnectionId {
        let config = http2::Config {
            peer_is_trusted: cluster.is_secured(),
            ..self.settings.http2.clone()
        };
        let http2 = http2::Connection::client(config, &self.window_pool);
        let upstream = Upstream {
            cluster: Rc::clone(cluster),
            endpoint: Rc::clone(endpoint),
            stage: Stage::Connecting,
            waiters: VecDeque::new(),
            blocked: false,
            blocked_timer: None,
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

    /// The peer's SETTINGS are in force; the first ones make the connection ready.
    pub(crate) fn settings_changed(&mut self, id: ConnectionId) {
        if self
            .upstream_mut(id)
            .is_some_and(|upstream| upstream.stage == Stage::Greeting)
        {
            self.connection_ready(id);
        }
    }

    /// Streams may be opened: the calls that waited get theirs.
    fn connection_ready(&mut self, id: ConnectionId) {
        self.cancel_connection_timer(id);
        if let Some(upstream) = self.upstream_mut(id) {
            upstream.stage = Stage::Ready;
        }
        self.begin_life(id);
        self.mark_dirty(id);
        self.send_waiting(id);
    }

    /// The calls that waited for this connection get their streams: first those with the shortest
    /// bodies, because one long body may be all that the connection's window holds.
    pub(crate) fn send_waiting(&mut self, id: ConnectionId) {
        let mut waiters = self.take_waiters(id);
        let held = |call: &CallId| {
            let call = self.calls.get(call.0 as usize);
            call.map_or(0, |call| call.body.bytes.len())
        };
        waiters.make_contiguous().sort_by_key(held);
        for call in waiters {
            self.tell(call, |engine| {
                engine.stop_waiting(call);
                engine.send(call, id);
            });
        }
    }

    /// The calls that waited for this connection find another.
    pub(crate) fn place_waiting(&mut self, id: ConnectionId) {
        for call in self.take_waiters(id) {
            self.tell(call, |engine| {
                engine.stop_waiting(call);
                engine.place_anew(call);
            });
        }
    }

    fn take_waiters(&mut self, id: ConnectionId) -> VecDeque<CallId> {
        let upstream = self.upstream_mut(id);
        upstream.map_or_else(VecDeque::new, |found| std::mem::take(&mut found.waiters))
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
        self.place_waiting(id);
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

    /// A connection is gone: every call on it, or waiting for it, is told.
    pub(crate) fn connection_lost(&mut self, id: ConnectionId, error: &AttemptError) {
        self.cancel_connection_timer(id);
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        connection.closing = true;
        let streams = std::mem::take(&mut connection.streams);
        let mut calls: Vec<_> = streams.into_iter().collect();
        calls.sort_unstable();
        let waiters = match &mut connection.role {
            Role::Upstream(upstream) => {
                upstream.stage = Stage::Retired;
                upstream
                    .endpoint
                    .connections
                    .borrow_mut()
                    .retain(|known| *known != id);
                std::mem::take(&mut upstream.waiters)
            }
            Role::Downstream { .. } => VecDeque::new(),
        };
        let is_upstream = connection.upstream().is_some();
        for (_, call) in calls {
            self.tell(call, |engine| match is_upstream {
                true => engine.attempt_failed(call, error),
                false => engine.cancelled(call),
            });
        }
        let unprocessed = error.clone().unprocessed();
        for call in waiters {
            self.tell(call, |engine| {
                engine.stop_waiting(call);
                engine.attempt_failed(call, &unprocessed);
            });
        }
        self.flush_and_close(id, None);
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

    /// A connection that nobody waits for any more failed: no attempt will say so, so it is said
    /// here, or a dead endpoint would look unused and therefore good.
    fn blame_unattended(&mut self, id: ConnectionId) {
        let Some(upstream) = self.connection(id).and_then(Connection::upstream) else {
            return;
        };
        if upstream.waiters.is_empty() {
            let (cluster, endpoint) = (Rc::clone(&upstream.cluster), Rc::clone(&upstream.endpoint));
            self.judge_endpoint(&cluster, &endpoint, Admission::Pass, Class::EndpointFault);
        }
    }

    /// One call less waits for this one's cluster.
    pub(crate) fn stop_waiting(&mut self, id: CallId) {
        if let Some(cluster) = self
            .calls
            .get(id.0 as usize)
            .and_then(|call| call.cluster.as_ref())
        {
            let waiting = &cluster.load.waiting;
            waiting.set(waiting.get().saturating_sub(1));
        }
    }

    /// A call leaves the queue of a connection that is being made.
    pub(crate) fn leave_queue(&mut self, id: CallId, connection: ConnectionId) {
        let Some(upstream) = self.upstream_mut(connection) else {
            return;
        };
        let before = upstream.waiters.len();
        upstream.waiters.retain(|waiter| *waiter != id);
        if upstream.waiters.len() < before {
            self.stop_waiting(id);
        }
    }
}
