//! Malformed requests (RFC 9113 8.1 to 8.3): what two parsers could read differently.

use super::{Expected, Form, PATH, STREAM, good, names, only, run, with_body};
use crate::hostile::Class;
use crate::raw::{Block, Frame, flag};

pub(super) const CLASS: Class = Class {
    name: "request_smuggling",
    source: "RFC 9113 8.1 to 8.3; CVE-2025-64763",
    forms: &names(&FORMS),
    run: |target, form| run(target, FORMS[form]),
};

const fn bad(name: &'static str, frames: fn(&str) -> Vec<Frame>) -> Form {
    Form {
        name,
        frames,
        expected: Expected::Refused,
    }
}

const fn cut(name: &'static str, frames: fn(&str) -> Vec<Frame>) -> Form {
    Form {
        name,
        frames,
        expected: Expected::Cut,
    }
}

fn with(authority: &str, name: &str, value: &str) -> Vec<Frame> {
    only(&good(authority).literal(name, value))
}

/// A head of these pseudo-fields, then those of gRPC.
fn of(pseudo: &[(&str, &str)]) -> Vec<Frame> {
    let block = pseudo.iter().fold(Block::new(), |block, (name, value)| {
        block.literal(name, value)
    });
    only(
        &block
            .literal("content-type", "application/grpc")
            .literal("te", "trailers"),
    )
}

/// A good request with these trailers.
fn trailed(authority: &str, flags: u8, trailers: &Block) -> Vec<Frame> {
    vec![
        Frame::headers(STREAM, 0, good(authority).octets()),
        Frame::data(STREAM, 0, &[0; 5]),
        Frame::headers(STREAM, flags, trailers.octets()),
    ]
}

const METHOD: (&str, &str) = (":method", "POST");
const SCHEME: (&str, &str) = (":scheme", "http");
const HERE: (&str, &str) = (":path", PATH);

