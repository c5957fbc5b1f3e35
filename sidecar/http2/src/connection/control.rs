//! The frames that carry no message: SETTINGS, PING, GOAWAY, WINDOW_UPDATE, RST_STREAM, PRIORITY.

use super::Connection;
use super::counters::Flood;
use super::resets::PeerReset;
use super::role::Role;
use crate::frame::{FrameHead, PeerSettings, flag, number, write};
use crate::stream::{Sending, Stream};
use crate::{ConnectionError, ErrorCode, Event, ResetCause, StreamId};

/// Octets of a GOAWAY's debug data that the event carries.
const GOAWAY_DEBUG_MAX: usize = 64;

impl Connection {
    pub(super) fn take_settings(
        &mut self,
        head: &FrameHead,
        payload: &[u8],
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        on_connection(head)?;
        if !self.budgets.settings.spend(self.now) {
            return Err(self.flood_error(Flood::Settings));
        }
        if head.has(flag::ACK) {
            return match payload {
                [] => Ok(None),
                _ => Err(ConnectionError::frame_size(
                    "SETTINGS acknowledgement with a payload",
                )),
            };
        }
        self.apply(PeerSettings::parse(payload)?)?;
        self.output.answer(write::settings_ack);
        self.send_scheduled();
        Ok(Some(Event::SettingsChanged))
    }

