//! One HTTP/2 connection, either role.

use std::time::Duration;

use crate::{Config, ErrorCode, Event, Field, StreamId, WindowPool};

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

/// Bytes given to [`Connection::data`] that have now been framed.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Taken {
    /// The stream they were given for.
    pub stream: StreamId,
    /// How many.
    pub bytes: usize,
}

/// How often each limit tripped since the connection began.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// RST_STREAM received for streams that were open.
    pub resets_received: u64,
    /// Streams we reset because the peer broke a rule.
    pub resets_for_violations: u64,
    /// Streams refused over `max_concurrent_streams`.
    pub refused_over_limit: u64,
    /// Streams of a trusted peer refused because the reset budget was spent.
    pub refused_for_resets: u64,
    /// Field lists over the limits.
    pub heads_too_large: u64,
    /// Connections that failed because a budget was spent: 0 or 1.
    pub budget_failures: u64,
    /// Times a stream's window grew.
    pub windows_grown: u64,
    /// Times a stream's window could not grow because the pool was spent.
    pub windows_not_grown: u64,
}

/// One HTTP/2 connection without its socket.
pub struct Connection {
    counters: Counters,
}

impl Connection {
    /// A connection that we opened. Preface and SETTINGS are queued in the output.
    pub fn client(_config: Config, _pool: &WindowPool) -> Connection {
        Connection {
            counters: Counters::default(),
        }
    }

    /// A connection that a peer opened. SETTINGS are queued in the output.
    pub fn server(_config: Config, _pool: &WindowPool) -> Connection {
        Connection {
            counters: Counters::default(),
        }
    }

    /// Takes input until there is an event to tell; call until `None`. `input` is advanced and
    /// is empty at `None`: partial frames are kept here. `now` is the time since any fixed
    /// start; it only refills budgets.
    pub fn receive<'b>(&mut self, _now: Duration, input: &mut &'b [u8]) -> Option<Event<'b>> {
        *input = &[];
        None
    }

    /// Client: opens a stream with a request head, pseudo-fields first.
    ///
    /// # Errors
    /// [`CannotOpen`] says why there is no room; nothing was queued then.
    pub fn open<'a>(
        &mut self,
        _fields: impl IntoIterator<Item = Field<'a>>,
        _end: bool,
    ) -> Result<StreamId, CannotOpen> {
        Err(CannotOpen::Failed)
    }

    /// Server: queues a response head, `:status` first. 1xx heads may precede the final one.
    /// Does nothing on a stream that is gone, like every command.
    pub fn head<'a>(
        &mut self,
        _stream: StreamId,
        _fields: impl IntoIterator<Item = Field<'a>>,
        _end: bool,
    ) {
    }

    /// Sends body octets: framed at once while windows and `output_bytes_max` allow; the rest
    /// waits with the stream.
    pub fn data(&mut self, _stream: StreamId, _bytes: &[u8], _end: bool) {}

    /// Sends trailers behind the data that waits, and ends our side of the stream.
    pub fn trailers<'a>(
        &mut self,
        _stream: StreamId,
        _fields: impl IntoIterator<Item = Field<'a>>,
    ) {
    }

    /// Resets the stream and drops what waits. After an early answer (`NoError`): only once
    /// [`queued`](Self::queued) is 0, or the answer is cut.
    pub fn reset(&mut self, _stream: StreamId, _code: ErrorCode) {}

    /// The owner passed `bytes` received on the stream on: the peer may send as many again.
    pub fn credit(&mut self, _stream: StreamId, _bytes: usize) {}

    /// Tells the peer to open no more streams.
    pub fn goaway(&mut self, _code: ErrorCode, _kind: GoawayKind) {}

    /// Asks for a [`Event::Pong`] with the same payload.
    pub fn ping(&mut self, _payload: [u8; 8]) {}

    /// Octets to send, in one piece.
    pub fn output(&self) -> &[u8] {
        &[]
    }

    /// The first `bytes` of the output are sent. May frame more of the waiting data, stream by
    /// stream.
    pub fn written(&mut self, _bytes: usize) {}

    /// The next report of framed body octets: the owner credits them at their source. Octets
    /// dropped by a reset are not reported.
    pub fn next_taken(&mut self) -> Option<Taken> {
        None
    }

    /// Whether [`open`](Self::open) would succeed.
    pub fn can_open(&self) -> bool {
        false
    }

    /// Streams that are not over, both ends.
    pub fn open_streams(&self) -> usize {
        0
    }

    /// Octets that wait with the stream, not yet framed.
    pub fn queued(&self, _stream: StreamId) -> usize {
        0
    }

    /// Data waits and the peer's connection window is spent.
    pub fn is_send_blocked(&self) -> bool {
        false
    }

    /// False while too many answers to the peer are unsent: stop reading its socket.
    pub fn wants_read(&self) -> bool {
        true
    }

    /// How often each limit tripped.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The peer said GOAWAY.
    pub fn peer_goaway(&self) -> bool {
        false
    }

    /// [`Event::Failed`] was told.
    pub fn is_failed(&self) -> bool {
        false
    }
}
