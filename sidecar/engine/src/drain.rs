//! Draining: what is in flight is finished, nothing new is begun, then the process may end.
//!
//! Inbound connections first, in the two steps of RFC 9113 6.8. The own application keeps its outbound
//! side for as long as anything is to be finished: finishing a call may need calls of its own, and an
//! application that is still there cannot know that its sidecar has begun to leave. So its connections
//! are told, and its listener is closed, when the inbound side is gone and no call is under way, or when
//! the drain's time is over.

use std::time::Duration;

use outrider_http2::{ErrorCode, GoawayKind};
use outrider_policy::Tick;

use crate::call::CallId;
use crate::connection::{DrainStep, Role};
use crate::contain::Subject;
use crate::contract::{ConnectionId, Side};
use crate::engine::Engine;
use crate::refusal::{Reason, Refusal};
use crate::timers::Timer;

/// A peer that does not answer the ping of the first step gets the second after this long.
const NOTICE_PATIENCE: Duration = Duration::from_secs(1);

/// What the ping behind the notice says.
const NOTICE: [u8; 8] = *b"outrider";

/// A drain under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drain {
    /// Which side's connections were told so far.
    told: Told,
    /// When what still runs is refused.
    deadline: Tick,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Inbound,
    Both,
    /// Both, and the deadline has passed: whatever is still here is closed.
    Over,
}

impl Engine {
    /// Begins to drain (SIGTERM). At `deadline` calls that still run are refused with UNAVAILABLE.
    pub fn drain(&mut self, now: Tick, deadline: Tick) {
        self.now = now;
        if self.drain.is_some() {
            return;
        }
        self.drain = Some(Drain {
            told: Told::Inbound,
            deadline,
        });
        self.timers.arm(deadline, Timer::DrainOver);
        self.notice_all(Side::Inbound);
        self.advance_drain();
    }

    /// Nothing is left of a drain that was begun.
    pub fn is_drained(&self) -> bool {
        self.is_outbound_told()
            && self.calls.is_empty()
            && !self.has_downstream(Side::Inbound)
            && !self.has_downstream(Side::Outbound)
    }

    /// The own application was told to go, too: nothing is left to finish. A new connection of its would
    /// be told at once, so its listener had better be closed.
    pub fn is_outbound_told(&self) -> bool {
        self.drain.is_some_and(|drain| drain.told != Told::Inbound)
    }

    /// A connection that comes while its side is being drained is told what the others were.
    pub(crate) fn accepted_late(&mut self, id: ConnectionId, side: Side) {
        let Some(drain) = self.drain else { return };
        match (drain.told, side) {
            (Told::Inbound, Side::Outbound) => {}
            (Told::Inbound, Side::Inbound) | (Told::Both, _) => self.notice(id),
            (Told::Over, _) => self.final_goaway(id),
        }
    }

    fn notice_all(&mut self, side: Side) {
        for id in self.downstream_ids(side) {
            self.about(Subject::Connection(id), |engine| engine.notice(id));
        }
    }

    /// The first step: no new streams, please; those under way are still taken.
    pub(crate) fn notice(&mut self, id: ConnectionId) {
        let role = self.connection(id).map(|connection| &connection.role);
        if let Some(Role::Downstream { drain, .. }) = role
            && *drain != DrainStep::Open
        {
            // It knows: a last id that was said is never taken back (RFC 9113 6.8).
            return;
        }
        let timer = self
            .timers
            .arm(self.now + NOTICE_PATIENCE, Timer::FinalGoaway(id));
        self.cancel_connection_timer(id);
        let Some(connection) = self.connection_mut(id) else {
            return self.timers.cancel(timer);
        };
        connection.timer = Some(timer);
        connection
            .http2
            .goaway(ErrorCode::NoError, GoawayKind::Notice);
        connection.http2.ping(NOTICE);
        if let Role::Downstream { drain, .. } = &mut connection.role {
            *drain = DrainStep::Noticed;
        }
        self.mark_dirty(id);
    }

