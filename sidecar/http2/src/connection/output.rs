//! What waits to be written, and how much of it the peer made us say.

use crate::frame::{HEAD_LEN, PAYLOAD_MAX, may_join, write};
use crate::stream::ByteQueue;
use crate::{Ends, StreamId};

/// The DATA frame written last.
struct LastData {
    stream: StreamId,
    /// Octets of payload.
    len: usize,
    /// Where it ends, in octets since the start.
    end: u64,
    /// No octets of the same given frame follow.
    has_ended: bool,
}

pub(super) struct Output {
    bytes: ByteQueue,
    /// Octets written since the start.
    written: u64,
    /// Answers in `bytes`. An upper bound: back to 0 when the last of them is written.
    answers: u32,
    /// So many answers are too many; see `Config::control_frames_max`.
    answers_max: u32,
    /// How often there came to be too many.
    times_full: u64,
    /// Where the last answer ends, in octets since the start.
    answers_end: u64,
    last_data: Option<LastData>,
}

/// Memory kept when nothing waits and no stream is open. Bytes.
const IDLE_BYTES: usize = 8 << 10;

impl Output {
    pub(super) fn new(answers_max: u32) -> Output {
        Output {
            bytes: ByteQueue::default(),
            written: 0,
            answers: 0,
            answers_max,
            times_full: 0,
            answers_end: 0,
            last_data: None,
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Append frames here.
    pub(super) fn tail(&mut self) -> &mut Vec<u8> {
        self.bytes.tail()
    }

    /// Appends DATA: to the last frame if that is unsent and may be longer ([`may_join`]), else as a
    /// new frame. False: no new frame was needed.
    pub(super) fn data(&mut self, stream: StreamId, payload: &[u8], ends: Ends) -> bool {
        let end = ends.stream();
        let before = self.extensible(stream, payload.len());
        match before {
            Some(len) => write::extend_data(self.bytes.tail(), stream, len, payload, end),
            None => write::data(self.bytes.tail(), stream, payload, end),
        }
        self.last_data = Some(LastData {
            stream,
            len: before.unwrap_or(0) + payload.len(),
            end: self.end(),
            has_ended: ends != Ends::Nothing,
        });
        before.is_none()
    }

    /// The payload of the last frame, if it is DATA of this stream, wholly unsent and has room.
    fn extensible(&self, stream: StreamId, more: usize) -> Option<usize> {
        let last = self.last_data.as_ref()?;
        let is_last = last.stream == stream && last.end == self.end();
        let is_unsent = HEAD_LEN + last.len <= self.len();
        let fits = last.len + more <= PAYLOAD_MAX && may_join(last.len, last.has_ended, more);
        (is_last && is_unsent && fits).then_some(last.len)
    }

    /// Where the output ends, in octets since the start.
    fn end(&self) -> u64 {
        self.written + self.bytes.len() as u64
    }

    /// Appends an answer to something the peer sent.
    pub(super) fn answer(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        append(self.bytes.tail());
        self.answers += 1;
        self.times_full += u64::from(self.answers == self.answers_max);
        self.answers_end = self.end();
    }

    /// Too many answers wait.
    pub(super) fn is_full(&self) -> bool {
        self.answers >= self.answers_max
    }

    pub(super) fn times_full(&self) -> u64 {
        self.times_full
    }

    pub(super) fn written(&mut self, count: usize) {
        self.written += count.min(self.bytes.len()) as u64;
        self.bytes.consume(count);
        if self.written >= self.answers_end {
            self.answers = 0;
        }
    }

    pub(super) fn rest(&mut self) {
        self.bytes.shrink(IDLE_BYTES);
    }
}
