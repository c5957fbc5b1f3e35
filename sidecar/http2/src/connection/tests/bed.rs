//! The peer as a hand that writes frames.

use std::time::Duration;

use crate::frame::{FrameHead, Kind, PREFACE, Piece, Reader, write};
use crate::hpack::{Decoder, Encoder, ListLimits};
use crate::{
    Config, Connection, ErrorCode, Event, Field, Fields, Foreign, ResetCause, StreamId, WindowPool,
};

pub const POST: [(&str, &str); 4] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/a.B/C"),
    (":authority", "a"),
];

/// An event without its borrow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EventSummary {
    Head {
        stream: u32,
        end: bool,
    },
    Interim(u32),
    Data {
        stream: u32,
        bytes: Vec<u8>,
        end: bool,
    },
    Trailers(u32),
    TooLarge {
        stream: u32,
        kept: usize,
        count: u64,
    },
    TrailersTooLarge(u32),
    HeadMalformed(u32),
    Malformed(u32),
    Reset(u32, ResetCause),
    Goaway {
        last: u32,
        code: ErrorCode,
    },
    SettingsChanged,
    Pong([u8; 8]),
    Foreign(Foreign),
    Failed(ErrorCode),
}

pub fn summarize(event: Event<'_>) -> EventSummary {
    match event {
        Event::Head { stream, end, .. } => EventSummary::Head {
            stream: stream.value(),
            end,
        },
        Event::Interim { stream, .. } => EventSummary::Interim(stream.value()),
        Event::Data {
            stream,
            bytes,
            ends,
        } => EventSummary::Data {
            stream: stream.value(),
            bytes: bytes.to_vec(),
            end: ends.stream(),
        },
        Event::Trailers { stream, .. } => EventSummary::Trailers(stream.value()),
        Event::HeadTooLarge {
            stream,
            fields,
            count,
            ..
        } => EventSummary::TooLarge {
            stream: stream.value(),
            kept: fields.len(),
            count,
        },
        Event::TrailersTooLarge { stream, .. } => EventSummary::TrailersTooLarge(stream.value()),
        Event::HeadMalformed { stream, .. } => EventSummary::HeadMalformed(stream.value()),
        Event::Malformed { stream, .. } => EventSummary::Malformed(stream.value()),
        Event::Reset { stream, cause } => EventSummary::Reset(stream.value(), cause),
        Event::Goaway { last, code, .. } => EventSummary::Goaway {
            last: last.value(),
            code,
        },
        Event::SettingsChanged => EventSummary::SettingsChanged,
        Event::Pong { payload } => EventSummary::Pong(payload),
        Event::Foreign(foreign) => EventSummary::Foreign(foreign),
        Event::Failed(error) => EventSummary::Failed(error.code),
    }
}

/// A frame that the connection said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SentFrame {
    pub kind: Kind,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub struct Bed {
    pub connection: Connection,
    pub pool: WindowPool,
    pub now: Duration,
    encoder: Encoder,
    decoder: Decoder,
    /// What the peer has written and the connection has not read.
    pub input: Vec<u8>,
}

impl Bed {
    /// A server whose client has said preface and SETTINGS.
    pub fn server(config: Config) -> Bed {
        let pool = WindowPool::default();
        let mut bed = Bed::new(Connection::server(config, &pool), pool);
        assert!(
            bed.connection.output().is_empty(),
            "the client speaks first"
        );
        bed.input.extend_from_slice(PREFACE);
        bed.settings(&[]);
        assert_eq!(bed.events(), [EventSummary::SettingsChanged]);
        bed.sent_frames();
        bed
    }

    /// A client whose server has said SETTINGS.
    pub fn client(config: Config) -> Bed {
        let pool = WindowPool::default();
        let mut bed = Bed::new(Connection::client(config, &pool), pool);
        bed.settings(&[]);
        assert_eq!(bed.events(), [EventSummary::SettingsChanged]);
        bed.connection.written(PREFACE.len());
        bed.sent_frames();
        bed
    }

    /// A server whose peer has said nothing.
    pub fn fresh() -> Bed {
        let pool = WindowPool::default();
        Bed::new(Connection::server(server_config(), &pool), pool)
    }

    fn new(connection: Connection, pool: WindowPool) -> Bed {
        let limits = ListLimits {
            bytes: 1 << 20,
            fields: 1_000,
        };
        Bed {
            connection,
            pool,
            now: Duration::ZERO,
            encoder: Encoder::new(),
            decoder: Decoder::new(4_096, limits),
            input: Vec::new(),
        }
    }

