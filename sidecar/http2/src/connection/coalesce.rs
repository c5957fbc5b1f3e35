//! Coalesces small pieces of a request body into larger DATA frames.
//!
//! A server on the h2 crate closes a connection, with all its calls, that holds too many unread small
//! DATA frames (`too_many_data_frames`: each costs 256 octets less its payload; all together at most
//! half of the connection window). So when many small frames are unanswered, further small pieces of
//! a stream wait: until they make 256 octets, until the stream ends, until the peer sends a frame on
//! it, or until the owner calls [`Connection::send_coalesced`]. How many are many follows from the
//! window. The first messages of a stream, and messages that the peer answers, are sent at once. Only
//! a client coalesces, and only if its owner asks for it ([`Config::coalesces`](crate::Config)): a
//! caller that does not read harms only itself.
//!
//! Many slow streams can still reach the limit. So the owner opens no more streams on a connection
//! with half of it unanswered ([`Connection::has_many_small_frames`]).

use super::Connection;
use crate::frame::SMALL_BYTES;
use crate::stream::{Sending, Stream};
use crate::{Ends, StreamId};

/// Octets of window per unread small frame: small frames may cost half of the window, and one costs
/// 256 octets less its payload.
const WINDOW_OF_FRAME: usize = 2 * SMALL_BYTES;
/// Small frames that every server accepts, whatever its window.
const ACCEPTED_MIN: usize = 100;
/// Coalescing starts when an eighth of what the server accepts is unanswered, or this many frames:
/// 256 with tonic's window of 1 MiB, 15 with the protocol's initial window.
const UNCOALESCED_MAX: usize = 256;
/// Small frames that each stream sends at once, whatever others do.
const UNANSWERED_OF_STREAM: u32 = 4;

/// The small frames of a connection.
#[derive(Default)]
pub(super) struct SmallFrames {
    /// We are a client that coalesces.
    pub(super) counts: bool,
    /// The sum of `Stream::unanswered`.
    unanswered: usize,
    /// How many of them the server accepts, as far as its window tells.
    accepted: usize,
    /// Streams that coalesce; may hold some that have stopped.
    coalescing: Vec<StreamId>,
}

impl SmallFrames {
    /// The server allows `window` octets on the connection.
    pub(super) fn note_window(&mut self, window: u32) {
        let accepted = (window as usize / WINDOW_OF_FRAME).max(ACCEPTED_MIN);
        self.accepted = self.accepted.max(accepted);
    }

    fn should_coalesce(&self) -> bool {
        self.unanswered >= (self.accepted / 8).min(UNCOALESCED_MAX)
    }

    /// A frame of `octets` was sent, and it did not end the stream.
    pub(super) fn note_sent(&mut self, stream: &mut Stream, octets: usize) {
        if self.counts && octets < SMALL_BYTES {
            stream.unanswered += 1;
            self.unanswered += 1;
        }
    }

    /// The peer sent a frame on the stream, or the stream is closed.
    pub(super) fn note_answered(&mut self, stream: &mut Stream) {
        let answered = std::mem::take(&mut stream.unanswered);
        // Zero already on a connection that failed.
        self.unanswered = self.unanswered.saturating_sub(answered as usize);
    }

    /// The connection failed.
    pub(super) fn stop(&mut self) {
        self.unanswered = 0;
        self.coalescing.clear();
    }
}

impl Stream {
    /// Whether the next piece waits too, with `waiting` octets in all.
    fn should_coalesce(&self, waiting: usize) -> bool {
        self.unanswered >= UNANSWERED_OF_STREAM
            && waiting < SMALL_BYTES
            && self.sending == Sending::Body
            && (self.is_coalescing || self.queue.is_empty())
    }
}

impl Connection {
    /// Octets wait to be coalesced: call [`send_coalesced`](Self::send_coalesced) some milliseconds
    /// after this became true.
    pub fn is_coalescing(&self) -> bool {
        !self.sender.small.coalescing.is_empty()
    }

    /// So many small frames are unanswered that the server may close the connection: open new streams
    /// on another one.
    pub fn has_many_small_frames(&self) -> bool {
        let small = &self.sender.small;
        small.counts && small.unanswered >= small.accepted / 2
    }

    /// Sends all octets that wait to be coalesced.
    pub fn send_coalesced(&mut self) {
        for id in std::mem::take(&mut self.sender.small.coalescing) {
            self.end_coalescing(id);
        }
    }

    /// Queues `bytes` if they should wait for more. False: they may be sent now.
    pub(super) fn coalesce(&mut self, id: StreamId, bytes: &[u8], ends: Ends) -> bool {
        if !self.sender.small.should_coalesce() {
            return false;
        }
        let Some(stream) = self.streams.find_mut(id) else {
            return false;
        };
        if !stream.should_coalesce(stream.queue.len() + bytes.len()) {
            return false;
        }
        stream.queue.append(bytes, ends);
        if !std::mem::replace(&mut stream.is_coalescing, true) {
            self.sender.small.coalescing.push(id);
        }
        true
    }

    /// The stream stops coalescing: its octets are scheduled.
    pub(super) fn end_coalescing(&mut self, id: StreamId) {
        let Some(stream) = self.streams.find_mut(id) else {
            return;
        };
        if std::mem::take(&mut stream.is_coalescing) {
            self.schedule(id);
            self.send_scheduled();
        }
    }

    /// The peer sent a frame on the stream.
    pub(super) fn note_answered(&mut self, id: StreamId) {
        if self.sender.small.unanswered == 0 {
            return;
        }
        let Some(stream) = self.streams.find_mut(id) else {
            return;
        };
        if stream.unanswered > 0 {
            self.sender.small.note_answered(stream);
            self.end_coalescing(id);
        }
    }
}