const FORMS: [Form; 65] = [
    bad("no_method", |a| of(&[SCHEME, HERE, (":authority", a)])),
    bad("no_scheme", |a| of(&[METHOD, HERE, (":authority", a)])),
    bad("no_path", |a| of(&[METHOD, SCHEME, (":authority", a)])),
    bad("no_pseudo_field", |_| of(&[])),
    bad("empty_method", |a| {
        of(&[(":method", ""), SCHEME, HERE, (":authority", a)])
    }),
    bad("empty_scheme", |a| {
        of(&[METHOD, (":scheme", ""), HERE, (":authority", a)])
    }),
    bad("empty_path", |a| {
        of(&[METHOD, SCHEME, (":path", ""), (":authority", a)])
    }),
    bad("two_methods", |a| {
        of(&[METHOD, METHOD, SCHEME, HERE, (":authority", a)])
    }),
    bad("two_schemes", |a| {
        of(&[METHOD, SCHEME, SCHEME, HERE, (":authority", a)])
    }),
    bad("two_paths", |a| {
        of(&[METHOD, SCHEME, HERE, HERE, (":authority", a)])
    }),
    bad("method_behind_fields", |a| {
        let head = Block::new()
            .literal(":scheme", "http")
            .literal(":authority", a)
            .literal(":path", PATH)
            .literal("content-type", "application/grpc")
            .literal(":method", "POST");
        only(&head)
    }),
    bad("path_behind_fields", |a| with(a, ":path", "/evil.Admin/Do")),
    bad("unknown_pseudo_field", |a| {
        of(&[METHOD, SCHEME, HERE, (":authority", a), (":evil", "1")])
    }),
    bad("status_in_a_request", |a| {
        of(&[METHOD, SCHEME, HERE, (":authority", a), (":status", "200")])
    }),
    bad("pseudo_field_without_a_name", |a| {
        of(&[METHOD, SCHEME, HERE, (":authority", a), (":", "1")])
    }),
    bad("connect", |a| {
        of(&[(":method", "CONNECT"), (":authority", a)])
    }),
    bad("connect_with_a_path", |a| {
        of(&[(":method", "CONNECT"), SCHEME, HERE, (":authority", a)])
    }),
    bad("extended_connect", |a| {
        of(&[
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            SCHEME,
            HERE,
            (":authority", a),
        ])
    }),
    bad("method_with_a_space", |a| {
        of(&[(":method", "POST /x"), SCHEME, HERE, (":authority", a)])
    }),
    bad("method_with_a_line_end", |a| {
        of(&[(":method", "POST\r\n"), SCHEME, HERE, (":authority", a)])
    }),
    bad("scheme_with_a_space", |a| {
        of(&[METHOD, (":scheme", "http "), HERE, (":authority", a)])
    }),
    bad("scheme_that_is_a_url", |a| {
        of(&[METHOD, (":scheme", "http://evil/"), HERE, (":authority", a)])
    }),
    bad("path_of_a_url", |a| {
        of(&[
            METHOD,
            SCHEME,
            (":path", "http://evil/a.B/C"),
            (":authority", a),
        ])
    }),
    bad("path_without_a_slash", |a| {
        of(&[
            METHOD,
            SCHEME,
            (":path", "hostile.Attack/Echo"),
            (":authority", a),
        ])
    }),
    bad("path_with_a_space", |a| {
        of(&[
            METHOD,
            SCHEME,
            (":path", "/a.B/C HTTP/1.1"),
            (":authority", a),
        ])
    }),
    bad("path_with_a_line_end", |a| {
        of(&[
            METHOD,
            SCHEME,
            (":path", "/a.B/C\r\nx: y"),
            (":authority", a),
        ])
    }),
    bad("path_with_nul", |a| {
        of(&[METHOD, SCHEME, (":path", "/a.B/C\0"), (":authority", a)])
    }),
    bad("path_asterisk_without_options", |a| {
        of(&[METHOD, SCHEME, (":path", "*"), (":authority", a)])
    }),
    bad("upper_case_name", |a| with(a, "X-Evil", "1")),
    bad("upper_case_letter_in_a_name", |a| with(a, "x-Evil", "1")),
    bad("empty_name", |a| with(a, "", "1")),
    bad("name_with_a_space", |a| with(a, "x evil", "1")),
    bad("name_with_a_colon", |a| with(a, "x:evil", "1")),
    bad("name_with_a_line_end", |a| with(a, "x\r\nevil", "1")),
    bad("name_with_nul", |a| with(a, "x\0", "1")),
    bad("name_above_ascii", |a| with(a, "x-\u{e9}vil", "1")),
    bad("name_with_del", |a| with(a, "x\x7f", "1")),
    bad("value_with_nul", |a| with(a, "x", "a\0b")),
    bad("value_with_cr", |a| with(a, "x", "a\rb")),
    bad("value_with_lf", |a| with(a, "x", "a\nb")),
    bad("value_with_a_field_in_it", |a| {
        with(a, "x", "a\r\ntransfer-encoding: chunked")
    }),
    bad("value_with_del", |a| with(a, "x", "a\x7f")),
    bad("value_of_controls_and_white_space", |a| {
        with(a, "x", " a\u{b} ")
    }),
    bad("path_with_a_space_behind", |a| {
        of(&[METHOD, SCHEME, (":path", "/a.B/C "), (":authority", a)])
    }),
    bad("connection", |a| with(a, "connection", "close")),
    bad("proxy_connection", |a| with(a, "proxy-connection", "close")),
    bad("keep_alive", |a| with(a, "keep-alive", "timeout=5")),
    bad("transfer_encoding", |a| {
        with(a, "transfer-encoding", "chunked")
    }),
    bad("upgrade", |a| with(a, "upgrade", "h2c")),
    bad("te_gzip", |a| with(a, "te", "gzip")),
    bad("te_more_than_trailers", |a| {
        with(a, "te", "trailers, chunked")
    }),
    bad("content_length_of_letters", |a| {
        with(a, "content-length", "five")
    }),
    bad("content_length_with_a_sign", |a| {
        with(a, "content-length", "+5")
    }),
    bad("content_length_above_all_numbers", |a| {
        with(a, "content-length", "99999999999999999999999")
    }),
    bad("content_length_list", |a| {
        with_body(&good(a).literal("content-length", "5, 5"))
    }),
    bad("two_content_lengths", |a| {
        with_body(
            &good(a)
                .literal("content-length", "5")
                .literal("content-length", "6"),
        )
    }),
    bad("content_length_without_a_body", |a| {
        with(a, "content-length", "5")
    }),
    cut("content_length_above_the_body", |a| {
        with_body(&good(a).literal("content-length", "6"))
    }),
    cut("content_length_below_the_body", |a| {
        with_body(&good(a).literal("content-length", "4"))
    }),
    cut("trailers_without_end", |a| {
        trailed(a, 0, &Block::new().literal("x", "1"))
    }),
    cut("path_in_trailers", |a| {
        trailed(
            a,
            flag::END_STREAM,
            &Block::new().literal(":path", "/evil.Admin/Do"),
        )
    }),
    cut("status_in_trailers", |a| {
        trailed(a, flag::END_STREAM, &Block::new().literal(":status", "200"))
    }),
    cut("connection_in_trailers", |a| {
        trailed(
            a,
            flag::END_STREAM,
            &Block::new().literal("connection", "close"),
        )
    }),
    cut("upper_case_name_in_trailers", |a| {
        trailed(a, flag::END_STREAM, &Block::new().literal("X-Evil", "1"))
    }),
    cut("value_with_a_line_end_in_trailers", |a| {
        trailed(a, flag::END_STREAM, &Block::new().literal("x", "a\r\nb"))
    }),
];
