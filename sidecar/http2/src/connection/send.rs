//! Decides which queued data is framed next.
//!
//! Streams with data and window take turns, one frame each, while the output is below its limit and
//! the peer's connection window is open. Data is copied once if it is sent at once, twice if it is
//! queued.
//!
//! Streams that the server does not read could use up its connection window and block all others. So a
//! client reserves the end of that window for streams whose head is sent and whose body has not begun.

use std::collections::VecDeque;

use super::Connection;
use super::coalesce::SmallFrames;
use crate::frame::{PAYLOAD_MAX, write};
use crate::stream::{Sending, Stream};
use crate::{Ends, StreamId};

/// Most of a server's connection window that is reserved for bodies that begin. Less than a full frame:
/// some servers send no WINDOW_UPDATE while a full frame fits.
const RESERVE_BYTES: usize = 8 << 10;
/// Reserved for the first octets of each body. A longer body is not cut into shorter frames to fit
/// beside the reserve: servers limit unread small frames (h2: too_many_data_frames).
const BEGINNING_BYTES: usize = 1 << 10;

/// Bytes given to [`Connection::data`] that have now been framed.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct FramedData {
    /// The stream they were given for.
    pub stream: StreamId,
    /// How many.
    pub bytes: usize,
}

pub(super) struct Sender {
    /// What the peer lets us send on the connection. 0..=2^31-1.
    window: u32,
    /// Streams with `is_scheduled`, each once, in the order of their turns. Not empty only while the
    /// output is full, or `window` is 0 or reserved for others.
    scheduled: VecDeque<StreamId>,
    /// How many streams have `awaits_body`.
    awaiting_body: usize,
    pub(super) small: SmallFrames,
    taken: VecDeque<FramedData>,
}

impl Sender {
    pub(super) fn new(window: u32) -> Sender {
        let mut small = SmallFrames::default();
        small.note_window(window);
        Sender {
            window,
            scheduled: VecDeque::new(),
            awaiting_body: 0,
            small,
            taken: VecDeque::new(),
        }
    }

    /// False: the window would exceed 2^31-1.
    pub(super) fn widen(&mut self, increment: u32) -> bool {
        self.window = self.window.saturating_add(increment);
        self.small.note_window(self.window);
        self.window <= i32::MAX as u32
    }

    pub(super) fn unschedule(&mut self, id: StreamId) {
        self.scheduled.retain(|&other| other != id);
    }

    pub(super) fn stop(&mut self) {
        self.scheduled.clear();
        self.awaiting_body = 0;
        self.small.stop();
    }

    /// A request head without END_STREAM was sent: a body follows.
    pub(super) fn note_head(&mut self, stream: &mut Stream) {
        stream.awaits_body = true;
        self.awaiting_body += 1;
    }

    /// The body of the stream has begun, or will not come.
    pub(super) fn note_body_begun(&mut self, stream: &mut Stream) {
        let was_unbegun = std::mem::take(&mut stream.awaits_body);
        self.awaiting_body -= usize::from(was_unbegun);
    }

    /// Octets of `waiting` that the next frame of `stream` may carry.
    fn share(&self, stream: &Stream, waiting: usize) -> usize {
        let window = usize::try_from(stream.send_window).unwrap_or(0);
        let share = waiting.min(PAYLOAD_MAX).min(window);
        share.min(self.room(stream, share))
    }

    /// Octets of the connection window that `stream` may use to send `wanted`: all but the reserve of
    /// other streams.
    fn room(&self, stream: &Stream, wanted: usize) -> usize {
        let all = self.window as usize;
        let others = self.awaiting_body - usize::from(stream.awaits_body);
        let left = all.saturating_sub((others * BEGINNING_BYTES).min(RESERVE_BYTES));
        let is_small = others > 0 && left < wanted.min(BEGINNING_BYTES);
        match (stream.awaits_body, is_small) {
            (true, _) => left.max(all.min(BEGINNING_BYTES)),
            (false, true) => 0,
            (false, false) => left,
        }
    }

    fn charge(&mut self, stream: &mut Stream, bytes: usize) {
        self.note_body_begun(stream);
        stream.send_window -= bytes as i64;
        self.window -= bytes as u32;
        match self.taken.back_mut() {
            Some(last) if last.stream == stream.id => last.bytes += bytes,
            Some(_) | None => self.taken.push_back(FramedData {
                stream: stream.id,
                bytes,
            }),
        }
    }
}

impl Connection {
    /// The next report of framed body octets, so that the owner can credit their source. Octets
    /// dropped by a reset are not reported.
    pub fn next_framed(&mut self) -> Option<FramedData> {
        self.sender.taken.pop_front()
    }

    /// The peer's connection window has less than a full frame left, so a new stream may not be able
    /// to send. A peer that reads sends WINDOW_UPDATE well before that.
    pub fn is_send_window_low(&self) -> bool {
        self.sender.window < PAYLOAD_MAX as u32
    }

