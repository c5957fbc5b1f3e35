//! Which connection an attempt gets: one for each endpoint, another when all are full, blocked or
//! crowded, up to a ceiling.

use std::rc::Rc;

use crate::cluster::{ClusterState, EndpointState};
use crate::engine::Engine;
use crate::ids::ConnectionId;
use crate::net::connection::Connection;

/// Open streams from which on a connection is crowded: a server reads their heads, and sends their
/// answers, before those of a call that comes behind them.
const CROWD_STREAMS: usize = 512;

/// A caller with fewer open streams is kept out of crowds that others make.
const FEW_STREAMS: usize = 128;

/// What the pool has for an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found {
    /// Open a stream now.
    Ready(ConnectionId),
    /// Wait for this connection, which is being made, or whose window is spent just now.
    Waiting(ConnectionId),
}

impl Engine {
    /// A connection to `endpoint` for one more call of `caller`; `None` if it has no room for one.
    pub(crate) fn find_connection(
        &mut self,
        cluster: &Rc<ClusterState>,
        endpoint: &Rc<EndpointState>,
        caller: ConnectionId,
    ) -> Option<Found> {
        self.avoid_crowds(cluster, endpoint, caller)
            .or_else(|| self.find_any_connection(cluster, endpoint))
    }

    /// A connection that is not crowded, for a caller that has few streams. If all are crowded, another
    /// one is made: until it is ready the call goes with the others.
    fn avoid_crowds(
        &mut self,
        cluster: &Rc<ClusterState>,
        endpoint: &Rc<EndpointState>,
        caller: ConnectionId,
    ) -> Option<Found> {
        let open_streams = |id| {
            let connection = self.connection(id);
            connection.map_or(0, |connection| connection.http2.open_streams())
        };
        let known = endpoint.connections.borrow();
        let is_crowded = |id: &&ConnectionId| open_streams(**id) >= CROWD_STREAMS;
        if !known.iter().any(|id| is_crowded(&id)) || open_streams(caller) >= FEW_STREAMS {
            return None;
        }
        let mut others = known.iter().filter(|id| !is_crowded(id)).copied();
        let usable = |id: &ConnectionId| self.connection(*id).is_some_and(Connection::is_usable);
        if let Some(ready) = others.clone().find(usable) {
            return Some(Found::Ready(ready));
        }
        let is_alone = others.next().is_none();
        let may_add = known.len() < cluster.connections_max() && endpoint.takes_more(self.now);
        drop(known);
        if is_alone && may_add {
            self.connect(cluster, endpoint);
        }
        None
    }

    fn find_any_connection(
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
}
