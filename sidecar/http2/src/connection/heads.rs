//! HEADERS and CONTINUATION (RFC 9113 6.2, 6.10, 8.1): heads and trailers.
//!
//! Every block is decoded, wanted or not, because the connection shares the compression state. Only
//! then the block is matched to its stream.

use super::closed::ClosedState;
use super::counters::Flood;
use super::role::Role;
use super::{Connection, ResetCharge};
use crate::frame::{FrameHead, HeadersPayload, flag, write};
use crate::hpack::{DecodeError, Decoded};
use crate::octets::{self, Octets};
use crate::stream::{Receiving, Sending, Stream};
use crate::{ConnectionError, ErrorCode, Event, Malformed, ResetCause, StreamId, validate};

/// With this many streams on a connection, request heads are copied to the exact size. With fewer, the
/// copy costs more than it saves.
const MANY_STREAMS: usize = 100;

/// A field block whose frames are coming.
pub(super) struct Block {
    pub(super) stream: StreamId,
    end: bool,
    depends_on_itself: bool,
    octets: Vec<u8>,
    continuations: u32,
    /// The number of its first frame.
    pub(super) frame: u64,
}

/// A decoded block on its stream.
struct Head {
    stream: StreamId,
    end: bool,
    depends_on_itself: bool,
    list: Decoded,
}

impl Head {
    /// Checked first: a stream must not depend on itself (RFC 7540 5.3.1); priorities mean nothing else.
    fn check_priority(&self) -> Result<(), Malformed> {
        match self.depends_on_itself {
            true => Err(Malformed::self_dependency()),
            false => Ok(()),
        }
    }
}

impl Connection {
    pub(super) fn take_headers(
        &mut self,
        head: &FrameHead,
        payload: &[u8],
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        if !head.stream.is_clients() {
            return Err(ConnectionError::protocol(
                "HEADERS on a stream that no client opens",
            ));
        }
        let HeadersPayload {
            fragment,
            depends_on_itself,
        } = HeadersPayload::parse(head, payload)?;
        let (stream, end) = (head.stream, head.has(flag::END_STREAM));
        if head.has(flag::END_HEADERS) {
            return self.take_block(stream, end, depends_on_itself, fragment);
        }
        let octets = fragment.to_vec();
        self.block = Some(Block {
            stream,
            end,
            depends_on_itself,
            octets,
            continuations: 0,
            frame: self.frames,
        });
        Ok(None)
    }

    pub(super) fn take_continuation(
        &mut self,
        head: &FrameHead,
        payload: &[u8],
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        let Some(mut block) = self.block.take() else {
            return Ok(None);
        };
        block.octets.extend_from_slice(payload);
        block.continuations += 1;
        let octets_max = 4 * self.config.header_list_bytes_max as usize;
        if block.continuations > self.config.continuation_frames_max
            || block.octets.len() > octets_max
        {
            return Err(self.flood_error(Flood::FieldBlock));
        }
        if head.has(flag::END_HEADERS) {
            return self.take_block(
                block.stream,
                block.end,
                block.depends_on_itself,
                &block.octets,
            );
        }
        self.block = Some(block);
        Ok(None)
    }

    fn take_block(
        &mut self,
        stream: StreamId,
        end: bool,
        depends_on_itself: bool,
        octets: &[u8],
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        let list = self.decoder.decode(octets).map_err(|error| match error {
            DecodeError::Compression(reason) => ConnectionError::compression(reason),
            DecodeError::WayTooLarge => self.flood_error(Flood::FieldList),
        })?;
        self.counters.heads_too_large += u64::from(!list.is_whole);
        self.counters.values_stripped += list.flaws.stripped;
        self.note_answered(stream);
        let head = Head {
            stream,
            end,
            depends_on_itself,
            list,
        };
        match self.streams.find(stream).map(|known| known.receiving) {
            Some(Receiving::Head) => self.take_response(head),
            Some(Receiving::Body { octets_left }) => self.take_trailers(head, octets_left),
            Some(Receiving::Malformed) => self.spend_idle_frame(),
            Some(Receiving::Ended) => self.reset_for_violation(
                stream,
                ResetCause::Violation(ErrorCode::StreamClosed, "HEADERS behind END_STREAM"),
            ),
            None => self.take_on_new_or_closed(head),
        }
    }