    /// Frames what may be sent now and queues the rest. If nothing is queued and no stream waits for
    /// its turn, data is copied from the owner's buffer straight to the output. So are the first
    /// octets of a body: the window that waiting streams leave open is reserved for them.
    pub(super) fn send_or_queue(&mut self, id: StreamId, bytes: &[u8], ends: Ends) {
        let Some(stream) = self.streams.find_mut(id) else {
            return;
        };
        let mut rest = bytes;
        if stream.queue.is_empty() && (self.sender.scheduled.is_empty() || stream.awaits_body) {
            while self.output.len() < self.config.output_bytes_max {
                let share = self.sender.share(stream, rest.len());
                if share == 0 {
                    break;
                }
                let (now, later) = rest.split_at(share);
                rest = later;
                let now_ends = if rest.is_empty() { ends } else { Ends::Nothing };
                let is_new = self.output.data(id, now, now_ends);
                self.budgets.deposit_for_data_sent(share);
                self.sender.charge(stream, share);
                if is_new && now_ends != Ends::Stream {
                    self.sender.small.note_sent(stream, share);
                }
            }
        }
        if rest.is_empty() && stream.queue.is_empty() {
            return self.end_behind(id, bytes.is_empty());
        }
        stream.queue.append(rest, ends);
        let was_coalescing = std::mem::take(&mut stream.is_coalescing);
        self.schedule(id);
        if was_coalescing {
            self.send_scheduled();
        }
    }

    /// The queue is empty: if the owner gave the end, it is in the output already or is sent with an
    /// empty frame, which needs no window.
    fn end_behind(&mut self, id: StreamId, needs_frame: bool) {
        if self
            .streams
            .find(id)
            .is_none_or(|stream| stream.sending != Sending::Ending)
        {
            return;
        }
        if needs_frame {
            self.output.data(id, &[], Ends::Stream);
            self.budgets.deposit_for_data_sent(0);
        }
        self.end_sending(id);
    }

    pub(super) fn schedule(&mut self, id: StreamId) {
        let Some(stream) = self.streams.find_mut(id) else {
            return;
        };
        if stream.is_ready() && !stream.is_scheduled {
            stream.is_scheduled = true;
            self.sender.scheduled.push_back(id);
        }
    }

    /// Lets scheduled streams send in turn while windows and output allow.
    pub(super) fn send_scheduled(&mut self) {
        let mut turns = self.sender.scheduled.len();
        while turns > 0
            && self.sender.window > 0
            && self.output.len() < self.config.output_bytes_max
            && let Some(id) = self.sender.scheduled.pop_front()
        {
            let window = self.sender.window;
            self.send_turn(id);
            turns = match self.sender.window == window {
                true => turns - 1,
                false => self.sender.scheduled.len(),
            };
        }
    }

    fn send_turn(&mut self, id: StreamId) {
        let waiting = self.queued(id);
        let Some(stream) = self.streams.find_mut(id) else {
            return;
        };
        stream.is_scheduled = false;
        let in_one_piece = stream.queue.front().len();
        let share = self.sender.share(stream, in_one_piece);
        let is_last = share == waiting && stream.sending == Sending::Ending;
        if share > 0 {
            let ends = match is_last && stream.trailers.is_none() {
                true => Ends::Stream,
                false => stream.queue.ends_behind(share),
            };
            let octets = &stream.queue.front()[..share];
            let is_new = self.output.data(id, octets, ends);
            self.budgets.deposit_for_data_sent(share);
            stream.queue.consume(share);
            stream.stuck_since = None;
            self.sender.charge(stream, share);
            if is_new && !is_last {
                self.sender.small.note_sent(stream, share);
            }
        }
        if !is_last {
            return self.schedule(id);
        }
        if let Some(fields) = stream.trailers.take() {
            write::headers(self.output.tail(), id, true, |out| {
                self.encoder.encode(&*fields, out)
            });
        }
        self.end_sending(id);
    }

    /// END_STREAM is in the output.
    pub(super) fn end_sending(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.find_mut(id) {
            stream.sending = Sending::Ended;
            self.sender.note_body_begun(stream);
            self.forget_if_over(id);
        }
    }

    /// The peer widened a stream's window. False: beyond 2^31-1.
    pub(super) fn widen_stream(&mut self, id: StreamId, increment: u32) -> bool {
        let Some(stream) = self.streams.find_mut(id) else {
            return true;
        };
        stream.send_window += i64::from(increment);
        if stream.send_window > i64::from(i32::MAX) {
            return false;
        }
        self.schedule(id);
        self.note_answered(id);
        true
    }

    /// The peer's new initial window moves the windows of all open streams, below zero if it
    /// must (RFC 9113 6.9.2). False: one would exceed 2^31-1.
    pub(super) fn move_windows(&mut self, initial_window: u32) -> bool {
        let delta = i64::from(initial_window) - i64::from(self.peer_initial_window);
        self.peer_initial_window = initial_window;
        let mut fits = true;
        let mut ready = Vec::new();
        for stream in self.streams.iter_mut() {
            stream.send_window += delta;
            fits &= stream.send_window <= i64::from(i32::MAX);
            if stream.is_ready() && !stream.is_scheduled {
                ready.push(stream.id);
            }
        }
        ready.sort_unstable();
        ready.into_iter().for_each(|id| self.schedule(id));
        fits
    }
}