    fn apply(&mut self, changes: PeerSettings) -> Result<(), ConnectionError> {
        if changes.enables_push && matches!(self.role, Role::Client { .. }) {
            return Err(ConnectionError::protocol("a server enables push"));
        }
        if let Some((smallest, last)) = changes.header_table_bytes {
            self.encoder.resize(smallest);
            self.encoder.resize(last);
        }
        // Without the setting there is no limit (RFC 9113 6.5.2).
        let unlimited = self.peer_streams_max.or(Some(u32::MAX));
        self.peer_streams_max = changes.max_concurrent_streams.or(unlimited);
        match changes.initial_window {
            Some(window) if !self.move_windows(window) => Err(ConnectionError::flow_control(
                "INITIAL_WINDOW_SIZE overflows a stream's window",
            )),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn take_ping(
        &mut self,
        head: &FrameHead,
        payload: &[u8],
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        on_connection(head)?;
        let size = ConnectionError::frame_size("PING is not 8 octets");
        let payload: [u8; 8] = payload.try_into().map_err(|_| size)?;
        if !self.budgets.pings.spend(self.now) {
            return Err(self.flood_error(Flood::Pings));
        }
        if head.has(flag::ACK) {
            return Ok(Some(Event::Pong { payload }));
        }
        self.output
            .answer(|out| write::ping(out, payload, flag::ACK));
        Ok(None)
    }

    pub(super) fn take_goaway(
        &mut self,
        head: &FrameHead,
        payload: &[u8],
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        on_connection(head)?;
        let size = ConnectionError::frame_size("GOAWAY under 8 octets");
        let (last, code) = payload
            .split_at_checked(4)
            .filter(|(_, rest)| rest.len() >= 4)
            .ok_or(size)?;
        let (code, debug) = code.split_at(4);
        let debug = Box::from(&debug[..debug.len().min(GOAWAY_DEBUG_MAX)]);
        let (last, code) = (
            StreamId::new(number(last)),
            ErrorCode::from_u32(number(code)),
        );
        self.spend_idle_frame()?;
        self.peer_goaway = true;
        if matches!(self.role, Role::Client { .. }) {
            self.drop_streams_above(last);
        }
        Ok(Some(Event::Goaway { last, code, debug }))
    }

    /// Charges a reset by the peer. A reset after the response began (a cancelled watch) is free: it is
    /// ordinary use, and the work was done.
    fn pay_for_reset(&mut self, removed: &Stream) -> Result<(), ConnectionError> {
        match removed.sending {
            Sending::Head => match self
                .budgets
                .resets
                .note_by_peer(self.now, removed.reset_charge)
            {
                PeerReset::Counted => Ok(()),
                PeerReset::OfHeldStream => self.spend_idle_pair(),
            },
            Sending::Body | Sending::Ending | Sending::Ended => {
                self.budgets.resets.refund(removed.reset_charge);
                Ok(())
            }
        }
    }

    fn drop_streams_above(&mut self, last: StreamId) {
        let mut above: Vec<StreamId> = self
            .streams
            .iter()
            .map(|stream| stream.id)
            .filter(|&id| id > last)
            .collect();
        above.sort_unstable();
        for &id in &above {
            if let Some(removed) = self.forget(id) {
                self.closed
                    .note_reset_by_peer(id, removed.receive_window.open());
            }
        }
        self.unprocessed.extend(above);
        self.send_scheduled();
    }

    pub(super) fn take_window_update(
        &mut self,
        head: &FrameHead,
        payload: &[u8],
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        let id = head.stream;
        if payload.len() != 4 {
            return Err(ConnectionError::frame_size("WINDOW_UPDATE is not 4 octets"));
        }
        if !id.is_connection() && self.role.is_idle(id) {
            return Err(ConnectionError::protocol("WINDOW_UPDATE on an idle stream"));
        }
        if !self.budgets.window_updates.spend(self.now) {
            return Err(self.flood_error(Flood::WindowUpdates));
        }
        let increment = number(payload) & 0x7fff_ffff;
        if id.is_connection() {
            return self.widen_connection(increment);
        }
        if self.streams.find(id).is_none() {
            return Ok(None);
        }
        if increment == 0 {
            return self.reset_for_violation(
                id,
                ResetCause::Violation(ErrorCode::ProtocolError, "WINDOW_UPDATE of 0"),
            );
        }
        if !self.widen_stream(id, increment) {
            let cause =
                ResetCause::Violation(ErrorCode::FlowControlError, "stream window above 2^31-1");
            return self.reset_for_violation(id, cause);
        }
        self.send_scheduled();
        Ok(None)
    }

    fn widen_connection(
        &mut self,
        increment: u32,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        if increment == 0 {
            return Err(ConnectionError::protocol("WINDOW_UPDATE of 0"));
        }
        if !self.sender.widen(increment) {
            return Err(ConnectionError::flow_control(
                "connection window above 2^31-1",
            ));
        }
        self.send_scheduled();
        Ok(None)
    }

    pub(super) fn take_reset(
        &mut self,
        head: &FrameHead,
        payload: &[u8],
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        let id = head.stream;
        if payload.len() != 4 {
            return Err(ConnectionError::frame_size("RST_STREAM is not 4 octets"));
        }
        if id.is_connection() || self.role.is_idle(id) {
            return Err(ConnectionError::protocol("RST_STREAM on an idle stream"));
        }
        let Some(removed) = self.forget(id) else {
            let is_crossing = self.closed.take_crossing_reset(id);
            return if is_crossing {
                Ok(None)
            } else {
                self.spend_idle_frame()
            };
        };
        self.closed
            .note_reset_by_peer(id, removed.receive_window.open());
        self.counters.resets_received += 1;
        self.send_scheduled();
        // A server's resets are free: our own requests bound their number.
        if matches!(self.role, Role::Server { .. }) {
            self.pay_for_reset(&removed)?;
        }
        Ok(Some(Event::Reset {
            stream: id,
            cause: ResetCause::Peer(ErrorCode::from_u32(number(payload))),
        }))
    }

    pub(super) fn take_priority(
        &mut self,
        head: &FrameHead,
        payload: &[u8],
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        let id = head.stream;
        if id.is_connection() {
            return Err(ConnectionError::protocol("PRIORITY on stream 0"));
        }
        if payload.len() != 5 {
            return self.reset_or_fail(id, ErrorCode::FrameSizeError, "PRIORITY is not 5 octets");
        }
        if StreamId::new(number(payload)) == id {
            return self.reset_or_fail(id, ErrorCode::ProtocolError, "stream depends on itself");
        }
        self.spend_idle_frame()
    }
}

fn on_connection(head: &FrameHead) -> Result<(), ConnectionError> {
    match head.stream.is_connection() {
        true => Ok(()),
        false => Err(ConnectionError::protocol(
            "a frame of the connection on a stream",
        )),
    }
}
