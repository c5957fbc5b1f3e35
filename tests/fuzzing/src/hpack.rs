//! Field compression: arbitrary blocks to the decoder, arbitrary lists through encoder and decoder.
//!
//! Must hold: no panic; a list within the limits or a refusal; a list that was taken can be sent on
//! and arrives as it was, whatever table sizes the peer asks for.

use std::time::Duration;

use outrider_http2::{Config, Connection, Event, Field, Fields, WindowPool};

use crate::frames::HELLO;
use crate::input::Input;

const BLOCKS_MAX: usize = 8;
const LISTS_MAX: usize = 12;
const FIELDS_MAX: usize = 24;

fn server() -> Connection {
    let config = Config {
        max_concurrent_streams: Some(100),
        ..Config::default()
    };
    Connection::server(config, &WindowPool::new(0))
}

/// The heads in `octets`, in order.
fn heads(connection: &mut Connection, mut octets: &[u8]) -> Vec<Fields> {
    let mut heads = Vec::new();
    while let Some(event) = connection.receive(Duration::ZERO, &mut octets) {
        if let Event::Head { fields, .. } = event {
            heads.push(fields);
        }
    }
    heads
}

/// A connection of ours, and the sidecar behind it.
struct Hop {
    client: Connection,
    server: Connection,
}

impl Hop {
    fn new() -> Hop {
        let client = Connection::client(Config::default(), &WindowPool::new(0));
        let server = server();
        Hop { client, server }
    }

    /// What arrives of a head that is sent on.
    fn pass(&mut self, fields: &Fields) -> Fields {
        let opened = self.client.open(fields, true);
        let stream = opened.expect("room for a stream");
        let output = self.client.output().to_vec();
        self.client.written(output.len());
        let arrived = heads(&mut self.server, &output).pop();
        let arrived = arrived.unwrap_or_else(|| panic!("{fields:?} did not arrive"));
        self.client.reset(stream, outrider_http2::ErrorCode::Cancel);
        arrived
    }
}

pub(crate) fn decode(data: &[u8]) {
    let mut input = Input::new(data);
    let mut connection = server();
    heads(&mut connection, HELLO);
    let (mut hop, mut stream) = (Hop::new(), 1_u32);
    while !input.is_empty() && stream < 2 * BLOCKS_MAX as u32 {
        let length = input.number() % 16_384;
        let block = input.take(length);
        let [_, length @ ..] = (block.len() as u32).to_be_bytes();
        // HEADERS with END_STREAM and END_HEADERS.
        let frame = [&length[..], &[1, 5], &stream.to_be_bytes(), block].concat();
        for taken in heads(&mut connection, &frame) {
            assert!(taken.size() <= 32 << 10 && taken.len() <= 128);
            let arrived = hop.pass(&taken);
            let same = arrived.iter().map(|field| (field.name, field.value));
            let sent = taken.iter().map(|field| (field.name, field.value));
            assert!(same.eq(sent), "{taken:?} became {arrived:?}");
        }
        stream += 2;
    }
}

/// Names that the encoder has a habit for, and some it has none for.
const NAMES: [&str; 14] = [
    "authorization",
    "cookie",
    "content-type",
    "content-length",
    "grpc-timeout",
    "traceparent",
    "user-agent",
    "te",
    "x-request-id",
    "date",
    "some-bin",
    "x-a",
    "x-b",
    "accept-encoding",
];

/// Octets that a name may have.
const OF_NAMES: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789-_.";

struct Own {
    name: Vec<u8>,
    value: Vec<u8>,
    sensitive: bool,
}

fn own(input: &mut Input<'_>) -> Own {
    let kind = input.octet();
    let name = match NAMES.get(usize::from(kind & 15)) {
        Some(known) => known.as_bytes().to_vec(),
        None => {
            let length = 1 + input.below(12);
            let octets = input.take(length).iter();
            let octets = octets.map(|octet| OF_NAMES[usize::from(*octet) % OF_NAMES.len()]);
            [&b"z"[..], &octets.collect::<Vec<_>>()].concat()
        }
    };
    let length = if kind & 16 == 0 {
        input.below(8)
    } else {
        input.number() % 1_200
    };
    let value = match name.as_slice() {
        b"te" => b"trailers".to_vec(),
        b"content-length" => b"0".to_vec(),
        _ => input
            .take(length)
            .iter()
            .map(|octet| legal(*octet))
            .collect(),
    };
    Own {
        name,
        value,
        sensitive: kind & 32 != 0,
    }
}

/// An octet that a value may have anywhere (RFC 9110 5.5).
fn legal(octet: u8) -> u8 {
    match octet {
        0x21..=0x7e | 0x80.. => octet,
        0x00..=0x20 | 0x7f => b'~',
    }
}

pub(crate) fn round_trip(data: &[u8]) {
    let mut input = Input::new(data);
    let mut hop = Hop::new();
    for _ in 0..LISTS_MAX {
        if input.is_empty() {
            return;
        }
        for _ in 0..input.below(3) {
            resize(&mut hop.client, input.number() as u32 % 5_000);
        }
        let mut list: Vec<Own> = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/a.B/C"),
            (":authority", "a"),
        ]
        .map(|(name, value)| Own {
            name: name.into(),
            value: value.into(),
            sensitive: false,
        })
        .into();
        let mut has_length = false;
        for _ in 0..input.below(FIELDS_MAX) {
            let field = own(&mut input);
            let is_length = field.name == b"content-length";
            if !(is_length && has_length) {
                has_length |= is_length;
                list.push(field);
            }
        }
        check(&mut hop, &list);
    }
}

fn check(hop: &mut Hop, list: &[Own]) {
    let field = |own: &'_ Own| (own.name.clone(), own.value.clone());
    let fields: Fields = list
        .iter()
        .map(|own| Field {
            name: &own.name,
            value: &own.value,
            sensitive: own.sensitive,
        })
        .collect();
    if fields.size() > 32 << 10 {
        return;
    }
    let arrived = hop.pass(&fields);
    let same = arrived
        .iter()
        .map(|field| (field.name.to_vec(), field.value.to_vec()));
    assert!(
        same.eq(list.iter().map(field)),
        "{fields:?} became {arrived:?}"
    );
    let is_kept = |(own, field): (&Own, Field<'_>)| !own.sensitive || field.sensitive;
    // What is a whole entry of the static table is sent as its index, secret or not.
    let may_forget = |own: &Own| own.value.len() < 24;
    let kept = list
        .iter()
        .zip(&arrived)
        .filter(|(own, _)| !may_forget(own));
    assert!(
        kept.clone().all(is_kept),
        "a secret lost its mark: {arrived:?}"
    );
}

/// SETTINGS_HEADER_TABLE_SIZE from the peer.
fn resize(connection: &mut Connection, bytes: u32) {
    let frame = [&b"\0\0\x06\x04\0\0\0\0\0\0\x01"[..], &bytes.to_be_bytes()].concat();
    heads(connection, &frame);
}
