//! DATA from the peer (RFC 9113 6.1).
//!
//! A frame is judged when its head has come: windows, states and content-length need only its
//! length. Then its octets pass through as they come. Connection credit is returned here and
//! now, whatever becomes of the frame: only streams hold memory.

use super::closed::Gone;
use super::{CONNECTION_WINDOW, Connection};
use crate::frame::{FrameHead, flag, write};
use crate::stream::Receiving;
use crate::{ConnectionError, ErrorCode, Event, ResetCause, StreamId};

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
        let Some(stream) = self.streams.find_mut(id) else {
            return self.take_late_data(id, head.length);
        };
        let Receiving::Body { octets_left } = stream.receiving else {
            return self.refuse_data(id);
        };
        if !stream.receive_window.take(head.length, data_len) {
            let cause = ResetCause::Violation(
                ErrorCode::FlowControlError,
                "DATA above the stream's window",
            );
            return self.violate(id, cause);
        }
        let octets_left = match octets_left {
            None => None,
            Some(left) => match left.checked_sub(u64::from(data_len)) {
                Some(left) if left == 0 || !end => Some(left),
                Some(_) | None => {
                    return self.violate(
                        id,
                        ResetCause::Malformed("content-length differs from the body"),
                    );
                }
            },
        };
        stream.receiving = Receiving::Body { octets_left };
        if data_len > 0 {
            self.budgets.earn_for_data_received();
            self.body = Some(Body { stream: id, end });
        }
        if head.length > data_len && !end {
            let update = stream
                .receive_window
                .update(&self.config.growth(&self.pool));
            self.announce(id, update);
        }
        if data_len > 0 || !end {
            return Ok(None);
        }
        self.end_receiving(id);
        Ok(Some(Event::Data {
            stream: id,
            bytes: &[],
            end,
        }))
    }

    /// `None` when nobody wants the octets any more.
    pub(super) fn take_body_octets<'b>(
        &mut self,
        bytes: &'b [u8],
        is_last: bool,
    ) -> Option<Event<'b>> {
        let Body { stream, end } = self.body?;
        self.streams.find(stream)?;
        let end = end && is_last;
        if end {
            self.end_receiving(stream);
        }
        Some(Event::Data { stream, bytes, end })
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
        if data_len > 0 || end {
            self.empty_data_in_a_row = 0;
            return Ok(());
        }
        self.empty_data_in_a_row += 1;
        if self.empty_data_in_a_row <= self.config.empty_data_max {
            return Ok(());
        }
        self.counters.budget_failures += 1;
        Err(ConnectionError::calm("too many empty DATA frames"))
    }

    fn take_late_data(
        &mut self,
        id: StreamId,
        length: u32,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        match self.closed.find(id) {
            Gone::ByUs if self.closed.take_late_data(id, length) => Ok(None),
            Gone::ByUs => Err(ConnectionError::flow_control(
                "DATA above the window of a reset stream",
            )),
            gone @ (Gone::Ended | Gone::ByPeer | Gone::Unknown) => self.take_late(id, gone),
        }
    }

    /// DATA where a head is due, or behind END_STREAM.
    fn refuse_data(&mut self, id: StreamId) -> Result<Option<Event<'static>>, ConnectionError> {
        let is_ended = self
            .streams
            .find(id)
            .is_some_and(|stream| stream.receiving == Receiving::Ended);
        if is_ended {
            return self.violate(
                id,
                ResetCause::Violation(ErrorCode::StreamClosed, "DATA behind END_STREAM"),
            );
        }
        self.violate(id, ResetCause::Malformed("DATA before the response head"))
    }
}
