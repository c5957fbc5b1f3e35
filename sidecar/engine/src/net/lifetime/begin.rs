//! What must end soon after it began: a handshake, a header block.

use std::time::Duration;

use outrider_http2::{ErrorCode, GoawayKind};
use outrider_policy::Tick;

use super::Block;
use crate::call::AttemptError;
use crate::engine::Engine;
use crate::ids::ConnectionId;
use crate::net::connection::{Connection, DrainStep, Role};
use crate::net::families::ATTEMPT_DELAY;
use crate::net::tls::Transport;
use crate::record::EndCause;
use crate::timers::Timer;

impl Engine {
    /// TLS, the preface and SETTINGS of a new downstream connection have this long, together. Of too
    /// many TLS handshakes one gives way; the crate `eviction` says which.
    pub(crate) fn begin_handshake(&mut self, id: ConnectionId) {
        self.time_beginning(id);
        let Some(connection) = self.connection(id) else {
            return;
        };
        let from = connection.caller_address();
        if matches!(connection.transport, Some(Transport::Plain)) {
            return;
        }
        if let Some(from) = from {
            self.handshakes.begin(from.ip(), (id.serial, id));
        }
        if let Some((_, surplus)) = self.handshakes.take_surplus(self.settings.handshakes_max) {
            let words = "too many handshakes are under way";
            self.give_up(surplus, EndCause::HandshakeEvicted, words);
        }
    }

    /// Arms the timer of a connection that is being made, from its beginning: a caller's handshake, or
    /// ours with an endpoint.
    pub(crate) fn time_beginning(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection(id).filter(|it| !it.lifetime.begun) else {
            return;
        };
        let (longest, timer) = match &connection.role {
            Role::Downstream {
                drain: DrainStep::Open,
                ..
            } => (
                self.lifetimes_of(connection).handshake,
                Timer::Handshake(id),
            ),
            Role::Upstream(upstream) if upstream.stage.is_beginning() => {
                let alone =
                    !upstream.is_slow && upstream.cluster.has_two_families(&upstream.endpoint);
                let family = if alone { ATTEMPT_DELAY } else { Duration::MAX };
                (upstream.patience().min(family), Timer::Connect(id))
            }
            Role::Downstream { .. } | Role::Upstream(_) => return,
        };
        let due = connection.lifetime.began_at + longest;
        self.cancel_connection_timer(id);
        let timer = self.timers.arm(due, timer);
        if let Some(connection) = self.connection_mut(id) {
            connection.timer = Some(timer);
        }
    }

    /// The TLS handshake is over, well or not.
    pub(crate) fn end_handshake(&mut self, id: ConnectionId) {
        let from = self.connection(id).and_then(Connection::caller_address);
        if let Some(from) = from {
            self.handshakes.end(from.ip(), (id.serial, id));
        }
    }

    /// The peer's SETTINGS are the end of its preface (RFC 9113 3.4).
    pub(crate) fn settings_received(&mut self, id: ConnectionId) {
        let open = self.connection(id).is_some_and(|connection| {
            matches!(
                connection.role,
                Role::Downstream {
                    drain: DrainStep::Open,
                    ..
                }
            )
        });
        if open {
            self.cancel_connection_timer(id);
            self.begin_lifetime(id);
        }
    }

    fn note_peer_settings(&mut self, id: ConnectionId) {
        let connection = self.connection(id);
        if let Some(from) = connection.and_then(Connection::caller_address) {
            self.handshakes.note_hello(from.ip(), (id.serial, id));
        }
    }

    /// Bytes were read and taken in.
    pub(crate) fn note_received(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        let transport = connection.transport.as_ref();
        if transport.is_some_and(Transport::has_answered_hello) {
            return self.note_peer_settings(id);
        }
        let life = &connection.lifetime;
        if !life.begun || connection.closing {
            return;
        }
        let is_resting = life.is_resting;
        let (watched, unfinished) = (life.block, connection.http2.unfinished());
        if is_resting {
            self.note_activity(id);
        }
        if watched.map(|block| block.number) != unfinished {
            let now = self.now;
            self.watch_block(id, unfinished.map(|number| (number, now)));
        }
    }

    /// The block that is under way, if any, and when it began.
    pub(super) fn watch_block(&mut self, id: ConnectionId, unfinished: Option<(u64, Tick)>) {
        let longest = self.lifetimes(id).header_block;
        let block = unfinished.map(|(number, began_at)| Block {
            number,
            began_at,
            timer: self.timers.arm(began_at + longest, Timer::Block(id)),
        });
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        if let Some(before) = std::mem::replace(&mut connection.lifetime.block, block) {
            self.timers.cancel(before.timer);
        }
    }

    /// Until the block ends nothing else can be read on the connection (RFC 9113 6.10).
    pub(crate) fn block_timed_out(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        connection.lifetime.block = None;
        let (code, kind) = (ErrorCode::EnhanceYourCalm, GoawayKind::Final);
        connection.http2.goaway(code, kind);
        self.count_end(id, EndCause::HeaderBlock);
        let words = "a header block took too long".to_owned();
        self.connection_lost(id, &AttemptError::protocol(words));
    }
}
