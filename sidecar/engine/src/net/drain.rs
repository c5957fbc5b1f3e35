//! Draining: what is in flight is finished, nothing new is begun, then the process may end.
//!
//! Inbound connections are closed first, in the two steps of RFC 9113 6.8. The local application keeps its
//! outbound side for as long as it is there: finishing its work may need calls with pauses between them,
//! and it cannot know that its sidecar has begun to leave. It is there while it holds a connection, idle
//! or not, and for [`PAUSE`] after the last one has closed. When it is gone and no call is under way, or
//! when the drain's time is over, its listener is closed.

use std::time::Duration;

use outrider_http2::{ErrorCode, GoawayKind};
use outrider_policy::{Reason, Tick};

use crate::engine::Engine;
use crate::ids::{ConnectionId, Scope, Side};
use crate::net::connection::{DrainStep, Role};
use crate::refusal::Refusal;
use crate::timers::Timer;

/// A peer that does not answer the ping of the first step gets the second after this long.
const NOTICE_PATIENCE: Duration = Duration::from_secs(1);

/// An application that connects for each call is gone when it has had no connection for this long.
/// Shorter would be felt by such a one; longer holds up each exit after an application's.
const PAUSE: Duration = Duration::from_secs(1);

/// What the ping behind the notice says.
const NOTICE: [u8; 8] = *b"outrider";

/// A drain under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drain {
    /// Which side's connections were told so far.
    told: Told,
    /// When what still runs is refused.
    deadline: Tick,
    /// The end of the application's pause is waited for.
    pauses: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Inbound,
    /// Both: the application is gone.
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
            pauses: false,
        });
        self.timers.arm(deadline, Timer::DrainOver);
        for id in self.downstream_ids(Side::Inbound) {
            self.in_scope(Scope::Connection(id), |engine| engine.notice(id));
        }
        self.advance_drain();
    }

    /// Nothing is left of a drain that was begun.
    pub fn is_drained(&self) -> bool {
        self.is_outbound_told() && self.calls.is_empty() && !self.has_any_downstream()
    }

    /// The local application is gone, or the drain's time is over. A new connection to its listener would
    /// be told to go at once, so the listener had better be closed.
    pub fn is_outbound_told(&self) -> bool {
        self.drain.is_some_and(|drain| drain.told != Told::Inbound)
    }

    /// A connection accepted while its side is draining gets the GOAWAY that the others got.
    pub(crate) fn accepted_late(&mut self, id: ConnectionId, side: Side) {
        let Some(drain) = self.drain else { return };
        match (drain.told, side) {
            (Told::Inbound, Side::Outbound) => {}
            (Told::Inbound, Side::Inbound) | (Told::Both, _) => self.notice(id),
            (Told::Over, _) => self.final_goaway(id),
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
        self.connection_drained(id);
    }

    /// A call left this downstream connection, or its peer took something: one that was told to go
    /// closes with its last stream. A call has left once its answer is queued; the stream is over
    /// when the peer's windows have let all of it out, and the peer has until the drain's deadline
    /// for that, if it is a drain.
    pub(crate) fn connection_drained(&mut self, id: ConnectionId) {
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

    /// Ends the drain once no call is under way, the inbound side is gone and so is the application.
    /// Called when a connection goes, and when a call ends.
    pub(crate) fn advance_drain(&mut self) {
        let is_waiting = matches!(self.drain, Some(drain) if drain.told == Told::Inbound);
        if !is_waiting || !self.calls.is_empty() || self.has_any_downstream() {
            return;
        }
        let Some(drain) = &mut self.drain else { return };
        match self.application_left.map(|left| left + PAUSE) {
            Some(gone_at) if gone_at > self.now && drain.pauses => {}
            Some(gone_at) if gone_at > self.now => {
                drain.pauses = true;
                self.timers.arm(gone_at, Timer::DrainPause);
            }
            Some(_) | None => drain.told = Told::Both,
        }
    }

    /// The application's pause may be over: it is if no connection came meanwhile.
    pub(crate) fn pause_over(&mut self) {
        if let Some(drain) = &mut self.drain {
            drain.pauses = false;
        }
        self.advance_drain();
    }

    /// The drain's time is over: the rest is refused.
    pub(crate) fn drain_over(&mut self) {
        if let Some(drain) = &mut self.drain {
            drain.told = Told::Over;
        }
        let calls: Vec<_> = self.calls.iter().map(|(id, _)| id).collect();
        for id in calls {
            let refusal = Refusal::early(
                Reason::Draining,
                "this sidecar is shutting down and its drain time is over",
            );
            let sent = self.calls.at(id).is_some_and(|call| call.sent > 0);
            let refusal = Refusal {
                unprocessed: !sent,
                ..refusal
            };
            self.for_call(id, |engine| engine.end_refused(id, refusal));
        }
        for side in [Side::Inbound, Side::Outbound] {
            for id in self.downstream_ids(side) {
                self.in_scope(Scope::Connection(id), |engine| engine.final_goaway(id));
            }
        }
    }

    fn downstream_ids(&self, wanted: Side) -> Vec<ConnectionId> {
        let of_side = |(slot, connection): (usize, &crate::net::connection::Connection)| {
            match connection.role {
                Role::Downstream { side, .. } if side == wanted && !connection.closing => {
                    Some(ConnectionId {
                        slot: slot as u32,
                        serial: connection.serial,
                    })
                }
                Role::Downstream { .. } | Role::Upstream(_) => None,
            }
        };
        self.connections.iter().filter_map(of_side).collect()
    }

    fn has_any_downstream(&self) -> bool {
        let mut connections = self.connections.iter();
        connections.any(|(_, connection)| matches!(connection.role, Role::Downstream { .. }))
    }
}
