//! Frames by type: which one goes where, and what breaks the order of frames.

use super::closed::ClosedState;
use super::counters::Flood;
use super::role::Role;
use super::{Connection, ResetCharge};
use crate::frame::{FrameHead, Kind, Piece, flag, write};
use crate::stream::Receiving;
use crate::{ConnectionError, ErrorCode, Event, Foreign, Malformed, ResetCause, StreamId};

impl Connection {
    pub(super) fn take<'b>(
        &mut self,
        piece: Piece<'b>,
    ) -> Result<Option<Event<'b>>, ConnectionError> {
        match piece {
            Piece::Preface => {
                self.send_settings();
                Ok(None)
            }
            Piece::Foreign(foreign) => self.take_foreign(foreign),
            Piece::DataBytes { bytes, is_last } => Ok(self.take_body_octets(bytes, is_last)),
            Piece::Data { head, data_len } => {
                self.check_order(&head)?;
                self.begin_body(&head, data_len)
            }
            Piece::Frame(head, payload) => {
                self.check_order(&head)?;
                self.take_frame(&head, &payload)
            }
        }
    }

    /// The peer speaks another protocol. Nothing was sent yet, so the owner may answer in that protocol.
    fn take_foreign(
        &mut self,
        foreign: Foreign,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        match foreign {
            Foreign::Http1 { .. } | Foreign::Tls if !self.has_sent_settings => {
                self.is_failed = true;
                Ok(Some(Event::Foreign(foreign)))
            }
            Foreign::Http1 { .. } | Foreign::Tls | Foreign::Http2 | Foreign::Unknown => {
                Err(ConnectionError::protocol("not an HTTP/2 preface"))
            }
        }
    }

    /// SETTINGS come first (RFC 9113 3.4), and nothing comes between the frames of a field block
    /// (RFC 9113 6.10).
    fn check_order(&mut self, head: &FrameHead) -> Result<(), ConnectionError> {
        self.frames += 1;
        if !self.has_peer_settings {
            if head.kind != Kind::Settings || head.has(flag::ACK) {
                return Err(ConnectionError::protocol("the first frame is not SETTINGS"));
            }
            self.has_peer_settings = true;
        }
        match (&self.block, head.kind) {
            (Some(block), Kind::Continuation) if block.stream == head.stream => Ok(()),
            (Some(_), _) => Err(ConnectionError::protocol("field block interrupted")),
            (None, Kind::Continuation) => Err(ConnectionError::protocol("CONTINUATION of nothing")),
            (None, _) => Ok(()),
        }
    }

    fn take_frame(
        &mut self,
        head: &FrameHead,
        payload: &[u8],
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        match head.kind {
            Kind::Headers => self.take_headers(head, payload),
            Kind::Continuation => self.take_continuation(head, payload),
            Kind::Priority => self.take_priority(head, payload),
            Kind::RstStream => self.take_reset(head, payload),
            Kind::Settings => self.take_settings(head, payload),
            Kind::Ping => self.take_ping(head, payload),
            Kind::Goaway => self.take_goaway(head, payload),
            Kind::WindowUpdate => self.take_window_update(head, payload),
            // Never allowed: a client must not, and a server was told not to (ENABLE_PUSH 0).
            Kind::PushPromise => Err(ConnectionError::protocol("PUSH_PROMISE")),
            Kind::Data | Kind::Unknown => self.spend_idle_frame(),
        }
    }

    /// Charges a frame that does nothing to its budget.
    pub(super) fn spend_idle_frame(&mut self) -> Result<Option<Event<'static>>, ConnectionError> {
        if self.budgets.idle_frames.spend(self.now) {
            return Ok(None);
        }
        Err(self.flood_error(Flood::IdleFrames))
    }

    /// Charges two useless frames: one opened a stream, one reset it. A member of the mesh sends them on
    /// behalf of others, so it is not charged.
    pub(super) fn spend_idle_pair(&mut self) -> Result<(), ConnectionError> {
        if !self.config.peer_is_trusted {
            self.spend_idle_frame()?;
            self.spend_idle_frame()?;
        }
        Ok(())
    }

    /// The peer broke a rule on one stream: resets it out of the reset budget, because a peer
    /// that makes us reset costs as much as one that resets itself (CVE-2025-8671). Returns an
    /// event only if the owner knows the stream.
    pub(super) fn reset_for_violation(
        &mut self,
        id: StreamId,
        cause: ResetCause,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        let known = self.forget(id);
        let window = known.as_ref().map_or(self.config.initial_window, |stream| {
            stream.receive_window.open()
        });
        self.closed.note_reset(id, window);
        self.output
            .answer(|out| write::rst_stream(out, id, cause.code()));
        self.counters.resets_for_violations += 1;
        self.spend_reset(known.is_some())?;
        Ok(known.map(|stream| Event::Reset {
            stream: stream.id,
            cause,
        }))
    }

    /// A message is malformed. On a server the owner answers and resets the stream, charged to the
    /// same budget; the rest of the request is ignored.
    pub(super) fn take_malformed(
        &mut self,
        id: StreamId,
        why: Malformed,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        if let Role::Client { .. } = self.role {
            return self.reset_for_violation(id, ResetCause::Malformed(why));
        }
        self.counters.resets_for_violations += 1;
        self.spend_reset(true)?;
        let known = self.streams.find_mut(id);
        Ok(known.map(|stream| {
            stream.receiving = Receiving::Malformed;
            // Exempt: a prepaid token is not refunded when the owner answers and resets.
            stream.reset_charge = ResetCharge::Exempt;
            Event::Malformed { stream: id, why }
        }))
    }

    /// Free for a server: it can break a rule once per stream that we open, so our calls bound it.
    fn spend_reset(&mut self, was_open: bool) -> Result<(), ConnectionError> {
        let is_ours = was_open && matches!(self.role, Role::Client { .. });
        if is_ours || self.budgets.resets.note_violation(self.now) || self.config.peer_is_trusted {
            return Ok(());
        }
        Err(self.flood_error(Flood::Resets))
    }

    /// Counts a spent budget and makes the connection error for it.
    pub(super) fn flood_error(&mut self, flood: Flood) -> ConnectionError {
        self.counters.note_flood(flood);
        ConnectionError::enhance_your_calm(flood.reason())
    }

    /// As [`reset_for_violation`](Self::reset_for_violation), but on a stream that was never opened it is the
    /// connection's error: there is nothing to reset.
    pub(super) fn reset_or_fail(
        &mut self,
        id: StreamId,
        code: ErrorCode,
        reason: &'static str,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        if self.role.is_idle(id) {
            return Err(ConnectionError { code, reason });
        }
        self.reset_for_violation(id, ResetCause::Violation(code, reason))
    }

    /// DATA or HEADERS came on a closed stream (RFC 9113 5.1). If the peer reset it, the frame does
    /// nothing and is answered with RST_STREAM.
    pub(super) fn take_late(
        &mut self,
        id: StreamId,
        state: ClosedState,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        match state {
            ClosedState::ResetByUs => self.spend_idle_frame(),
            // A client skips no numbers: this is a stream it had, perhaps reset long ago.
            ClosedState::Unknown if matches!(self.role, Role::Client { .. }) => {
                self.spend_idle_frame()
            }
            ClosedState::Ended => Err(ConnectionError::stream_closed("frame behind END_STREAM")),
            ClosedState::ResetByPeer | ClosedState::Unknown => {
                self.output
                    .answer(|out| write::rst_stream(out, id, ErrorCode::StreamClosed));
                self.spend_idle_frame()
            }
        }
    }
}

impl ResetCause {
    /// What RST_STREAM carries.
    fn code(&self) -> ErrorCode {
        match self {
            ResetCause::Peer(code) | ResetCause::Violation(code, _) => *code,
            ResetCause::AboveGoaway => ErrorCode::RefusedStream,
            ResetCause::Malformed(_) => ErrorCode::ProtocolError,
            ResetCause::TooLarge => ErrorCode::EnhanceYourCalm,
        }
    }
}
