//! Field blocks: written literal by literal, because a bomb chooses each form itself; read through
//! our own decoder, whose dynamic table follows the connection.

use std::collections::BTreeSet;
use std::time::Duration;

use outrider_http2::{Config, Connection, Event, Field, WindowPool};

use super::frame::{Frame, flag, kind};

/// A field block being written (RFC 7541 6).
#[derive(Clone, Default, Debug)]
pub struct Block {
    octets: Vec<u8>,
}

impl Block {
    /// A block without fields.
    pub fn new() -> Block {
        Block::default()
    }

    /// A literal that no table keeps; name and value are any octets.
    pub fn literal(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Block {
        self.named(0x00, name.as_ref(), value.as_ref())
    }

    /// A literal that may never be kept.
    pub fn never_indexed(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Block {
        self.named(0x10, name.as_ref(), value.as_ref())
    }

    /// A literal that becomes entry 62 of the dynamic table.
    pub fn incremental(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Block {
        self.named(0x40, name.as_ref(), value.as_ref())
    }

    /// An entry of the tables; from 62 on the dynamic one, the newest first.
    pub fn indexed(mut self, index: usize) -> Block {
        self.integer(0x80, 7, index);
        self
    }

    /// The same entry many times.
    pub fn indexed_times(self, index: usize, times: usize) -> Block {
        (0..times).fold(self, |block, _| block.indexed(index))
    }

    /// A change of the table's size.
    pub fn resize(mut self, bytes: usize) -> Block {
        self.integer(0x20, 5, bytes);
        self
    }

    /// Any octets.
    pub fn raw(mut self, octets: &[u8]) -> Block {
        self.octets.extend_from_slice(octets);
        self
    }

    /// The block's octets.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    fn named(mut self, form: u8, name: &[u8], value: &[u8]) -> Block {
        self.octets.push(form);
        for text in [name, value] {
            self.integer(0, 7, text.len());
            self.octets.extend_from_slice(text);
        }
        self
    }

    /// RFC 7541 5.1.
    fn integer(&mut self, form: u8, prefix_bits: u32, value: usize) {
        let most = (1_usize << prefix_bits) - 1;
        self.octets.push(form | value.min(most) as u8);
        let Some(mut rest) = value.checked_sub(most) else {
            return;
        };
        while rest >= 0x80 {
            self.octets.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.octets.push(rest as u8);
    }
}

/// A gRPC request head without its end.
pub fn grpc_request(authority: &str, path: &str) -> Block {
    Block::new()
        .literal(":method", "POST")
        .literal(":scheme", "http")
        .literal(":authority", authority)
        .literal(":path", path)
        .literal("content-type", "application/grpc")
        .literal("te", "trailers")
}

/// A gRPC response head.
pub fn grpc_response() -> Block {
    Block::new()
        .literal(":status", "200")
        .literal("content-type", "application/grpc")
}

/// gRPC trailers.
pub fn grpc_trailers(status: u32) -> Block {
    Block::new().literal("grpc-status", status.to_string())
}

/// Reads the field blocks that one connection's peer sends, in order; every one must be given.
pub struct FieldReader {
    connection: Connection,
    role: Role,
    /// CONTINUATION goes on with this.
    begun: Vec<u8>,
    /// Streams that had their final head: the next block on them is trailers.
    had_head: BTreeSet<u32>,
}

enum Role {
    OfResponses,
    /// Streams are numbered anew, because raw peers may skip or repeat numbers.
    OfRequests {
        next: u32,
    },
}

impl FieldReader {
    /// Reads what a server sends.
    pub fn of_responses() -> FieldReader {
        let connection = Connection::client(generous(), &WindowPool::new(0));
        FieldReader::new(connection, Role::OfResponses)
    }

    /// Reads what a client sends.
    pub fn of_requests() -> FieldReader {
        let mut connection = Connection::server(generous(), &WindowPool::new(0));
        let mut preface = super::PREFACE;
        connection.receive(Duration::ZERO, &mut preface);
        FieldReader::new(connection, Role::OfRequests { next: 1 })
    }

    fn new(mut connection: Connection, role: Role) -> FieldReader {
        connection.receive(Duration::ZERO, &mut &Frame::settings(&[]).encode()[..]);
        FieldReader {
            connection,
            role,
            begun: Vec::new(),
            had_head: BTreeSet::new(),
        }
    }

    /// The fields of a head or of trailers that ends with this frame; none of any other frame, nor of
    /// a block that is malformed.
    pub fn read(&mut self, frame: &Frame) -> Option<Vec<(String, String)>> {
        if !matches!(frame.kind, kind::HEADERS | kind::CONTINUATION) {
            return None;
        }
        self.begun.extend_from_slice(fragment(frame));
        if !frame.has(flag::END_HEADERS) {
            return None;
        }
        let block = std::mem::take(&mut self.begun);
        let wire = match &mut self.role {
            Role::OfRequests { next } => {
                let stream = *next;
                *next += 2;
                in_frames(stream, 0, &block)
            }
            Role::OfResponses => self.as_response(frame.stream, &block),
        };
        let fields = self.fields_in(&wire)?;
        let is_interim = fields
            .iter()
            .any(|(name, value)| name == ":status" && value.starts_with('1'));
        if !is_interim {
            self.had_head.insert(frame.stream);
        }
        Some(fields)
    }

    /// The block as the answer to a request of our own; trailers behind a head of our own.
    fn as_response(&mut self, stream: u32, block: &[u8]) -> Vec<u8> {
        let is_trailers = self.had_head.contains(&stream);
        let request = [(":method", "GET"), (":scheme", "http"), (":path", "/")];
        let fields = request.map(|(name, value)| Field {
            name: name.as_bytes(),
            value: value.as_bytes(),
            sensitive: false,
        });
        let opened = self.connection.open(fields, true);
        let stream = opened.map_or(0, |id| id.value());
        self.connection.written(self.connection.output().len());
        if !is_trailers {
            return in_frames(stream, 0, block);
        }
        let status_200 = Block::new().indexed(8);
        let mut wire = Frame::headers(stream, 0, status_200.octets()).encode();
        wire.extend(in_frames(stream, flag::END_STREAM, block));
        wire
    }

    fn fields_in(&mut self, mut wire: &[u8]) -> Option<Vec<(String, String)>> {
        let mut last = None;
        while let Some(event) = self.connection.receive(Duration::ZERO, &mut wire) {
            if let Event::Head { stream, fields, .. }
            | Event::Trailers { stream, fields }
            | Event::Interim { stream, fields } = event
            {
                last = Some((stream, fields));
            }
        }
        let (stream, fields) = last?;
        // Forgets the stream, so that none is left open.
        self.connection
            .reset(stream, outrider_http2::ErrorCode::Cancel);
        self.connection.written(self.connection.output().len());
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let pairs = fields
            .iter()
            .map(|field| (text(field.name), text(field.value)));
        Some(pairs.collect())
    }
}

/// HEADERS and CONTINUATION of at most 16,384 octets. A head has no end here, or one with a
/// content-length would be malformed.
fn in_frames(stream: u32, end: u8, block: &[u8]) -> Vec<u8> {
    let mut pieces = block.chunks(16_384).peekable();
    let mut wire = Vec::new();
    let mut kind = kind::HEADERS;
    let mut flags = end;
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            flags |= flag::END_HEADERS;
        }
        wire.extend(Frame::new(kind, flags, stream, piece).encode());
        (kind, flags) = (kind::CONTINUATION, 0);
    }
    wire
}

/// The part of the field block in a frame.
fn fragment(frame: &Frame) -> &[u8] {
    if frame.kind == kind::CONTINUATION {
        return &frame.payload;
    }
    let padding = match frame.has(flag::PADDED) {
        true => frame
            .payload
            .first()
            .map_or(0, |octets| usize::from(*octets)),
        false => 0,
    };
    let before = usize::from(frame.has(flag::PADDED)) + 5 * usize::from(frame.has(flag::PRIORITY));
    let end = frame.payload.len().saturating_sub(padding);
    frame.payload.get(before..end).unwrap_or_default()
}

fn generous() -> Config {
    Config {
        header_list_bytes_max: 1 << 20,
        header_fields_max: 1 << 20,
        peer_is_trusted: true,
        ..Config::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_follows_heads_and_trailers_and_the_table() {
        let mut reader = FieldReader::of_responses();
        let head = grpc_response().incremental("x-a", "1");
        let head = reader.read(&Frame::headers(1, 0, head.octets()));
        assert!(head.is_some_and(|fields| fields.contains(&("x-a".into(), "1".into()))));
        let trailers = grpc_trailers(14).indexed(62);
        let trailers = reader.read(&Frame::headers(1, flag::END_STREAM, trailers.octets()));
        let expected = [("grpc-status", "14"), ("x-a", "1")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(trailers.as_deref(), Some(&expected[..]));
    }

    #[test]
    fn a_reader_takes_heads_with_a_content_length() {
        let mut reader = FieldReader::of_responses();
        let head = grpc_response().literal("content-length", "5");
        let fields = reader.read(&Frame::headers(1, 0, head.octets()));
        assert!(fields.is_some());
    }

    #[test]
    fn a_reader_of_requests_takes_any_stream_number() {
        let mut reader = FieldReader::of_requests();
        for stream in [7, 3, 3] {
            let block = grpc_request("orders", "/a.B/C");
            let fields = reader.read(&Frame::headers(stream, 0, block.octets()));
            let path = (":path".to_owned(), "/a.B/C".to_owned());
            assert!(fields.is_some_and(|fields| fields.contains(&path)));
        }
    }

    #[test]
    fn integers_are_those_of_rfc_7541_c_1() {
        let mut block = Block::new();
        block.integer(0, 5, 10);
        block.integer(0, 5, 1_337);
        block.integer(0, 8, 42);
        assert_eq!(block.octets(), [10, 31, 154, 10, 42]);
    }
}
