//! DATA from the peer (RFC 9113 6.1).
//!
//! A frame is checked when its head has come: windows, states and content-length need only its
//! length. Then its octets pass through as they come. Connection credit is returned at once, also
//! for ignored frames: only streams hold memory.

use super::closed::ClosedState;
use super::counters::Flood;
use super::{CONNECTION_WINDOW, Connection};
use crate::frame::{FrameHead, flag, write};
use crate::stream::{Receiving, Stream};
use crate::{ConnectionError, Ends, ErrorCode, Event, Malformed, ResetCause, StreamId};

/// The DATA frame whose octets are coming.
#[derive(Copy, Clone)]
pub(super) struct Body {
    stream: StreamId,
    end: bool,
}

impl Connection {
    pub(super) fn begin_body(
        &mut self,
        head: &FrameHead,
        data_len: u32,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        self.body = None;
        let (id, end) = (head.stream, head.has(flag::END_STREAM));
        if id.is_connection() || self.role.is_idle(id) {
            return Err(ConnectionError::protocol(
                "DATA on a stream that is not open",
            ));
        }
        self.take_connection_window(head.length)?;
        self.count_empty_data(data_len, end)?;
        self.note_answered(id);
        let Some(stream) = self.streams.find_mut(id) else {
            return self.take_late_data(id, head.length);
        };
        match stream.take_data(head.length, data_len, end) {
            Ok(()) => {}
            Err(ResetCause::Malformed(why)) => return self.take_malformed(id, why),
            Err(cause) => return self.reset_for_violation(id, cause),
        }
        if stream.receiving == Receiving::Malformed {
            return Ok(None);
        }
        if data_len == 0 && end {
            self.end_receiving(id);
            return Ok(Some(Event::Data {
                stream: id,
                bytes: &[],
                ends: Ends::Stream,
            }));
        }
        if head.length > data_len {
            let update = stream
                .receive_window
                .update(&self.config.growth(&self.pool));
            self.announce(id, update);
        }
        if data_len > 0 {
            self.budgets.deposit_for_data_received();
            self.body = Some(Body { stream: id, end });
        }
        Ok(None)
    }

    /// `None` if the stream is closed or malformed.
    pub(super) fn take_body_octets<'b>(
        &mut self,
        bytes: &'b [u8],
        is_last: bool,
    ) -> Option<Event<'b>> {
        let Body { stream, end } = self.body?;
        self.streams.find(stream)?;
        let ends = match (is_last, end) {
            (false, _) => Ends::Nothing,
            (true, false) => Ends::Frame,
            (true, true) => Ends::Stream,
        };
        if ends.stream() {
            self.end_receiving(stream);
        }
        Some(Event::Data {
            stream,
            bytes,
            ends,
        })
    }

    /// END_STREAM came.
    pub(super) fn end_receiving(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.find_mut(id) {
            stream.receiving = Receiving::Ended;
            stream.receive_window.close(&self.config.growth(&self.pool));
            self.forget_if_over(id);
        }
    }

    fn take_connection_window(&mut self, length: u32) -> Result<(), ConnectionError> {
        let left = self.receive_window.checked_sub(length);
        self.receive_window = left.ok_or(ConnectionError::flow_control(
            "DATA above the connection's window",
        ))?;
        if self.receive_window <= CONNECTION_WINDOW / 2 {
            let increment = CONNECTION_WINDOW - self.receive_window;
            write::window_update(self.output.tail(), StreamId::CONNECTION, increment);
            self.receive_window = CONNECTION_WINDOW;
        }
        Ok(())
    }

    fn count_empty_data(&mut self, data_len: u32, end: bool) -> Result<(), ConnectionError> {
        if data_len > 0 || end || self.budgets.empty_data.spend(self.now) {
            return Ok(());
        }
        Err(self.flood_error(Flood::EmptyData))
    }

    fn take_late_data(
        &mut self,
        id: StreamId,
        length: u32,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        match self.closed.find(id) {
            state @ (ClosedState::ResetByUs | ClosedState::ResetByPeer) => {
                if !self.closed.take_late_data(id, length) {
                    return Err(ConnectionError::flow_control(
                        "DATA above the window of a reset stream",
                    ));
                }
                match state {
                    ClosedState::ResetByUs => Ok(None),
                    ClosedState::ResetByPeer | ClosedState::Ended | ClosedState::Unknown => {
                        self.take_late(id, state)
                    }
                }
            }
            state @ (ClosedState::Ended | ClosedState::Unknown) => self.take_late(id, state),
        }
    }
}

impl Stream {
    /// A DATA frame of `frame_len` octets, `data_len` without padding.
    fn take_data(&mut self, frame_len: u32, data_len: u32, end: bool) -> Result<(), ResetCause> {
        let octets_left = match self.receiving {
            Receiving::Head => {
                let why = Malformed::message("DATA before the response head");
                return Err(ResetCause::Malformed(why));
            }
            Receiving::Body { octets_left } => octets_left,
            Receiving::Malformed => None,
            Receiving::Ended => {
                return Err(ResetCause::Violation(
                    ErrorCode::StreamClosed,
                    "DATA behind END_STREAM",
                ));
            }
        };
        if !self.receive_window.take(frame_len, data_len) {
            return Err(ResetCause::Violation(
                ErrorCode::FlowControlError,
                "DATA above the stream's window",
            ));
        }
        let Some(octets_left) = octets_left else {
            return Ok(());
        };
        let left = octets_left.checked_sub(u64::from(data_len));
        let left = left.filter(|&left| left == 0 || !end);
        let left = left.ok_or_else(|| ResetCause::Malformed(Malformed::length()))?;
        self.receiving = Receiving::body(Some(left));
        Ok(())
    }
}
