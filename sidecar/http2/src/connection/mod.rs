//! One HTTP/2 connection, either role.
//!
//! `receive` turns frames into events, `commands` turns the owner's calls into frames, `send`
//! decides which queued data is framed next. Every other file holds one rule.

mod body;
mod budget;
mod closed;
mod coalesce;
mod commands;
mod control;
mod counters;
mod heads;
mod output;
mod progress;
mod receive;
mod resets;
mod role;
mod send;
#[cfg(test)]
mod tests;

pub use commands::{CannotOpen, GoawayKind};
pub use counters::{Counters, Flood};
pub(crate) use resets::ResetCharge;
pub use send::FramedData;

use std::collections::VecDeque;
use std::time::Duration;

use crate::frame::{PREFACE, Reader, setting, write};
use crate::hpack::{Decoder, Encoder, ListLimits};
use crate::stream::{Stream, Streams, Update};
use crate::{Config, ConnectionError, Event, ResetCause, StreamId, WindowPool};
use budget::Budgets;
use closed::ClosedStreams;
use output::Output;
use role::Role;
use send::Sender;

/// What we allow on the whole connection at once: more than all stream windows together
/// (16,384 of 65,535 octets), so no stream can use up what others need. Costs nothing: memory
/// is bounded by the stream windows. RFC 9113 6.9.1 allows up to 2^31-1.
const CONNECTION_WINDOW: u32 = 1 << 30;

/// What every connection starts from (RFC 9113 6.9.2).
const CONNECTION_WINDOW_AT_FIRST: u32 = 65_535;

/// Streams we open before the peer's SETTINGS say how many it takes. RFC 9113 6.5.2 recommends
/// that peers allow at least as many.
const STREAMS_BEFORE_SETTINGS: u32 = 100;

/// One HTTP/2 connection without its socket.
pub struct Connection {
    role: Role,
    config: Config,
    pool: WindowPool,
    /// The time given to the last `receive`.
    now: Duration,

    reader: Reader,
    decoder: Decoder,
    /// A field block that waits for CONTINUATION.
    block: Option<heads::Block>,
    /// The stream that the DATA frame being read belongs to, if it is wanted.
    body: Option<body::Body>,
    /// What the peer may still send on the connection.
    receive_window: u32,
    has_peer_settings: bool,
    /// Our SETTINGS are in the output, or were.
    has_sent_settings: bool,
    /// Frames that began so far; tells one unfinished frame from the next.
    frames: u64,
    budgets: Budgets,
    /// Streams above the peer's GOAWAY, to be returned as events.
    unprocessed: VecDeque<StreamId>,

    streams: Streams,
    closed: ClosedStreams,

    encoder: Encoder,
    sender: Sender,
    output: Output,
    /// `None` before the first SETTINGS.
    peer_streams_max: Option<u32>,
    peer_initial_window: u32,

    peer_goaway: bool,
    /// The lowest last id that a GOAWAY of ours said; the peer's streams above it are ignored.
    goaway_last: StreamId,
    is_failed: bool,
    counters: Counters,
}

impl Connection {
    /// A connection that we opened. Preface and SETTINGS are queued in the output.
    pub fn client(config: Config, pool: &WindowPool) -> Connection {
        let role = Role::Client {
            next: Some(StreamId::new(1)),
        };
        let mut connection = Connection::new(role, Reader::of_server(), config, pool);
        connection.sender.small.counts = connection.config.coalesces;
        connection.output.tail().extend_from_slice(PREFACE);
        connection.send_settings();
        connection
    }

    /// A connection that a peer opened. SETTINGS are queued in the output when its preface has come: it
    /// speaks first (RFC 9113 3.4), and a peer of another protocol is not answered in ours.
    pub fn server(config: Config, pool: &WindowPool) -> Connection {
        let role = Role::Server {
            last: StreamId::CONNECTION,
        };
        Connection::new(role, Reader::of_client(), config, pool)
    }

    /// Queues SETTINGS, which must be the first frame (RFC 9113 3.4).
    fn send_settings(&mut self) {
        if std::mem::replace(&mut self.has_sent_settings, true) {
            return;
        }
        let of_role = match self.role {
            Role::Client { .. } => Some((setting::ENABLE_PUSH, 0)),
            Role::Server { .. } => {
                let streams_max = self.config.max_concurrent_streams;
                streams_max.map(|most| (setting::MAX_CONCURRENT_STREAMS, most))
            }
        };
        self.announce_settings(of_role);
    }

    fn new(role: Role, reader: Reader, config: Config, pool: &WindowPool) -> Connection {
        let config = config.in_range();
        let limits = ListLimits {
            bytes: config.header_list_bytes_max.into(),
            fields: config.header_fields_max.into(),
        };
        Connection {
            role,
            pool: pool.clone(),
            now: Duration::ZERO,
            reader,
            decoder: Decoder::new(config.header_table_bytes as usize, limits),
            block: None,
            body: None,
            receive_window: CONNECTION_WINDOW,
            has_peer_settings: false,
            has_sent_settings: false,
            frames: 0,
            budgets: Budgets::new(&config),
            unprocessed: VecDeque::new(),
            streams: Streams::default(),
            closed: ClosedStreams::default(),
            encoder: Encoder::new(),
            sender: Sender::new(CONNECTION_WINDOW_AT_FIRST),
            output: Output::new(config.control_frames_max),
            peer_streams_max: None,
            peer_initial_window: CONNECTION_WINDOW_AT_FIRST,
            peer_goaway: false,
            goaway_last: StreamId::MAX,
            is_failed: false,
            counters: Counters::default(),
            config,
        }
    }

