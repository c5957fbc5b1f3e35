//! Backends that say too much: floods of every frame, and bombs.

use super::script::{Form, Script, Then, wire};
use crate::raw::{Block, Frame, flag, grpc_response, kind, setting};

const fn floods(name: &'static str, piece: fn(u32) -> Vec<u8>) -> Form {
    Form {
        name,
        script: Script::Floods(|_| Vec::new(), piece),
    }
}

/// A flood behind a good head.
const fn floods_behind_a_head(name: &'static str, piece: fn(u32) -> Vec<u8>) -> Form {
    Form {
        name,
        script: Script::Floods(
            |stream| Frame::headers(stream, 0, grpc_response().octets()).encode(),
            piece,
        ),
    }
}

const fn answers(name: &'static str, octets: fn(u32) -> Vec<u8>) -> Form {
    Form {
        name,
        script: Script::Answers(octets, Then::Hangs),
    }
}

fn hundred(frame: &Frame) -> Vec<u8> {
    frame.encode().repeat(100)
}

/// A response head whose block is in frames of 16 KiB.
fn long(stream: u32, block: &Block) -> Vec<u8> {
    let pieces: Vec<_> = block.octets().chunks(16_384).collect();
    let mut frames = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let last = if at + 1 == pieces.len() {
            flag::END_HEADERS
        } else {
            0
        };
        frames.push(match at {
            0 => Frame::new(kind::HEADERS, last, stream, piece),
            _ => Frame::continuation(stream, last, piece),
        });
    }
    wire(&frames)
}

fn many(count: usize, value_bytes: usize) -> Block {
    let value = vec![b'v'; value_bytes];
    (0..count).fold(grpc_response(), |block, _| block.literal("x-many", &value))
}

pub(super) const FORMS: &[Form] = &[
    floods("ping-flood", |_| hundred(&Frame::ping([0; 8]))),
    floods("ping-answer-flood", |_| {
        hundred(&Frame::new(kind::PING, flag::ACK, 0, &[0; 8]))
    }),
    floods("settings-flood", |_| {
        hundred(&Frame::settings(&[(setting::INITIAL_WINDOW_SIZE, 65_535)]))
    }),
    floods("settings-answer-flood", |_| hundred(&Frame::settings_ack())),
    floods("settings-toggle-flood", |_| {
        let narrow = Frame::settings(&[(setting::HEADER_TABLE_SIZE, 0)]);
        let wide = Frame::settings(&[(setting::HEADER_TABLE_SIZE, 4_096)]);
        wire(&[narrow, wide]).repeat(50)
    }),
    floods("window-update-flood", |_| {
        hundred(&Frame::window_update(0, 1))
    }),
    floods("stream-window-update-flood", |stream| {
        hundred(&Frame::window_update(stream, 1))
    }),
    floods("priority-flood", |stream| {
        hundred(&Frame::priority(stream, 0))
    }),
    floods("unknown-frame-flood", |stream| {
        hundred(&Frame::new(kind::UNKNOWN, 0, stream, &[0; 8]))
    }),
    floods("goaway-flood", |_| hundred(&Frame::goaway(0x7fff_ffff, 0))),
    floods("interim-flood", |stream| {
        let block = Block::new().literal(":status", "103");
        hundred(&Frame::headers(stream, 0, block.octets()))
    }),
    floods_behind_a_head("empty-data-flood", |stream| {
        hundred(&Frame::data(stream, 0, &[]))
    }),
    floods_behind_a_head("padding-flood", |stream| {
        let mut payload = vec![255];
        payload.resize(256, 0);
        hundred(&Frame::new(kind::DATA, flag::PADDED, stream, &payload))
    }),
    floods_behind_a_head("data-flood", |stream| {
        hundred(&Frame::data(stream, 0, &[0; 1_024]))
    }),
    floods("late-frames-flood", |stream| {
        let mut octets = Frame::reset(stream, 8).encode();
        octets.extend(hundred(&Frame::data(stream, 0, &[0; 10])));
        octets
    }),
    floods("reset-flood", |stream| hundred(&Frame::reset(stream, 8))),
    Form {
        name: "continuation-flood",
        script: Script::Floods(
            |stream| Frame::new(kind::HEADERS, 0, stream, grpc_response().octets()).encode(),
            |stream| {
                let block = Block::new().literal("x", [b'v'; 1_000]);
                hundred(&Frame::continuation(stream, 0, block.octets()))
            },
        ),
    },
    Form {
        name: "empty-continuation-flood",
        script: Script::Floods(
            |stream| Frame::new(kind::HEADERS, 0, stream, grpc_response().octets()).encode(),
            |stream| hundred(&Frame::continuation(stream, 0, &[])),
        ),
    },
    answers("fields-129", |stream| long(stream, &many(129, 1))),
    answers("fields-40-kib", |stream| long(stream, &many(40, 1_024))),
    answers("fields-200-kib", |stream| long(stream, &many(100, 2_048))),
    answers("fields-in-trailers-40-kib", |stream| {
        let value = [b'v'; 1_024];
        let trailers = (0..40).fold(Block::new().literal("grpc-status", "0"), |block, _| {
            block.literal("x-many", value)
        });
        let mut octets = Frame::headers(stream, 0, grpc_response().octets()).encode();
        let mut last = long(stream, &trailers);
        last[4] |= flag::END_STREAM;
        octets.extend(last);
        octets
    }),
    answers("hpack-bomb", |stream| {
        let block = grpc_response()
            .incremental("x", [b'v'; 4_000])
            .indexed_times(62, 16_000);
        Frame::headers(stream, 0, block.octets()).encode()
    }),
    answers("http2-bomb", |stream| {
        let block = grpc_response().indexed_times(15, 16_000);
        Frame::headers(stream, 0, block.octets()).encode()
    }),
];
