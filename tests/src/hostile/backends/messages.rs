//! Backends whose frames are good and whose answers are not (RFC 9113 8.1 to 8.3, gRPC over HTTP/2).

use super::script::{Form, Script, Then, wire};
use crate::raw::{Block, Frame, flag, grpc_response, grpc_trailers};

const fn answers(name: &'static str, octets: fn(u32) -> Vec<u8>) -> Form {
    Form {
        name,
        script: Script::Answers(octets, Then::Hangs),
    }
}

/// An answer in one field block.
fn only(stream: u32, block: &Block) -> Vec<u8> {
    Frame::headers(stream, flag::END_STREAM, block.octets()).encode()
}

/// A head, an empty message, and a last field block.
fn whole(stream: u32, head: &Block, last: &Block) -> Vec<u8> {
    wire(&[
        Frame::headers(stream, 0, head.octets()),
        Frame::data(stream, 0, &[0; 5]),
        Frame::headers(stream, flag::END_STREAM, last.octets()),
    ])
}

/// A trailers-only success, but for the head's beginning.
fn success(head: Block) -> Block {
    head.literal("content-type", "application/grpc")
        .literal("grpc-status", "0")
}

fn status(value: &str) -> Block {
    success(Block::new().literal(":status", value))
}

/// A success with one more field.
fn with(name: &str, value: impl AsRef<[u8]>) -> Block {
    status("200").literal(name, value)
}