    fn take_on_new_or_closed(
        &mut self,
        head: Head,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        let id = head.stream;
        match self.role {
            Role::Server { last } if id > last => {
                self.role = Role::Server { last: id };
                self.take_request(head)
            }
            Role::Client { .. } if self.role.is_idle(id) => Err(ConnectionError::protocol(
                "HEADERS on a stream that was not opened",
            )),
            Role::Server { .. } | Role::Client { .. } => match self.closed.find(id) {
                ClosedState::Unknown if matches!(self.role, Role::Server { .. }) => Err(
                    ConnectionError::protocol("stream number used again or out of order"),
                ),
                state @ (ClosedState::ResetByUs
                | ClosedState::Ended
                | ClosedState::ResetByPeer
                | ClosedState::Unknown) => self.take_late(id, state),
            },
        }
    }

    fn take_request(&mut self, head: Head) -> Result<Option<Event<'static>>, ConnectionError> {
        let checked = head.check_priority();
        let Head {
            stream: id,
            end,
            mut list,
            ..
        } = head;
        let Some(charge) = self.admit(id)? else {
            return Ok(None);
        };
        let checked = checked.and_then(|()| list.check_octets());
        let checked = checked.and_then(|()| validate::request(&mut list.fields, list.is_whole));
        let checked = checked.and_then(|request| check_length(request.content_length, end));
        let length = match checked {
            Ok(length) => length,
            Err(why) => {
                return Ok(Some(self.take_malformed_head(id, end, charge, list, why)));
            }
        };
        // A throttled peer earns tokens for answered streams only.
        if matches!(charge, ResetCharge::OnReset { .. }) {
            self.budgets.deposit_for_stream();
        }
        if self.streams.len() >= MANY_STREAMS {
            list.fields.compact();
        }
        let stream = self.new_stream(id, Receiving::body(length), Sending::Head);
        self.streams.insert(Stream {
            reset_charge: charge,
            ..stream
        });
        if end {
            self.end_receiving(id);
        }
        Ok(Some(list.into_request(id, end)))
    }

    /// Keeps the stream open, so that the owner can answer and reset it.
    fn take_malformed_head(
        &mut self,
        stream: StreamId,
        end: bool,
        charge: ResetCharge,
        list: Decoded,
        why: Malformed,
    ) -> Event<'static> {
        let entry = self.new_stream(stream, Receiving::Malformed, Sending::Head);
        self.streams.insert(Stream {
            reset_charge: charge,
            ..entry
        });
        let mut fields = list.fields;
        fields.retain(|field| octets::classify(field) != Octets::Forbidden);
        Event::HeadMalformed {
            stream,
            fields,
            why,
            end,
        }
    }

    /// Whether a new stream of the peer is taken; if not, it is refused or ignored.
    fn admit(&mut self, id: StreamId) -> Result<Option<ResetCharge>, ConnectionError> {
        if id > self.goaway_last {
            self.closed.note_reset(id, self.config.initial_window);
            self.spend_idle_frame()?;
            return Ok(None);
        }
        let most = self.config.max_concurrent_streams;
        if most.is_some_and(|most| self.streams.len() >= most as usize) {
            self.counters.refused_over_limit += 1;
            return self.refuse(id);
        }
        let charge = self.budgets.resets.admit(self.now);
        self.counters.held_for_resets += u64::from(charge.held_until().is_some());
        Ok(Some(charge))
    }

    /// Refuses the stream as unprocessed, so the peer may retry elsewhere. A peer that keeps trying here
    /// runs out of budget.
    fn refuse(&mut self, id: StreamId) -> Result<Option<ResetCharge>, ConnectionError> {
        self.output
            .answer(|out| write::rst_stream(out, id, ErrorCode::RefusedStream));
        self.closed.note_reset(id, self.config.initial_window);
        // Its head, and the reset that is our answer.
        self.spend_idle_pair()?;
        Ok(None)
    }

    fn take_response(&mut self, head: Head) -> Result<Option<Event<'static>>, ConnectionError> {
        let checked = head.check_priority();
        let Head {
            stream: id,
            end,
            depends_on_itself,
            mut list,
        } = head;
        if !list.is_whole {
            return self.reset_for_violation(id, ResetCause::TooLarge);
        }
        let checked = checked.and_then(|()| list.check_octets());
        let response = match checked.and_then(|()| validate::response(&mut list.fields)) {
            Ok(response) => response,
            Err(why) => return self.take_malformed(id, why),
        };
        if response.status < 200 {
            return self.take_interim(Head {
                stream: id,
                end,
                depends_on_itself,
                list,
            });
        }
        let Some(stream) = self.streams.find_mut(id) else {
            return Ok(None);
        };
        // RFC 9110 8.6: in these responses content-length describes a body that is not sent.
        let has_no_body = stream.is_head_request || matches!(response.status, 204 | 304);
        let body_len = response.content_length.filter(|_| !has_no_body);
        if let Err(why) = check_length(body_len, end) {
            return self.take_malformed(id, why);
        }
        stream.receiving = Receiving::body(body_len);
        if end {
            self.end_receiving(id);
        }
        Ok(Some(Event::Head {
            stream: id,
            fields: list.fields,
            end,
        }))
    }

    fn take_interim(&mut self, head: Head) -> Result<Option<Event<'static>>, ConnectionError> {
        if head.end {
            let why = Malformed::message("1xx head with END_STREAM");
            return self.take_malformed(head.stream, why);
        }
        self.spend_idle_frame()?;
        Ok(Some(Event::Interim {
            stream: head.stream,
            fields: head.list.fields,
        }))
    }

    fn take_trailers(
        &mut self,
        head: Head,
        octets_left: Option<u64>,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        let checked = head.check_priority();
        let Head {
            stream: id,
            end,
            mut list,
            ..
        } = head;
        if !end {
            let why = Malformed::message("second head without END_STREAM");
            return self.take_malformed(id, why);
        }
        if !list.is_whole {
            return self.take_large_trailers(id, &list);
        }
        let checked = checked.and_then(|()| check_length(octets_left, end));
        let checked = checked.and_then(|_| list.check_octets());
        if let Err(why) = checked.and_then(|()| validate::trailers(&mut list.fields)) {
            return self.take_malformed(id, why);
        }
        self.end_receiving(id);
        Ok(Some(Event::Trailers {
            stream: id,
            fields: list.fields,
        }))
    }
}

impl Connection {
    /// Trailers over the limits. A server's owner answers; a client resets, because the response is of
    /// no use.
    fn take_large_trailers(
        &mut self,
        id: StreamId,
        list: &Decoded,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        if let Role::Client { .. } = self.role {
            return self.reset_for_violation(id, ResetCause::TooLarge);
        }
        self.end_receiving(id);
        Ok(Some(Event::TrailersTooLarge {
            stream: id,
            bytes: list.bytes,
            count: list.count,
        }))
    }
}

/// A message that ends here has no octets left to come.
fn check_length(octets_left: Option<u64>, end: bool) -> Result<Option<u64>, Malformed> {
    match octets_left {
        Some(1..) if end => Err(Malformed::length()),
        left => Ok(left),
    }
}

impl Decoded {
    fn into_request(self, stream: StreamId, end: bool) -> Event<'static> {
        let Decoded {
            fields,
            bytes,
            count,
            is_whole,
            ..
        } = self;
        match is_whole {
            true => Event::Head {
                stream,
                fields,
                end,
            },
            false => Event::HeadTooLarge {
                stream,
                fields,
                bytes,
                count,
                end,
            },
        }
    }
}
