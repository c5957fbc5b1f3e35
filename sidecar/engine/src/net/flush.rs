//! The end of a turn: what HTTP/2 made is encrypted and handed to the loop, credit goes back.
//!
//! One write per connection and turn: events only mark connections dirty; here each dirty connection
//! is flushed once, and what its peer took is credited to the other side, which may make that one
//! dirty in turn. It ends because every round moves bytes that were already received.

use std::time::Duration;

use outrider_policy::Tick;

use crate::contract::Action;
use crate::engine::Engine;
use crate::ids::{ConnectionId, Scope};
use crate::net::connection::{Connection, Role, Stage};
use crate::timers::Timer;

/// A peer's connection window that is narrow this long sends new calls elsewhere.
const BLOCKED_AFTER: Duration = Duration::from_millis(100);
/// Small pieces of requests without an answer wait so long for more (`outrider_http2`, `coalesce.rs`).
/// Longer would be felt by who only sends; at a tenth of it a body that is not read makes too many frames.
const GATHERED_AFTER: Duration = Duration::from_millis(10);
/// A connection that closes has at least this long to take its last bytes.
const LINGER: Duration = Duration::from_secs(1);

impl Engine {
    pub(crate) fn mark_dirty(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connection_mut(id)
            && !connection.dirty
        {
            connection.dirty = true;
            self.dirty.push_back(id);
        }
    }

    /// Serves the lines that are due and flushes every dirty connection; after a panic, what is left.
    pub(crate) fn flush_all(&mut self) {
        loop {
            if self.rebuild_due {
                self.rebuild_after_panic();
            }
            // Before the flush: a call that goes on now is sent in this turn.
            if self.lines.are_due() {
                self.guarded(Engine::serve_lines);
            }
            let is_done = self.dirty.is_empty() && !self.lines.are_due();
            if is_done && !self.rebuild_due {
                return;
            }
            self.guarded(Engine::flush_dirty);
        }
    }

    fn flush_dirty(&mut self) {
        while let Some(id) = self.dirty.pop_front() {
            self.scope = Scope::Connection(id);
            if let Some(connection) = self.connection_mut(id) {
                connection.dirty = false;
                self.stop_requests(id);
                self.flush(id);
                self.return_credit(id);
                self.watch_window(id);
                self.connection_drained(id);
            }
        }
        self.scope = Scope::None;
    }

    /// The whole answer is out while the request still comes: the caller may stop sending it
    /// (RFC 9113 8.1). Not earlier, or the reset would overtake the answer.
    fn stop_requests(&mut self, id: ConnectionId) {
        let Some(Connection {
            http2,
            answered_early,
            ..
        }) = self.connection_mut(id)
        else {
            return;
        };
        answered_early.retain(|(stream, code)| {
            let waits = http2.queued(*stream) > 0;
            if !waits {
                http2.reset(*stream, *code);
            }
            waits
        });
    }

    fn flush(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        let closing = connection.closing;
        connection.lend(|transport, http2| {
            transport.fill(http2);
            if closing {
                transport.close(http2);
            }
        });
        let has_output = !connection.output().is_empty();
        let since = connection.lifetime.output_since.unwrap_or(now);
        connection.lifetime.output_since = has_output.then_some(since);
        let wants_read = connection.http2.wants_read();
        let (turned, closing) = (wants_read != connection.reading, connection.closing);
        connection.reading = wants_read;
        if has_output {
            self.actions.push_back(Action::Write(id));
        } else if closing {
            return self.forget_connection(id);
        }
        if turned {
            self.actions.push_back(Action::Read { id, on: wants_read });
        }
    }

    /// Bytes this connection's peer will get were framed: their sources get window back.
    fn return_credit(&mut self, id: ConnectionId) {
        while let Some(connection) = self.connection_mut(id) {
            let Some(taken) = connection.http2.next_framed() else {
                break;
            };
            let Some(call) = connection.streams.get(&taken.stream).copied() else {
                continue;
            };
            let is_downstream = matches!(connection.role, Role::Downstream { .. });
            self.scope = Scope::Call(call);
            match is_downstream {
                true => self.response_taken(call, taken.bytes),
                false => self.request_taken(call, taken.bytes),
            }
            self.scope = Scope::Connection(id);
        }
    }