    /// The peer answered the ping, so it has seen the notice: streams it opens now are its fault.
    pub(crate) fn drain_pong(&mut self, id: ConnectionId, payload: [u8; 8]) {
        let noticed = payload == NOTICE
            && self.connection(id).is_some_and(|connection| {
                matches!(
                    connection.role,
                    Role::Downstream {
                        drain: DrainStep::Noticed,
                        ..
                    }
                )
            });
        if noticed {
            self.cancel_connection_timer(id);
            self.final_goaway(id);
        }
    }

    /// The second step: the last stream is named, the connection ends with it.
    pub(crate) fn final_goaway(&mut self, id: ConnectionId) {
        self.cancel_connection_timer(id);
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        connection
            .http2
            .goaway(ErrorCode::NoError, GoawayKind::Final);
        if let Role::Downstream { drain, .. } = &mut connection.role {
            *drain = DrainStep::Final;
        }
        self.mark_dirty(id);
        self.drained_of(id);
    }

    /// A call left this downstream connection, or its peer took something: one that was told to go
    /// closes with its last stream. A call has left once its answer is queued; the stream is over
    /// when the peer's windows have let all of it out, and the peer has until the drain's deadline
    /// for that, if it is a drain.
    pub(crate) fn drained_of(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        let last = matches!(
            connection.role,
            Role::Downstream {
                drain: DrainStep::Final,
                ..
            }
        );
        let is_over = connection.http2.open_streams() == 0
            || self.drain.is_some_and(|drain| drain.told == Told::Over);
        if last && connection.streams.is_empty() && is_over && !connection.closing {
            self.flush_and_close(id, self.drain.map(|drain| drain.deadline));
        }
    }

    /// Goes on with the outbound side once the inbound one is gone and nothing is under way. Called when
    /// a connection goes, and when a call ends.
    pub(crate) fn advance_drain(&mut self) {
        let inbound_only = self.drain.is_some() && !self.is_outbound_told();
        if !inbound_only || !self.calls.is_empty() || self.has_downstream(Side::Inbound) {
            return;
        }
        if let Some(drain) = &mut self.drain {
            drain.told = Told::Both;
        }
        self.notice_all(Side::Outbound);
    }

    /// The drain's time is over: the rest is refused.
    pub(crate) fn drain_over(&mut self) {
        if let Some(drain) = &mut self.drain {
            drain.told = Told::Over;
        }
        let calls: Vec<_> = self
            .calls
            .iter()
            .map(|(slot, _)| CallId(slot as u32))
            .collect();
        for id in calls {
            let refusal = Refusal::early(
                Reason::Draining,
                "this sidecar is shutting down and its drain time is over",
            );
            let sent = self
                .calls
                .get(id.0 as usize)
                .is_some_and(|call| call.sent > 0);
            let refusal = Refusal {
                unprocessed: !sent,
                ..refusal
            };
            self.tell(id, |engine| engine.end_refused(id, refusal));
        }
        for side in [Side::Inbound, Side::Outbound] {
            for id in self.downstream_ids(side) {
                self.about(Subject::Connection(id), |engine| engine.final_goaway(id));
            }
        }
    }

    fn downstream_ids(&self, wanted: Side) -> Vec<ConnectionId> {
        let of_side =
            |(slot, connection): (usize, &crate::connection::Connection)| match connection.role {
                Role::Downstream { side, .. } if side == wanted && !connection.closing => {
                    Some(ConnectionId {
                        slot: slot as u32,
                        serial: connection.serial,
                    })
                }
                Role::Downstream { .. } | Role::Upstream(_) => None,
            };
        self.connections.iter().filter_map(of_side).collect()
    }

    fn has_downstream(&self, wanted: Side) -> bool {
        self.connections.iter().any(|(_, connection)| {
            matches!(connection.role, Role::Downstream { side, .. } if side == wanted)
        })
    }
}
