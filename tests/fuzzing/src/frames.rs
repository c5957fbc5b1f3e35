//! Arbitrary octets to one HTTP/2 connection, in both roles.
//!
//! Must hold: no panic; however the octets are cut, the owner is told the same; never more streams
//! than announced; what is said is whole frames of legal size; nothing is told after the failure.

use std::time::Duration;

use outrider_http2::{Config, Connection, ErrorCode, Event, Field, StreamId, WindowPool};

use crate::input::Input;

/// What every client says first, with empty SETTINGS.
pub(crate) const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

const STREAMS_MAX: usize = 8;
const FRAME_PAYLOAD_MAX: usize = 16_384;

const CALL: [(&str, &str); 4] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/a.B/C"),
    (":authority", "a"),
];

/// A field list from literals.
pub(crate) fn fields<'a>(
    list: &'a [(&'a str, &'a str)],
) -> impl Iterator<Item = Field<'a>> + Clone {
    list.iter()
        .map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes()))
}

/// What an owner does about what it is told.
#[derive(Clone, Copy)]
enum Owner {
    /// Listens only. Nothing it does depends on how the octets were cut.
    Silent,
    /// Answers, gives credit, resets.
    Busy,
}

pub(crate) fn server(data: &[u8]) {
    let config = Config {
        max_concurrent_streams: Some(STREAMS_MAX as u32),
        peer_is_trusted: data.first().is_some_and(|first| first & 4 != 0),
        ..Config::default()
    };
    let hello = if data.first().is_some_and(|first| first & 1 == 0) {
        HELLO
    } else {
        &[]
    };
    let connection = || Connection::server(config.clone(), &WindowPool::new(1 << 20));
    check(data, hello, connection);
}

pub(crate) fn client(data: &[u8]) {
    let opened = data.first().map_or(0, |first| usize::from(first & 7));
    let connection = || {
        let mut connection = Connection::client(Config::default(), &WindowPool::new(1 << 20));
        for at in 0..opened {
            let stream = connection.open(fields(&CALL), at % 3 == 0);
            if let (Ok(stream), 1) = (stream, at % 3) {
                connection.data(stream, &[0; 70_000], true);
            }
        }
        connection
    };
    check(data, b"\0\0\0\x04\0\0\0\0\0", connection);
}

fn check(data: &[u8], hello: &[u8], connection: impl Fn() -> Connection) {
    let mut input = Input::new(data);
    input.octet();
    let cut = usize::from(input.octet()) + 1;
    let octets = [hello, input.rest()].concat();
    let whole = play(connection(), &octets, octets.len().max(1), Owner::Silent);
    let in_parts = play(connection(), &octets, cut, Owner::Silent);
    assert_eq!(whole, in_parts, "cut into {cut}");
    play(connection(), &octets, cut, Owner::Busy);
}

/// Feeds `octets` in parts of `cut`; what was told, DATA joined.
fn play(mut connection: Connection, octets: &[u8], cut: usize, owner: Owner) -> Vec<String> {
    let mut told: Vec<(String, Vec<u8>)> = Vec::new();
    let mut said = Vec::new();
    for (turn, mut part) in octets.chunks(cut).enumerate() {
        let now = Duration::from_millis(turn as u64);
        while let Some(event) = connection.receive(now_of(owner, now), &mut part) {
            note(&mut told, &event);
            let is_failure = matches!(event, Event::Failed(_));
            if let Owner::Busy = owner {
                react(&mut connection, &event);
            }
            assert!(connection.open_streams() <= STREAMS_MAX, "too many streams");
            assert!(!is_failure || connection.open_streams() == 0);
        }
        assert!(part.is_empty(), "octets were left");
        said.extend_from_slice(connection.output());
        connection.written(connection.output().len());
    }
    while !connection.output().is_empty() {
        said.extend_from_slice(connection.output());
        connection.written(connection.output().len());
    }
    check_frames(said.strip_prefix(&HELLO[..24]).unwrap_or(&said));
    // The end is told once: as a failure, or as another protocol that is left to its owner.
    let is_end = |what: &str| what.starts_with("Failed") || what.starts_with("Foreign");
    let ends = told.iter().filter(|(what, _)| is_end(what));
    assert_eq!(ends.count(), usize::from(connection.is_failed()));
    told.into_iter()
        .map(|(what, octets)| format!("{what} {octets:?}"))
        .collect()
}

/// Budgets refill with time, so for the comparison it stands.
fn now_of(owner: Owner, now: Duration) -> Duration {
    match owner {
        Owner::Silent => Duration::ZERO,
        Owner::Busy => now,
    }
}

fn note(told: &mut Vec<(String, Vec<u8>)>, event: &Event<'_>) {
    let Event::Data {
        stream,
        bytes,
        ends,
    } = event
    else {
        return told.push((format!("{event:?}"), Vec::new()));
    };
    let open = format!("Data {}", stream.value());
    match told.last_mut() {
        Some((what, octets)) if *what == open => octets.extend_from_slice(bytes),
        Some(_) | None => told.push((open.clone(), bytes.to_vec())),
    }
    if ends.stream() {
        told.push((format!("{open} ends"), Vec::new()));
    }
}

fn react(connection: &mut Connection, event: &Event<'_>) {
    match event {
        Event::Head { stream, end, .. } => answer(connection, *stream, *end),
        Event::Data {
            stream,
            bytes,
            ends,
        } => {
            connection.credit(*stream, bytes.len());
            if ends.stream() {
                connection.trailers(*stream, fields(&[("grpc-status", "0")]));
            }
        }
        Event::HeadTooLarge { stream, .. } | Event::TrailersTooLarge { stream, .. } => {
            connection.head(*stream, fields(&[(":status", "431")]), true);
            connection.reset(*stream, ErrorCode::NoError);
        }
        Event::HeadMalformed { stream, .. } | Event::Malformed { stream, .. } => {
            connection.head(*stream, fields(&[(":status", "400")]), true);
            connection.reset(*stream, ErrorCode::ProtocolError);
        }
        Event::SettingsChanged => connection.ping(*b"ouroctet"),
        Event::Interim { .. }
        | Event::Trailers { .. }
        | Event::Reset { .. }
        | Event::Goaway { .. }
        | Event::Pong { .. }
        | Event::Foreign(_)
        | Event::Failed(_) => {}
    }
}

fn answer(connection: &mut Connection, stream: StreamId, end: bool) {
    connection.head(stream, fields(&[(":status", "200")]), false);
    connection.data(stream, &[b'x'; 40_000], false);
    if end {
        connection.trailers(stream, fields(&[("grpc-status", "0")]));
    } else if stream.value().is_multiple_of(5) {
        connection.reset(stream, ErrorCode::Cancel);
    }
}

fn check_frames(mut said: &[u8]) {
    while let Some((head, rest)) = said.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        assert!(length <= FRAME_PAYLOAD_MAX && head[3] <= 9, "{head:?}");
        assert!(length <= rest.len(), "a frame is cut short");
        said = &rest[length..];
    }
    assert!(said.is_empty(), "a frame head is cut short");
}