    /// Starts or stops the watch over a peer whose connection window is narrow.
    fn watch_window(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        let Some(upstream) = connection.upstream() else {
            return;
        };
        let gathers_more = connection.http2.is_coalescing() && upstream.gather_timer.is_none();
        let is_watched = upstream.blocked || upstream.blocked_timer.is_some();
        match connection.http2.is_send_window_low() {
            true if !is_watched => self.watch_narrow(id),
            false if is_watched || !upstream.waiters.is_empty() => self.resume_waiters(id),
            true | false => {}
        }
        if gathers_more {
            self.watch_gathering(id);
        }
    }

    fn watch_gathering(&mut self, id: ConnectionId) {
        let timer = self
            .timers
            .arm(self.now + GATHERED_AFTER, Timer::Gather(id));
        if let Some(upstream) = self.upstream_mut(id) {
            upstream.gather_timer = Some(timer);
        }
    }

    /// Small pieces of requests have waited long enough for more of their kind.
    pub(crate) fn gathered(&mut self, id: ConnectionId) {
        if let Some(upstream) = self.upstream_mut(id) {
            upstream.gather_timer = None;
        }
        if let Some(http2) = self.http2(id) {
            http2.send_coalesced();
        }
    }

    fn watch_narrow(&mut self, id: ConnectionId) {
        let due = self.now + BLOCKED_AFTER;
        let timer = self.timers.arm(due, Timer::Blocked(id));
        if let Some(upstream) = self.upstream_mut(id) {
            upstream.blocked_timer = Some(timer);
        }
    }

    /// Calls that waited are sent. Octets that move on a narrow connection are no reason to: they
    /// may be what is spending its window.
    fn resume_waiters(&mut self, id: ConnectionId) {
        let Some(upstream) = self.upstream_mut(id) else {
            return;
        };
        upstream.blocked = false;
        let is_ready = upstream.stage == Stage::Ready;
        if let Some(timer) = upstream.blocked_timer.take() {
            self.timers.cancel(timer);
        }
        if is_ready {
            self.send_waiting(id);
        }
    }

    /// Narrow for [`BLOCKED_AFTER`]: new calls, and those that waited, use another connection.
    pub(crate) fn connection_blocked(&mut self, id: ConnectionId) {
        if let Some(upstream) = self.upstream_mut(id) {
            upstream.blocked = true;
            upstream.blocked_timer = None;
        }
        self.attempt_waiters(id);
    }

    /// Lets the connection's last bytes out, then closes it: within [`LINGER`], or by `patience` if
    /// that is later.
    pub(crate) fn flush_and_close(&mut self, id: ConnectionId, patience: Option<Tick>) {
        self.cancel_connection_timer(id);
        let due = (self.now + LINGER).max(patience.unwrap_or(Tick::ZERO));
        let timer = self.timers.arm(due, Timer::Linger(id));
        let Some(connection) = self.connection_mut(id) else {
            return self.timers.cancel(timer);
        };
        connection.closing = true;
        connection.timer = Some(timer);
        self.mark_dirty(id);
    }

    /// The connection is gone; its socket with it.
    pub(crate) fn forget_connection(&mut self, id: ConnectionId) {
        self.cancel_connection_timer(id);
        self.end_lifetime(id);
        self.end_handshake(id);
        let timers = self
            .upstream_mut(id)
            .map(|upstream| [upstream.blocked_timer.take(), upstream.gather_timer.take()]);
        for timer in timers.into_iter().flatten().flatten() {
            self.timers.cancel(timer);
        }
        if self.connection(id).is_none() {
            return;
        }
        let gone = self.connections.remove(id.slot as usize);
        self.counters.note_limits(&gone);
        if gone.is_from_application() {
            self.application_left = Some(self.now);
        }
        self.actions.push_back(Action::Close(id));
        self.advance_drain();
        debug_assert!(
            self.calls.iter().all(|(_, call)| call.downstream != id),
            "a call outlived its connection"
        );
    }
}
