//! The public frame test cases of http2jp, all of them: origin and licence in
//! `tests/vectors/pack.py`.

use std::collections::BTreeMap;

use super::bed::{Bed, id, server_config};
use crate::frame::{FrameHead, HeadersPayload, Kind, PeerSettings, Piece, Reader, number, write};
use crate::{Config, ErrorCode};

const FRAMES: &str = include_str!("../../../tests/vectors/frames.txt");

/// What a line of the file says.
struct Case {
    name: &'static str,
    wire: Vec<u8>,
    rest: Vec<&'static str>,
}

fn cases() -> Vec<Case> {
    let lines = FRAMES.lines().filter(|line| !line.starts_with('#'));
    let case = |line: &'static str| {
        let mut words = line.split(' ');
        let (name, hex) = (words.next().unwrap(), words.next().unwrap());
        let octet = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        Case {
            name,
            wire: (0..hex.len()).step_by(2).map(octet).collect(),
            rest: words.collect(),
        }
    };
    lines.map(case).collect()
}

/// Code of the GOAWAY or RST_STREAM that the frame is answered with.
fn refusal(mut bed: Bed, wire: &[u8]) -> Option<ErrorCode> {
    bed.input.extend_from_slice(wire);
    let failed = bed.fails_with();
    failed.or_else(|| bed.resets_sent().first().map(|(_, code)| *code))
}

#[test]
fn every_bad_frame_is_refused_with_one_of_its_codes() {
    let mut count = 0;
    for case in cases().iter().filter(|case| case.rest[0] == "error") {
        let mut beds = vec![Bed::client(Config::default())];
        // To a server every PUSH_PROMISE is the same breach (RFC 9113 8.4).
        if !case.name.contains("push_promise") {
            beds.push(Bed::server(server_config()));
        }
        for bed in beds {
            let code = refusal(bed, &case.wire).map(|code| code.as_u32().to_string());
            let codes: Vec<_> = case.rest[1].split(',').collect();
            let code = code.unwrap_or_default();
            assert!(codes.contains(&&*code), "{}: {code}", case.name);
        }
        count += 1;
    }
    assert_eq!(count, 22);
}

/// The frame and its octets, DATA without its padding.
fn read(wire: &[u8]) -> (FrameHead, Vec<u8>) {
    let (mut reader, mut input) = (Reader::of_server(), wire);
    let mut read = None;
    while let Some(piece) = reader.next(&mut input).unwrap() {
        match piece {
            Piece::Frame(head, payload) => read = Some((head, payload.into_owned())),
            Piece::Preface | Piece::Foreign(_) => unreachable!("frames only"),
            Piece::Data { head, .. } => read = Some((head, Vec::new())),
            Piece::DataBytes { bytes, .. } => read.as_mut().unwrap().1.extend_from_slice(bytes),
        }
    }
    read.unwrap()
}

/// What the codec keeps of a frame, in the words of the set. Priorities are deprecated
/// (RFC 9113 5.3.2) and pushes are never taken: of those only the head is looked at.
fn kept(head: &FrameHead, payload: &[u8]) -> BTreeMap<&'static str, String> {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).replace(' ', "_");
    let number_at = |at: usize| number(&payload[at..]).to_string();
    let kept = match head.kind {
        Kind::Data => vec![("data", text(payload))],
        Kind::Headers => {
            let parsed = HeadersPayload::parse(head, payload).unwrap();
            vec![("header_block_fragment", text(parsed.fragment))]
        }
        Kind::Continuation => vec![("header_block_fragment", text(payload))],
        Kind::RstStream => vec![("error_code", number_at(0))],
        Kind::Settings => {
            let parsed = PeerSettings::parse(payload).unwrap();
            let (_, table) = parsed.header_table_bytes.unwrap();
            let streams = parsed.max_concurrent_streams.unwrap();
            vec![("settings", format!("[[1,_{table}],_[3,_{streams}]]"))]
        }
        Kind::Ping => vec![("opaque_data", text(payload))],
        Kind::Goaway => vec![
            ("last_stream_id", number_at(0)),
            ("error_code", number_at(4)),
            ("additional_debug_data", text(&payload[8..])),
        ],
        Kind::WindowUpdate => vec![("window_size_increment", number_at(0))],
        Kind::Priority | Kind::PushPromise | Kind::Unknown => vec![],
    };
    kept.into_iter().collect()
}

#[test]
fn every_good_frame_is_read_as_it_was_meant() {
    let mut count = 0;
    for case in cases().iter().filter(|case| case.rest[0] != "error") {
        let (head, payload) = read(&case.wire);
        let events = [
            head.length,
            case.wire[3].into(),
            head.flags.into(),
            head.stream.value(),
        ];
        assert_eq!(
            events.map(|part| part.to_string())[..],
            case.rest[..4],
            "{}",
            case.name
        );
        let meant: BTreeMap<_, _> = case.rest[4..]
            .iter()
            .filter_map(|part| part.split_once('='))
            .collect();
        for (key, value) in kept(&head, &payload) {
            assert_eq!(meant[key], value, "{}: {key}", case.name);
        }
        count += 1;
    }
    assert_eq!(count, 12);
}

/// The frame again, by our own hand; `None` for what we never send.
fn written(head: &FrameHead, payload: &[u8]) -> Option<Vec<u8>> {
    let (out, stream) = (&mut Vec::new(), head.stream);
    match head.kind {
        // Without padding, which we never send.
        Kind::Data => write::data(out, stream, payload, false),
        Kind::Headers if head.flags == 4 => {
            write::headers(out, stream, false, |out| out.extend_from_slice(payload));
        }
        Kind::RstStream => write::rst_stream(out, stream, ErrorCode::from_u32(number(payload))),
        Kind::Settings => write::settings(
            out,
            &[(1, number(&payload[2..])), (3, number(&payload[8..]))],
        ),
        Kind::Ping => write::ping(out, *payload.first_chunk().unwrap(), 0),
        Kind::Goaway => {
            let code = ErrorCode::from_u32(number(&payload[4..]));
            let reason = std::str::from_utf8(&payload[8..]).unwrap();
            write::goaway(out, id(number(payload)), code, reason);
        }
        Kind::WindowUpdate => write::window_update(out, stream, number(payload)),
        Kind::Headers | Kind::Priority | Kind::PushPromise | Kind::Continuation | Kind::Unknown => {
            return None;
        }
    }
    Some(std::mem::take(out))
}

#[test]
fn what_we_send_too_is_written_the_same() {
    let mut count = 0;
    for case in cases().iter().filter(|case| case.rest[0] != "error") {
        let (head, payload) = read(&case.wire);
        let Some(wire) = written(&head, &payload) else {
            continue;
        };
        if head.kind == Kind::Data {
            assert_eq!(read(&wire).1, payload);
        } else {
            assert_eq!(wire, case.wire, "{}", case.name);
        }
        count += 1;
    }
    assert_eq!(count, 7);
}