    pub fn head(&mut self, stream: u32, fields: &[(&str, &str)], end: bool) {
        let fields = list(fields);
        write::headers(&mut self.input, id(stream), end, |out| {
            self.encoder.encode(&fields, out)
        });
    }

    pub fn post(&mut self, stream: u32, end: bool) {
        self.head(stream, &POST, end);
    }

    pub fn data(&mut self, stream: u32, bytes: &[u8], end: bool) {
        write::data(&mut self.input, id(stream), bytes, end);
    }

    pub fn rst(&mut self, stream: u32) {
        write::rst_stream(&mut self.input, id(stream), ErrorCode::Cancel);
    }

    pub fn settings(&mut self, settings: &[(u16, u32)]) {
        write::settings(&mut self.input, settings);
    }

    pub fn widen(&mut self, stream: u32, increment: u32) {
        write::window_update(&mut self.input, id(stream), increment);
    }

    pub fn raw(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
        self.input.extend_from_slice(&length);
        self.input.extend_from_slice(&[kind, flags]);
        self.input.extend_from_slice(&stream.to_be_bytes());
        self.input.extend_from_slice(payload);
    }

    /// The connection reads everything.
    pub fn events(&mut self) -> Vec<EventSummary> {
        let input = std::mem::take(&mut self.input);
        let mut input = &input[..];
        let mut all = Vec::new();
        while let Some(event) = self.connection.receive(self.now, &mut input) {
            if let Event::Malformed { stream, .. } = event {
                // What an owner owes.
                self.connection.reset(stream, ErrorCode::ProtocolError);
            }
            all.push(summarize(event));
        }
        assert!(input.is_empty());
        all
    }

    /// Everything that the connection has to say, until it has no more.
    pub fn sent_frames(&mut self) -> Vec<SentFrame> {
        let mut reader = Reader::of_server();
        let mut all: Vec<SentFrame> = Vec::new();
        while !self.connection.output().is_empty() {
            let output = self.connection.output().to_vec();
            self.connection.written(output.len());
            let mut input = &output[..];
            while let Some(piece) = reader.next(&mut input).unwrap() {
                match piece {
                    Piece::Frame(head, payload) => all.push(sent_frame(&head, &payload)),
                    Piece::Data { head, .. } => all.push(sent_frame(&head, &[])),
                    Piece::Preface | Piece::Foreign(_) => unreachable!("no server's"),
                    Piece::DataBytes { bytes, .. } => {
                        all.last_mut().unwrap().payload.extend_from_slice(bytes);
                    }
                }
            }
        }
        all
    }

    /// The field list of a HEADERS frame that was said. In order: the table is shared.
    pub fn fields(&mut self, said: &SentFrame) -> Fields {
        self.decoder.decode(&said.payload).unwrap().fields
    }

    pub fn opens(&mut self, end: bool) -> StreamId {
        self.connection.open(&list(&POST), end).unwrap()
    }

    /// Codes of the RST_STREAM frames said.
    pub fn resets_sent(&mut self) -> Vec<(u32, ErrorCode)> {
        let code = |said: &SentFrame| ErrorCode::from_u32(crate::frame::number(&said.payload));
        let resets = self
            .sent_frames()
            .into_iter()
            .filter(|said| said.kind == Kind::RstStream);
        resets.map(|said| (said.stream, code(&said))).collect()
    }

    pub fn fails_with(&mut self) -> Option<ErrorCode> {
        self.events().into_iter().find_map(|events| match events {
            EventSummary::Failed(code) => Some(code),
            _ => None,
        })
    }
}

fn sent_frame(head: &FrameHead, payload: &[u8]) -> SentFrame {
    let FrameHead {
        kind,
        flags,
        stream,
        ..
    } = *head;
    SentFrame {
        kind,
        flags,
        stream: stream.value(),
        payload: payload.to_vec(),
    }
}

pub fn id(number: u32) -> StreamId {
    StreamId::new(number)
}

pub fn list(fields: &[(&str, &str)]) -> Fields {
    fields
        .iter()
        .map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()))
        .collect()
}

pub fn server_config() -> Config {
    Config {
        max_concurrent_streams: Some(100),
        ..Config::default()
    }
}
