//! Small pieces of a body that are gathered before they go.
//!
//! A server on the h2 crate ends a connection that holds too many small DATA frames unread
//! (`too_many_data_frames`: 256 octets less what a frame carries, summed up, at most half of the
//! connection's window), and with it the calls of others. So when many small frames are out behind which
//! their peers have said nothing, what a stream adds in small pieces waits until 256 octets are
//! together, until it ends, until the peer says something on the stream, or until the owner has waited
//! long enough ([`Connection::send_gathered`]). What is many follows from what the server bears. A message that is the first of its stream, or an answer in
//! a conversation, goes at once. Only requests are gathered, and only where the
//! owner asks for it ([`Config::gathers`](crate::Config)): a caller that does not read harms itself.
//!
//! Many who dribble for long come to that number all the same. So the owner opens no more streams where
//! half of it is out ([`Connection::is_send_heavy`]): others have other connections.

use super::Connection;
use crate::StreamId;
use crate::stream::{Sending, Stream};

/// A frame with fewer octets is small.
const SMALL_BYTES: usize = 256;
/// Octets of window for one small frame unread: half of the window is what small frames may weigh, and one
/// weighs 256 octets less what it carries.
const WINDOW_OF_FRAME: usize = 2 * SMALL_BYTES;
/// Small frames that are borne whatever the window.
const BORNE_MIN: usize = 100;
/// An eighth of what a server bears may be out before what follows is gathered, and no more than this: so
/// many with tonic's window of 1 MiB, 15 with the one that every connection begins with.
const UNGATHERED_MAX: usize = 256;
/// So many go at once on each stream, whatever others do.
const UNANSWERED_OF_STREAM: u32 = 4;

/// The small frames of a connection.
#[derive(Default)]
pub(super) struct Small {
    /// We are a client that gathers.
    pub(super) counts: bool,
    /// The sum of `Stream::unanswered`.
    unanswered: usize,
    /// How many of them the server bears, as far as is known.
    borne: usize,
    /// Streams that gather, and perhaps some that do no longer.
    gathering: Vec<StreamId>,
}

impl Small {
    /// The server lets us send so much on the connection.
    pub(super) fn note_window(&mut self, window: u32) {
        let borne = (window as usize / WINDOW_OF_FRAME).max(BORNE_MIN);
        self.borne = self.borne.max(borne);
    }

    fn are_to_gather(&self) -> bool {
        self.unanswered >= (self.borne / 8).min(UNGATHERED_MAX)
    }

    /// A frame of so many octets went, and the stream goes on.
    pub(super) fn note_sent(&mut self, stream: &mut Stream, octets: usize) {
        if self.counts && octets < SMALL_BYTES {
            stream.unanswered += 1;
            self.unanswered += 1;
        }
    }

    /// The peer said something on the stream, or it is gone.
    pub(super) fn note_answered(&mut self, stream: &mut Stream) {
        let answered = std::mem::take(&mut stream.unanswered);
        // Zero already on a connection that failed.
        self.unanswered = self.unanswered.saturating_sub(answered as usize);
    }

    /// The connection failed.
    pub(super) fn stop(&mut self) {
        self.unanswered = 0;
        self.gathering.clear();
    }
}

impl Stream {
    /// Does it gather more, with so many octets waiting?
    fn is_to_gather(&self, waiting: usize) -> bool {
        self.unanswered >= UNANSWERED_OF_STREAM
            && waiting < SMALL_BYTES
            && self.sending == Sending::Body
            && (self.is_gathering || self.queue.is_empty())
    }
}

impl Connection {
    /// Octets wait for more of their stream: call [`send_gathered`](Self::send_gathered) some milliseconds
    /// after this first was true.
    pub fn is_gathering(&self) -> bool {
        !self.sender.small.gathering.is_empty()
    }

    /// So many small frames are unanswered that the server may end the connection: nobody else's streams
    /// should be on it.
    pub fn is_send_heavy(&self) -> bool {
        let small = &self.sender.small;
        small.counts && small.unanswered >= small.borne / 2
    }

    /// What was gathered goes, whatever there is.
    pub fn send_gathered(&mut self) {
        for id in std::mem::take(&mut self.sender.small.gathering) {
            self.end_gathering(id);
        }
    }

    /// Takes octets that are to wait for more. False: they may go.
    pub(super) fn gather(&mut self, id: StreamId, bytes: &[u8]) -> bool {
        if !self.sender.small.are_to_gather() {
            return false;
        }
        let Some(stream) = self.streams.find_mut(id) else {
            return false;
        };
        if !stream.is_to_gather(stream.queue.len() + bytes.len()) {
            return false;
        }
        stream.queue.append(bytes);
        if !std::mem::replace(&mut stream.is_gathering, true) {
            self.sender.small.gathering.push(id);
        }
        true
    }

    /// The stream gathers no more: what it has takes its turn.
    pub(super) fn end_gathering(&mut self, id: StreamId) {
        let Some(stream) = self.streams.find_mut(id) else {
            return;
        };
        if std::mem::take(&mut stream.is_gathering) {
            self.join_round(id);
            self.send_round();
        }
    }

    /// The peer said something on the stream.
    pub(super) fn note_answered(&mut self, id: StreamId) {
        if self.sender.small.unanswered == 0 {
            return;
        }
        let Some(stream) = self.streams.find_mut(id) else {
            return;
        };
        if stream.unanswered > 0 {
            self.sender.small.note_answered(stream);
            self.end_gathering(id);
        }
    }
}