pub(super) const FORMS: &[Form] = &[
    answers("data-before-headers", |stream| {
        Frame::data(stream, 0, &[0; 5]).encode()
    }),
    answers("end-without-headers", |stream| {
        Frame::data(stream, flag::END_STREAM, &[]).encode()
    }),
    answers("head-without-status", |stream| {
        only(stream, &success(Block::new()))
    }),
    answers("status-of-letters", |stream| only(stream, &status("abc"))),
    answers("status-of-two-digits", |stream| only(stream, &status("20"))),
    answers("status-of-four-digits", |stream| {
        only(stream, &status("0200"))
    }),
    answers("status-099", |stream| only(stream, &status("099"))),
    answers("status-empty", |stream| only(stream, &status(""))),
    answers("status-101", |stream| only(stream, &status("101"))),
    answers("status-twice", |stream| {
        only(
            stream,
            &success(
                Block::new()
                    .literal(":status", "200")
                    .literal(":status", "200"),
            ),
        )
    }),
    answers("status-behind-a-field", |stream| {
        only(stream, &success(Block::new()).literal(":status", "200"))
    }),
    answers("request-field-in-an-answer", |stream| {
        only(
            stream,
            &success(Block::new().literal(":status", "200").literal(":path", "/")),
        )
    }),
    answers("unknown-pseudo-field", |stream| {
        only(
            stream,
            &success(Block::new().literal(":status", "200").literal(":evil", "1")),
        )
    }),
    answers("upper-case-name", |stream| {
        only(stream, &with("X-Evil", "1"))
    }),
    answers("empty-name", |stream| only(stream, &with("", "1"))),
    answers("name-with-space", |stream| {
        only(stream, &with("x evil", "1"))
    }),
    answers("value-with-nul", |stream| only(stream, &with("x", "a\0b"))),
    answers("value-with-line-end", |stream| {
        only(stream, &with("x", "a\r\nset-cookie: b"))
    }),
    answers("value-with-a-control", |stream| {
        only(stream, &with("x", "\u{b}a"))
    }),
    answers("connection-field", |stream| {
        only(stream, &with("connection", "close"))
    }),
    answers("transfer-encoding", |stream| {
        only(stream, &with("transfer-encoding", "chunked"))
    }),
    answers("upgrade", |stream| only(stream, &with("upgrade", "h2c"))),
    answers("interim-with-end", |stream| {
        only(stream, &Block::new().literal(":status", "100"))
    }),
    answers("second-head", |stream| {
        wire(&[
            Frame::headers(stream, 0, grpc_response().octets()),
            Frame::headers(stream, 0, grpc_response().octets()),
        ])
    }),
    answers("trailers-without-end", |stream| {
        wire(&[
            Frame::headers(stream, 0, grpc_response().octets()),
            Frame::data(stream, 0, &[0; 5]),
            Frame::headers(stream, 0, grpc_trailers(0).octets()),
        ])
    }),
    answers("status-in-trailers", |stream| {
        whole(
            stream,
            &grpc_response(),
            &Block::new()
                .literal(":status", "200")
                .literal("grpc-status", "0"),
        )
    }),
    answers("path-in-trailers", |stream| {
        whole(
            stream,
            &grpc_response(),
            &Block::new()
                .literal(":path", "/a")
                .literal("grpc-status", "0"),
        )
    }),
    answers("connection-field-in-trailers", |stream| {
        whole(
            stream,
            &grpc_response(),
            &grpc_trailers(0).literal("connection", "close"),
        )
    }),
    answers("end-without-trailers", |stream| {
        wire(&[
            Frame::headers(stream, 0, grpc_response().octets()),
            Frame::data(stream, flag::END_STREAM, &[0; 5]),
        ])
    }),
    answers("trailers-without-grpc-status", |stream| {
        whole(stream, &grpc_response(), &Block::new().literal("x", "1"))
    }),
    answers("only-a-head-without-grpc-status", |stream| {
        only(stream, &grpc_response())
    }),
    answers("grpc-status-of-letters", |stream| {
        whole(
            stream,
            &grpc_response(),
            &Block::new().literal("grpc-status", "OK"),
        )
    }),
    answers("grpc-status-00", |stream| {
        whole(
            stream,
            &grpc_response(),
            &Block::new().literal("grpc-status", "00"),
        )
    }),
    answers("grpc-status-empty", |stream| {
        whole(
            stream,
            &grpc_response(),
            &Block::new().literal("grpc-status", ""),
        )
    }),
    answers("two-grpc-statuses", |stream| {
        whole(
            stream,
            &grpc_response(),
            &grpc_trailers(0).literal("grpc-status", "14"),
        )
    }),
    answers("html-page", |stream| {
        let head = Block::new()
            .literal(":status", "200")
            .literal("content-type", "text/html");
        wire(&[
            Frame::headers(stream, 0, head.octets()),
            Frame::data(stream, flag::END_STREAM, b"<html>hello</html>"),
        ])
    }),
    answers("http-503", |stream| {
        only(stream, &Block::new().literal(":status", "503"))
    }),
    answers("http-204", |stream| {
        only(stream, &Block::new().literal(":status", "204"))
    }),
    answers("content-length-too-large", |stream| {
        whole(
            stream,
            &grpc_response().literal("content-length", "6"),
            &grpc_trailers(0),
        )
    }),
    answers("content-length-too-small", |stream| {
        whole(
            stream,
            &grpc_response().literal("content-length", "4"),
            &grpc_trailers(0),
        )
    }),
    answers("content-length-without-a-body", |stream| {
        only(stream, &with("content-length", "5"))
    }),
    answers("content-length-of-letters", |stream| {
        only(stream, &with("content-length", "five"))
    }),
    answers("two-content-lengths", |stream| {
        whole(
            stream,
            &grpc_response()
                .literal("content-length", "5")
                .literal("content-length", "6"),
            &grpc_trailers(0),
        )
    }),
    answers("hang-after-head", |stream| {
        Frame::headers(stream, 0, grpc_response().octets()).encode()
    }),
    answers("hang-in-a-message", |stream| {
        wire(&[
            Frame::headers(stream, 0, grpc_response().octets()),
            Frame::data(stream, 0, &[0, 0, 0, 0, 100, 1]),
        ])
    }),
    answers("hang-before-trailers", |stream| {
        wire(&[
            Frame::headers(stream, 0, grpc_response().octets()),
            Frame::data(stream, 0, &[0; 5]),
        ])
    }),
];
