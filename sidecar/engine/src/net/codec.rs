//! A connection's HTTP/2, which knows whether it was left in the middle of something.
//!
//! Every step that changes it is marked while it runs. A panic leaves the mark: the codec is torn,
//! its compression state or its output may be half-made, and from then on it says and does nothing.
//! `panic/mod.rs` ends such a connection. Costs two stores a step; nothing is known here of calls.

use std::ops::Deref;
use std::time::Duration;

use outrider_http2::{
    CannotOpen, Connection, Ends, ErrorCode, Event, Field, FramedData, GoawayKind, StreamId,
};

use crate::panic::failpoint::{Failpoint, Failpoints};

/// One HTTP/2 connection that survives its own panics, as something to be thrown away.
pub(crate) struct Codec {
    http2: Connection,
    /// In a step, or left in one by a panic.
    torn: bool,
    failpoints: Failpoints,
}

impl Codec {
    pub(crate) fn new(http2: Connection, failpoints: Failpoints) -> Codec {
        Codec {
            http2,
            torn: false,
            failpoints,
        }
    }

    /// Between two steps: did a panic end the last one?
    pub(crate) fn is_damaged(&self) -> bool {
        self.torn
    }

    /// Nothing around it can be trusted any more, so it is to be thrown away as if it were torn.
    pub(crate) fn condemn(&mut self) {
        self.torn = true;
    }

    /// `None`: it is torn and does nothing.
    fn step<R>(&mut self, step: impl FnOnce(&mut Connection, &Failpoints) -> R) -> Option<R> {
        if self.torn {
            return None;
        }
        self.torn = true;
        self.failpoints.hit(Failpoint::Codec);
        let done = step(&mut self.http2, &self.failpoints);
        self.torn = false;
        Some(done)
    }

    pub(crate) fn receive<'b>(&mut self, now: Duration, input: &mut &'b [u8]) -> Option<Event<'b>> {
        self.step(|http2, _| http2.receive(now, input))?
    }

    pub(crate) fn open<'a>(
        &mut self,
        fields: impl IntoIterator<Item = Field<'a>>,
        end: bool,
    ) -> Result<StreamId, CannotOpen> {
        self.step(|http2, failpoints| http2.open(burning(fields, failpoints), end))
            .unwrap_or(Err(CannotOpen::Failed))
    }

    pub(crate) fn head<'a>(
        &mut self,
        stream: StreamId,
        fields: impl IntoIterator<Item = Field<'a>>,
        end: bool,
    ) {
        self.step(|http2, failpoints| http2.head(stream, burning(fields, failpoints), end));
    }

    pub(crate) fn mark_local_reply(&mut self, stream: StreamId) {
        self.step(|http2, _| http2.mark_local_reply(stream));
    }

    pub(crate) fn data(&mut self, stream: StreamId, bytes: &[u8], ends: Ends) {
        self.step(|http2, _| http2.data_part(stream, bytes, ends));
    }

    pub(crate) fn trailers<'a>(
        &mut self,
        stream: StreamId,
        fields: impl IntoIterator<Item = Field<'a>>,
    ) {
        self.step(|http2, failpoints| http2.trailers(stream, burning(fields, failpoints)));
    }

    pub(crate) fn cut_short<'a>(
        &mut self,
        stream: StreamId,
        fields: impl IntoIterator<Item = Field<'a>>,
    ) {
        self.step(|http2, failpoints| http2.cut_short(stream, burning(fields, failpoints)));
    }

    pub(crate) fn reset(&mut self, stream: StreamId, code: ErrorCode) {
        self.step(|http2, _| http2.reset(stream, code));
    }

    pub(crate) fn credit(&mut self, stream: StreamId, bytes: usize) {
        self.step(|http2, _| http2.credit(stream, bytes));
    }

    pub(crate) fn goaway(&mut self, code: ErrorCode, kind: GoawayKind) {
        self.step(|http2, _| http2.goaway(code, kind));
    }

    pub(crate) fn answer_foreign(&mut self, octets: &[u8]) {
        self.step(|http2, _| http2.answer_foreign(octets));
    }

    pub(crate) fn ping(&mut self, payload: [u8; 8]) {
        self.step(|http2, _| http2.ping(payload));
    }

    pub(crate) fn written(&mut self, bytes: usize) {
        self.step(|http2, _| http2.written(bytes));
    }

    pub(crate) fn send_coalesced(&mut self) {
        self.step(|http2, _| http2.send_coalesced());
    }

    pub(crate) fn next_framed(&mut self) -> Option<FramedData> {
        // No burning here: it is asked after every flush, and says nothing that could be torn.
        if self.torn {
            return None;
        }
        self.http2.next_framed()
    }

    pub(crate) fn stalled(&mut self, now: Duration, longest: Duration) -> Vec<StreamId> {
        self.step(|http2, _| http2.stalled(now, longest))
            .unwrap_or_default()
    }

    pub(crate) fn can_open(&self) -> bool {
        !self.torn && self.http2.can_open()
    }

    pub(crate) fn output(&self) -> &[u8] {
        match self.torn {
            true => &[],
            false => self.http2.output(),
        }
    }
}

/// What only reads is asked of HTTP/2 itself.
impl Deref for Codec {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.http2
    }
}

/// The fields, each of them a place for an injected panic: half a field block is as torn as it gets.
fn burning<'a>(
    fields: impl IntoIterator<Item = Field<'a>>,
    failpoints: &Failpoints,
) -> impl Iterator<Item = Field<'a>> {
    fields
        .into_iter()
        .inspect(|_| failpoints.hit(Failpoint::Codec))
}
