//! What a connection tells its owner.

use crate::{ConnectionError, ErrorCode, Fields, Foreign, Malformed, StreamId};

/// What ends behind some octets of a body.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Ends {
    /// More octets of the same DATA frame follow.
    Nothing,
    /// The DATA frame.
    Frame,
    /// The stream's body: END_STREAM.
    Stream,
}

impl Ends {
    /// Nothing of the stream follows.
    pub fn stream(self) -> bool {
        self == Ends::Stream
    }
}

/// Something the peer did. Borrows only the input, never the connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'b> {
    /// A valid request head (server) or final response head (client).
    Head {
        /// The stream; new when we are the server.
        stream: StreamId,
        /// All fields, pseudo-fields first.
        fields: Fields,
        /// Nothing follows.
        end: bool,
    },
    /// A valid 1xx response head; more follow.
    Interim {
        /// The stream.
        stream: StreamId,
        /// All fields, `:status` first.
        fields: Fields,
    },
    /// Body octets, perhaps a part of a frame. Connection credit is already returned; stream
    /// credit is returned by [`Connection::credit`](crate::Connection::credit).
    Data {
        /// The stream.
        stream: StreamId,
        /// The octets; empty only with [`Ends::Stream`].
        bytes: &'b [u8],
        /// What ends behind them.
        ends: Ends,
    },
    /// Valid trailers. Nothing follows.
    Trailers {
        /// The stream.
        stream: StreamId,
        /// All fields; no pseudo-fields.
        fields: Fields,
    },
    /// Server only: a request head over the limits, up to four times as much. The owner answers
    /// on the stream.
    HeadTooLarge {
        /// The new stream.
        stream: StreamId,
        /// The fields that fitted, from the front.
        fields: Fields,
        /// Size of the whole list as RFC 9113 6.5.2 counts it.
        bytes: u64,
        /// Fields in the whole list.
        count: u64,
        /// Nothing follows.
        end: bool,
    },
    /// Server only: request trailers over the limits, up to four times as much. Nothing follows; the owner
    /// answers on the stream, if it still can.
    TrailersTooLarge {
        /// The stream.
        stream: StreamId,
        /// Size of the whole list as RFC 9113 6.5.2 counts it.
        bytes: u64,
        /// Fields in the whole list.
        count: u64,
    },
    /// Server only: a malformed request head. The owner answers on the stream (RFC 9113 8.1.1 lets a
    /// server do so), then resets it, also when nothing follows.
    HeadMalformed {
        /// The new stream.
        stream: StreamId,
        /// The fields whose octets are allowed, in order.
        fields: Fields,
        /// Which rule it breaks.
        why: Malformed,
        /// Nothing follows.
        end: bool,
    },
    /// Server only: what follows a request's head is malformed: its length or its trailers. The owner
    /// answers if it still can, then resets the stream.
    Malformed {
        /// The stream.
        stream: StreamId,
        /// Which rule it breaks.
        why: Malformed,
    },
    /// The stream is closed in both directions. Once per stream, and only for streams that the owner knows
    /// and has not finished or reset itself. What was queued is dropped.
    Reset {
        /// The stream.
        stream: StreamId,
        /// Why.
        cause: ResetCause,
    },
    /// The peer will take no more streams. Streams of ours above `last` follow as
    /// [`ResetCause::AboveGoaway`].
    Goaway {
        /// The last stream of ours that the peer may have acted on.
        last: StreamId,
        /// Why.
        code: ErrorCode,
        /// What it adds for people, the first 64 octets.
        debug: Box<[u8]>,
    },
    /// The peer's SETTINGS are in force: room for streams and windows may have changed.
    SettingsChanged,
    /// The answer to our ping.
    Pong {
        /// As given to [`Connection::ping`](crate::Connection::ping).
        payload: [u8; 8],
    },
    /// Server only: the peer speaks another protocol. Nothing is in the output and no frame will be
    /// sent: the owner may answer by [`answer_foreign`](crate::Connection::answer_foreign), and closes.
    Foreign(Foreign),
    /// The connection cannot go on. GOAWAY is queued in the output and no frame will follow:
    /// the owner ends all streams and closes after flushing.
    Failed(ConnectionError),
}

/// Why a stream was closed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ResetCause {
    /// The peer sent RST_STREAM.
    Peer(ErrorCode),
    /// The peer's GOAWAY says it never acted on the stream: safe to try elsewhere.
    AboveGoaway,
    /// Client only: the response was malformed (RFC 9113 8.1.1). RST_STREAM PROTOCOL_ERROR is queued.
    /// Which rule.
    Malformed(Malformed),
    /// Client only: response head or trailers over the limits, up to four times as much. RST_STREAM
    /// ENHANCE_YOUR_CALM is queued.
    TooLarge,
    /// The peer broke a rule of frames or windows on this stream. RST_STREAM with the code is
    /// queued. Which rule.
    Violation(ErrorCode, &'static str),
}
