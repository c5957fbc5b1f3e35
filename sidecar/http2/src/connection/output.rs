//! What waits to be written, and how much of it the peer made us say.

use crate::stream::ByteQueue;

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

    /// Appends an answer to something the peer sent.
    pub(super) fn answer(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        append(self.bytes.tail());
        self.answers += 1;
        self.times_full += u64::from(self.answers == self.answers_max);
        self.answers_end = self.written + self.bytes.len() as u64;
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
