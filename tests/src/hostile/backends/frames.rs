//! Backends that break the rules of frames, windows, streams and compression.

use super::script::{Form, Script, Then, wire};
use crate::raw::{Block, Frame, flag, grpc_response, grpc_trailers, kind, setting};

const fn answers(name: &'static str, octets: fn(u32) -> Vec<u8>) -> Form {
    Form {
        name,
        script: Script::Answers(octets, Then::Hangs),
    }
}

/// Says these octets, then closes.
const fn leaves(name: &'static str, octets: fn(u32) -> Vec<u8>) -> Form {
    Form {
        name,
        script: Script::Answers(octets, Then::Closes),
    }
}

const fn resets(name: &'static str, code: u32) -> Form {
    Form {
        name,
        script: Script::Resets(code),
    }
}

fn head(stream: u32) -> Frame {
    Frame::headers(stream, 0, grpc_response().octets())
}

/// A head in which the block is these octets.
fn block(stream: u32, octets: &[u8]) -> Vec<u8> {
    let block = grpc_response().raw(octets);
    Frame::headers(stream, 0, block.octets()).encode()
}

pub(super) const FORMS: &[Form] = &[
    resets("reset-no-error", 0),
    resets("reset-protocol-error", 1),
    resets("reset-internal-error", 2),
    resets("reset-flow-control-error", 3),
    resets("reset-settings-timeout", 4),
    resets("reset-stream-closed", 5),
    resets("reset-frame-size-error", 6),
    resets("reset-refused-stream", 7),
    resets("reset-cancel", 8),
    resets("reset-compression-error", 9),
    resets("reset-connect-error", 10),
    resets("reset-enhance-your-calm", 11),
    resets("reset-inadequate-security", 12),
    resets("reset-http-1-1-required", 13),
    resets("reset-unknown-code", 0xffff_ffff),
    answers("reset-after-head", |stream| {
        wire(&[head(stream), Frame::reset(stream, 0)])
    }),
    answers("reset-before-trailers", |stream| {
        wire(&[
            head(stream),
            Frame::data(stream, 0, &[0; 5]),
            Frame::reset(stream, 0),
        ])
    }),
    answers("reset-of-stream-0", |_| Frame::reset(0, 8).encode()),
    answers("reset-of-three-octets", |stream| {
        Frame::new(kind::RST_STREAM, 0, stream, &[0; 3]).encode()
    }),
    answers("goaway-0", |_| Frame::goaway(0, 0).encode()),
    leaves("goaway-0-and-close", |_| Frame::goaway(0, 0).encode()),
    leaves("goaway-of-this-stream-and-close", |stream| {
        Frame::goaway(stream, 0).encode()
    }),
    answers("goaway-with-decreasing-ids", |_| {
        wire(&[
            Frame::goaway(0x7fff_ffff, 0),
            Frame::goaway(1, 0),
            Frame::goaway(0, 2),
        ])
    }),
    answers("goaway-with-increasing-ids", |stream| {
        wire(&[
            Frame::goaway(0, 0),
            Frame::goaway(stream, 0),
            Frame::goaway(0x7fff_ffff, 0),
        ])
    }),
    answers("goaway-of-seven-octets", |_| {
        Frame::new(kind::GOAWAY, 0, 0, &[0; 7]).encode()
    }),
    answers("goaway-on-a-stream", |stream| {
        Frame::new(kind::GOAWAY, 0, stream, &[0; 8]).encode()
    }),
    answers("push-promise", |stream| {
        let mut payload = 2_u32.to_be_bytes().to_vec();
        payload.extend_from_slice(grpc_response().octets());
        Frame::new(kind::PUSH_PROMISE, flag::END_HEADERS, stream, &payload).encode()
    }),
    answers("headers-on-an-even-stream", |_| head(2).encode()),
    answers("headers-on-an-idle-stream", |_| head(99_999).encode()),
    answers("headers-on-stream-0", |_| head(0).encode()),
    answers("data-on-stream-0", |_| Frame::data(0, 0, &[0; 5]).encode()),
    answers("data-on-an-idle-stream", |_| {
        Frame::data(99_999, 0, &[0; 5]).encode()
    }),
    answers("settings-streams-0-late", |_| {
        Frame::settings(&[(setting::MAX_CONCURRENT_STREAMS, 0)]).encode()
    }),
    answers("settings-window-overflow-late", |_| {
        Frame::settings(&[(setting::INITIAL_WINDOW_SIZE, u32::MAX)]).encode()
    }),
    answers("window-update-of-0-on-the-stream", |stream| {
        Frame::window_update(stream, 0).encode()
    }),
    answers("window-update-of-0-on-the-connection", |_| {
        Frame::window_update(0, 0).encode()
    }),
    answers("window-overflow-of-the-stream", |stream| {
        Frame::window_update(stream, 0x7fff_ffff).encode()
    }),
    answers("window-overflow-of-the-connection", |_| {
        Frame::window_update(0, 0x7fff_ffff).encode()
    }),
    answers("window-update-of-three-octets", |stream| {
        Frame::new(kind::WINDOW_UPDATE, 0, stream, &[0; 3]).encode()
    }),
    answers("data-above-the-window", |stream| {
        let data = Frame::data(stream, 0, &[0; 16_384]);
        let mut octets = head(stream).encode();
        (0..200).for_each(|_| octets.extend(data.encode()));
        octets
    }),
    answers("frame-above-the-size", |stream| {
        let mut octets = head(stream).encode();
        octets.extend(Frame::data(stream, 0, &[0; 16_385]).encode());
        octets
    }),
    answers("padding-longer-than-the-frame", |stream| {
        let data = Frame::new(kind::DATA, flag::PADDED, stream, &[200, 0, 0]);
        wire(&[head(stream), data])
    }),
    answers("ping-of-seven-octets", |_| {
        Frame::new(kind::PING, 0, 0, &[0; 7]).encode()
    }),
    answers("ping-on-a-stream", |stream| {
        Frame::new(kind::PING, 0, stream, &[0; 8]).encode()
    }),
    answers("continuation-of-nothing", |stream| {
        Frame::continuation(stream, flag::END_HEADERS, grpc_response().octets()).encode()
    }),
    answers("block-interrupted", |stream| {
        wire(&[
            Frame::new(kind::HEADERS, 0, stream, grpc_response().octets()),
            Frame::ping([0; 8]),
        ])
    }),
    answers("block-without-end", |stream| {
        Frame::new(kind::HEADERS, 0, stream, grpc_response().octets()).encode()
    }),
    answers("stream-depends-on-itself", |stream| {
        Frame::priority(stream, stream).encode()
    }),
    answers("hpack-index-0", |stream| block(stream, &[0x80])),
    answers("hpack-index-that-is-not-there", |stream| {
        block(stream, &[0xbe, 0xff, 0xff, 0x03])
    }),
    answers("hpack-integer-without-end", |stream| {
        block(stream, &[0xff; 20])
    }),
    answers("hpack-literal-cut-short", |stream| {
        block(stream, &[0x00, 0x05, b'a'])
    }),
    answers("hpack-bad-huffman", |stream| {
        block(stream, &[0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x01, b'a'])
    }),
    answers("hpack-table-above-the-limit", |stream| {
        let block = Block::new().resize(1 << 20).indexed(8);
        Frame::headers(stream, 0, block.octets()).encode()
    }),
    leaves("close-after-head", |stream| head(stream).encode()),
    leaves("close-in-a-frame-head", |stream| {
        let mut octets = head(stream).encode();
        octets.extend([0, 0, 5, kind::DATA]);
        octets
    }),
    leaves("close-in-a-frame", |stream| {
        let mut octets = head(stream).encode();
        octets.extend([0, 0, 50, kind::DATA, 0, 0, 0, 0, stream as u8, 0, 0]);
        octets
    }),
    leaves("close-in-a-field-block", |stream| {
        Frame::new(kind::HEADERS, 0, stream, grpc_response().octets()).encode()
    }),
    leaves("close-before-trailers", |stream| {
        wire(&[head(stream), Frame::data(stream, 0, &[0; 5])])
    }),
    Form {
        name: "dribble",
        script: Script::Dribbles(|stream| {
            wire(&[
                head(stream),
                Frame::data(stream, 0, &[0; 5]),
                Frame::headers(stream, flag::END_STREAM, grpc_trailers(0).octets()),
            ])
        }),
    },
];
