//! The owner's commands: open, head, data, trailers, reset, credit, goaway, ping.
//!
//! A command on a closed stream does nothing: the owner may not have seen the event yet.

use super::role::Role;
use super::{Connection, ResetCharge, STREAMS_BEFORE_SETTINGS};
use crate::frame::write;
use crate::stream::{BodyQueue, ReceiveWindow, Receiving, Sending, Stream};
use crate::{Ends, ErrorCode, Field, StreamId};

/// Why a stream cannot be opened now.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum CannotOpen {
    /// As many streams are open as the peer allows.
    Full,
    /// The peer said GOAWAY.
    Goaway,
    /// All 2^30 stream numbers are used.
    IdsExhausted,
    /// The connection failed, or it is a server's.
    Failed,
}

/// The two steps of a graceful end (RFC 9113 6.8).
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum GoawayKind {
    /// "Open no more streams": last id 2^31-1, those under way are still taken.
    Notice,
    /// "These were taken": the real last id; later streams are ignored.
    Final,
}

impl Connection {
    /// Client: opens a stream with a request head, pseudo-fields first.
    ///
    /// # Errors
    /// [`CannotOpen`] says why there is no room; nothing was queued then.
    pub fn open<'a>(
        &mut self,
        fields: impl IntoIterator<Item = Field<'a>>,
        end: bool,
    ) -> Result<StreamId, CannotOpen> {
        let (id, next) = self.room_to_open()?;
        self.role = Role::Client { next };
        let mut is_head_request = false;
        let fields = fields
            .into_iter()
            .inspect(|field| is_head_request |= is_head_method(field));
        write::headers(self.output.tail(), id, end, |out| {
            self.encoder.encode(fields, out)
        });
        self.budgets.deposit_for_stream();
        let sending = if end { Sending::Ended } else { Sending::Body };
        let mut stream = Stream {
            is_head_request,
            ..self.new_stream(id, Receiving::Head, sending)
        };
        if !end {
            self.sender.note_head(&mut stream);
        }
        self.streams.insert(stream);
        Ok(id)
    }

    /// Server: queues a response head, `:status` first. 1xx heads may precede the final one.
    pub fn head<'a>(
        &mut self,
        stream: StreamId,
        fields: impl IntoIterator<Item = Field<'a>>,
        end: bool,
    ) {
        let Some(found) = self.streams.find_mut(stream) else {
            return;
        };
        if found.sending != Sending::Head {
            return;
        }
        let mut is_interim = false;
        let fields = fields
            .into_iter()
            .inspect(|field| is_interim |= is_interim_status(field));
        write::headers(self.output.tail(), stream, end, |out| {
            self.encoder.encode(fields, out)
        });
        if !is_interim {
            found.sending = Sending::Body;
        }
        if end {
            self.end_sending(stream);
        }
    }

    /// Marks the response as local (not from the upstream), so finishing it does not refill the
    /// peer's reset budget.
    pub fn mark_local_reply(&mut self, stream: StreamId) {
        if let Some(found) = self.streams.find_mut(stream) {
            let reset_charge = std::mem::replace(&mut found.reset_charge, ResetCharge::Exempt);
            self.budgets.resets.refund(reset_charge);
        }
    }

    /// Sends body octets that are not part of a longer frame.
    pub fn data(&mut self, stream: StreamId, bytes: &[u8], end: bool) {
        self.data_part(stream, bytes, if end { Ends::Stream } else { Ends::Frame });
    }

    /// Sends body octets: framed at once while windows and `output_bytes_max` allow; the rest
    /// waits with the stream. Octets behind [`Ends::Frame`] begin a new frame, but for small ones.
    pub fn data_part(&mut self, stream: StreamId, bytes: &[u8], ends: Ends) {
        let Some(found) = self.streams.find_mut(stream) else {
            return;
        };
        if found.sending != Sending::Body {
            return;
        }
        if ends.stream() {
            found.sending = Sending::Ending;
        }
        if !self.coalesce(stream, bytes, ends) {
            self.send_or_queue(stream, bytes, ends);
        }
    }

    /// Sends trailers behind the data that waits, and ends our side of the stream.
    pub fn trailers<'a>(&mut self, stream: StreamId, fields: impl IntoIterator<Item = Field<'a>>) {
        let Some(found) = self.streams.find_mut(stream) else {
            return;
        };
        if found.sending != Sending::Body {
            return;
        }
        if !found.queue.is_empty() {
            found.sending = Sending::Ending;
            found.trailers = Some(Box::new(fields.into_iter().collect()));
            return self.end_coalescing(stream);
        }
        write::headers(self.output.tail(), stream, true, |out| {
            self.encoder.encode(fields, out)
        });
        self.end_sending(stream);
    }

    /// Ends the answer here: drops the data that waits for the peer's window and sends trailers at
    /// once. For a status that must not wait behind data that the peer does not read.
    pub fn cut_short<'a>(&mut self, stream: StreamId, fields: impl IntoIterator<Item = Field<'a>>) {
        let Some(found) = self.streams.find_mut(stream) else {
            return;
        };
        found.queue = BodyQueue::default();
        if std::mem::replace(&mut found.is_scheduled, false) {
            self.sender.unschedule(stream);
        }
        self.trailers(stream, fields);
    }

    /// Resets the stream and drops what waits. After an early answer (`NoError`): only once
    /// [`queued`](Self::queued) is 0, or the answer is cut.
    pub fn reset(&mut self, stream: StreamId, code: ErrorCode) {
        let Some(found) = self.forget(stream) else {
            return;
        };
        self.budgets.resets.refund(found.reset_charge);
        write::rst_stream(self.output.tail(), stream, code);
        self.closed.note_reset(stream, found.receive_window.open());
    }

    /// The owner has passed on `bytes` of the stream: the peer may send as many again.
    pub fn credit(&mut self, stream: StreamId, bytes: usize) {
        let growth = self.config.growth(&self.pool);
        let Some(found) = self.streams.find_mut(stream) else {
            return;
        };
        let update = found.receive_window.credit(&growth, bytes);
        self.announce(stream, update);
    }

    /// Tells the peer to open no more streams.
    pub fn goaway(&mut self, code: ErrorCode, kind: GoawayKind) {
        if self.is_failed {
            return;
        }
        let last = match kind {
            GoawayKind::Notice => StreamId::MAX,
            GoawayKind::Final => self.role.last_of_peer(),
        };
        self.send_goaway(last, code, "");
    }

    /// Never raises the last id (RFC 9113 6.8): the peer may have retried the streams above it
    /// elsewhere.
    pub(super) fn send_goaway(&mut self, last: StreamId, code: ErrorCode, reason: &str) {
        self.send_settings();
        self.goaway_last = self.goaway_last.min(last);
        write::goaway(self.output.tail(), self.goaway_last, code, reason);
    }

    /// Answers a peer of another protocol ([`Event::Foreign`]) with these octets.
    pub fn answer_foreign(&mut self, octets: &[u8]) {
        if !self.has_sent_settings {
            self.output.tail().extend_from_slice(octets);
        }
    }

    /// Asks for a [`Pong`](crate::Event::Pong) with the same payload.
    pub fn ping(&mut self, payload: [u8; 8]) {
        if !self.is_failed {
            self.send_settings();
            write::ping(self.output.tail(), payload, 0);
        }
    }

    /// Whether [`open`](Self::open) would succeed.
    pub fn can_open(&self) -> bool {
        self.room_to_open().is_ok()
    }

    /// How many streams may be opened now.
    pub fn room(&self) -> usize {
        match self.room_to_open() {
            Ok(_) => (self.streams_max() as usize).saturating_sub(self.streams.len()),
            Err(_) => 0,
        }
    }

    /// How many streams the peer allows at once: as its SETTINGS say, 2^32-1 if they do not, and
    /// `STREAMS_BEFORE_SETTINGS` before they come.
    pub fn streams_max(&self) -> u32 {
        self.peer_streams_max.unwrap_or(STREAMS_BEFORE_SETTINGS)
    }

    /// The number of the next stream, and the one behind it if there is one.
    fn room_to_open(&self) -> Result<(StreamId, Option<StreamId>), CannotOpen> {
        let Role::Client { next } = self.role else {
            return Err(CannotOpen::Failed);
        };
        if self.is_failed {
            return Err(CannotOpen::Failed);
        }
        if self.peer_goaway {
            return Err(CannotOpen::Goaway);
        }
        let id = next.ok_or(CannotOpen::IdsExhausted)?;
        if self.streams.len() >= self.streams_max() as usize {
            return Err(CannotOpen::Full);
        }
        Ok((id, id.next()))
    }

    pub(super) fn new_stream(
        &self,
        id: StreamId,
        receiving: Receiving,
        sending: Sending,
    ) -> Stream {
        Stream {
            id,
            receiving,
            sending,
            receive_window: ReceiveWindow::new(self.config.initial_window),
            send_window: i64::from(self.peer_initial_window),
            queue: BodyQueue::default(),
            awaits_body: false,
            stuck_since: None,
            trailers: None,
            is_scheduled: false,
            unanswered: 0,
            is_coalescing: false,
            is_head_request: false,
            reset_charge: ResetCharge::OnReset { opened: self.now },
        }
    }
}

fn is_head_method(field: &Field<'_>) -> bool {
    field.name == b":method" && field.value == b"HEAD"
}

fn is_interim_status(field: &Field<'_>) -> bool {
    field.name == b":status" && field.value.starts_with(b"1")
}