    fn announce_settings(&mut self, of_role: Option<(u16, u32)>) {
        let mut settings = vec![
            (setting::HEADER_TABLE_SIZE, self.config.header_table_bytes),
            (setting::INITIAL_WINDOW_SIZE, self.config.initial_window),
            (
                setting::MAX_HEADER_LIST_SIZE,
                self.config.header_list_bytes_max,
            ),
        ];
        settings.extend(of_role);
        let out = self.output.tail();
        write::settings(out, &settings);
        write::window_update(
            out,
            StreamId::CONNECTION,
            CONNECTION_WINDOW - CONNECTION_WINDOW_AT_FIRST,
        );
    }

    /// Reads input until there is an event; call until `None`. `input` is advanced and
    /// is empty at `None`: partial frames are kept here. `now` is the time since any fixed
    /// start; it only refills budgets.
    pub fn receive<'b>(&mut self, now: Duration, input: &mut &'b [u8]) -> Option<Event<'b>> {
        self.now = now;
        loop {
            if let Some(stream) = self.unprocessed.pop_front() {
                return Some(Event::Reset {
                    stream,
                    cause: ResetCause::AboveGoaway,
                });
            }
            if self.is_failed {
                *input = &[];
                return None;
            }
            let step = match self.reader.next(input) {
                Ok(None) => return None,
                Ok(Some(piece)) => self.take(piece),
                Err(error) => Err(error),
            };
            match step {
                Ok(None) => {}
                Ok(Some(event)) => return Some(event),
                Err(error) => return Some(self.fail(error)),
            }
        }
    }

    /// Octets to send, in one piece.
    pub fn output(&self) -> &[u8] {
        self.output.as_slice()
    }

    /// The first `bytes` of the output are sent. May frame more of the waiting data, stream by
    /// stream.
    pub fn written(&mut self, bytes: usize) {
        self.output.written(bytes);
        self.send_scheduled();
        if self.streams.is_empty() {
            self.output.rest();
        }
    }

    /// Streams that are not over, both ends.
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// The time until which the owner must hold this stream back, because the peer has spent its reset
    /// budget. `None`: go on. Ask when the stream's head comes.
    pub fn held_until(&self, stream: StreamId) -> Option<Duration> {
        self.streams.find(stream)?.reset_charge.held_until()
    }

    /// Octets that wait with the stream, not yet framed. 0 after the end was given means that
    /// the end is in the output.
    pub fn queued(&self, stream: StreamId) -> usize {
        self.streams
            .find(stream)
            .map_or(0, |stream| stream.queue.len())
    }

    /// The streams with octets that wait, and how many.
    pub fn waiting(&self) -> impl Iterator<Item = (StreamId, usize)> {
        let all = self.streams.iter();
        all.map(|stream| (stream.id, stream.queue.len()))
            .filter(|(_, queued)| *queued > 0)
    }

    /// False while too many answers to the peer are unsent: stop reading its socket.
    pub fn wants_read(&self) -> bool {
        !self.output.is_full()
    }

    /// How often each limit tripped.
    pub fn counters(&self) -> Counters {
        let mut counters = self.counters;
        counters.answers_unsent = self.output.times_full();
        counters
    }

    /// The peer said GOAWAY.
    pub fn peer_goaway(&self) -> bool {
        self.peer_goaway
    }

    /// Our SETTINGS are in the output, or were. Until then no other frame may be sent.
    pub fn has_sent_settings(&self) -> bool {
        self.has_sent_settings
    }

    /// [`Event::Failed`] was returned.
    pub fn is_failed(&self) -> bool {
        self.is_failed
    }

    fn fail<'b>(&mut self, error: ConnectionError) -> Event<'b> {
        self.send_goaway(self.role.last_of_peer(), error.code, error.reason);
        self.is_failed = true;
        self.block = None;
        self.body = None;
        self.sender.stop();
        self.give_growth_back();
        self.streams.clear();
        Event::Failed(error)
    }

    /// Removes the stream from the table and from all that counts it.
    fn forget(&mut self, id: StreamId) -> Option<Stream> {
        let mut stream = self.streams.remove(id)?;
        self.sender.note_body_begun(&mut stream);
        self.sender.small.note_answered(&mut stream);
        self.pool
            .give_back(stream.receive_window.grown(self.config.initial_window));
        if stream.is_scheduled {
            self.sender.unschedule(id);
        }
        Some(stream)
    }

    /// Forgets the stream if both ends ended it, and refills the reset budget.
    fn forget_if_over(&mut self, id: StreamId) {
        let over = self.streams.find(id).filter(|stream| stream.is_over());
        if let Some(reset_charge) = over.map(|stream| stream.reset_charge) {
            self.forget(id);
            self.closed.note_ended(id);
            self.budgets.deposit_for_end(reset_charge);
        }
    }

    /// Announces a window update if there is one.
    fn announce(&mut self, id: StreamId, update: Option<Update>) {
        let Some(update) = update else { return };
        self.counters.note_growth(update.growth);
        write::window_update(self.output.tail(), id, update.increment);
    }

    fn give_growth_back(&self) {
        let grown = |stream: &Stream| stream.receive_window.grown(self.config.initial_window);
        self.pool.give_back(self.streams.iter().map(grown).sum());
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.give_growth_back();
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Connection");
        shown
            .field("role", &self.role)
            .field("open_streams", &self.streams.len());
        shown
            .field("output", &self.output.len())
            .field("is_failed", &self.is_failed)
            .finish_non_exhaustive()
    }
}
