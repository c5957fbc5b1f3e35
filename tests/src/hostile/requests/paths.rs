//! Paths outside the grammar of gRPC, and ambiguous ones on plain HTTP/2: refused, never normalised.

use super::{Expected, Form, STREAM, names, only, run};
use crate::hostile::Class;
use crate::raw::{Block, Frame, flag, grpc_request};

pub(super) const GRPC: Class = Class {
    name: "grpc_path_confusion_cve_2026_33186",
    source: "CVE-2019-9901, -2021-29492, -2026-33186, -73511, -73551, -73553",
    forms: &names(&GRPC_FORMS),
    run: |target, form| run(target, GRPC_FORMS[form]),
};

pub(super) const PLAIN: Class = Class {
    name: "plain_path_confusion_cve_2021_29492",
    source: "CVE-2019-9901, -2021-29492, -2026-73511, -73551",
    forms: &names(&PLAIN_FORMS),
    run: |target, form| run(target, PLAIN_FORMS[form]),
};

const fn grpc(name: &'static str, frames: fn(&str) -> Vec<Frame>) -> Form {
    Form {
        name,
        frames,
        expected: Expected::Status("12"),
    }
}

const fn plain(name: &'static str, frames: fn(&str) -> Vec<Frame>) -> Form {
    Form {
        name,
        frames,
        expected: Expected::ClientError,
    }
}

fn post(authority: &str, path: &str) -> Vec<Frame> {
    only(&grpc_request(authority, path))
}

fn get(authority: &str, path: &str) -> Vec<Frame> {
    let head = Block::new()
        .literal(":method", "GET")
        .literal(":scheme", "http")
        .literal(":authority", authority)
        .literal(":path", path);
    vec![Frame::headers(STREAM, flag::END_STREAM, head.octets())]
}

const GRPC_FORMS: [Form; 30] = [
    grpc("no_slash", |a| post(a, "hostile.Attack/Echo")),
    grpc("root", |a| post(a, "/")),
    grpc("asterisk", |a| post(a, "*")),
    grpc("no_method", |a| post(a, "/hostile.Attack")),
    grpc("empty_method", |a| post(a, "/hostile.Attack/")),
    grpc("empty_service", |a| post(a, "//Echo")),
    grpc("two_slashes_in_front", |a| post(a, "//hostile.Attack/Echo")),
    grpc("two_slashes_inside", |a| post(a, "/hostile.Attack//Echo")),
    grpc("slash_behind", |a| post(a, "/hostile.Attack/Echo/")),
    grpc("third_segment", |a| post(a, "/hostile.Attack/Echo/x")),
    grpc("query", |a| post(a, "/hostile.Attack/Echo?x=1")),
    grpc("empty_query", |a| post(a, "/hostile.Attack/Echo?")),
    grpc("fragment", |a| post(a, "/hostile.Attack/Echo#x")),
    grpc("path_parameter", |a| post(a, "/hostile.Attack/Echo;x=1")),
    grpc("path_parameter_of_the_service", |a| {
        post(a, "/hostile.Attack;x/Echo")
    }),
    grpc("dot_segment", |a| post(a, "/./hostile.Attack/Echo")),
    grpc("dot_segments_up", |a| {
        post(a, "/evil/../hostile.Attack/Echo")
    }),
    grpc("dot_segment_with_parameter", |a| {
        post(a, "/evil/..;/hostile.Attack/Echo")
    }),
    grpc("escaped_letter", |a| post(a, "/hostile.Attack/%45cho")),
    grpc("escaped_slash", |a| post(a, "/hostile.Attack%2fEcho")),
    grpc("escaped_nul", |a| post(a, "/hostile.Attack/Echo%00")),
    grpc("backslash", |a| post(a, "/hostile.Attack\\Echo")),
    grpc("two_dots", |a| post(a, "/hostile..Attack/Echo")),
    grpc("dot_in_front", |a| post(a, "/.hostile.Attack/Echo")),
    grpc("dot_behind", |a| post(a, "/hostile.Attack./Echo")),
    grpc("digit_in_front", |a| post(a, "/1hostile.Attack/Echo")),
    grpc("digit_in_front_of_the_method", |a| {
        post(a, "/hostile.Attack/1Echo")
    }),
    grpc("hyphen", |a| post(a, "/hostile.Attack/E-cho")),
    grpc("above_ascii", |a| post(a, "/hostile.Attack/\u{c9}cho")),
    grpc("url", |a| {
        post(a, &format!("http://{a}/hostile.Attack/Echo"))
    }),
];

const PLAIN_FORMS: [Form; 24] = [
    plain("dot_segment", |a| get(a, "/a/./b")),
    plain("dot_segment_behind", |a| get(a, "/a/.")),
    plain("dot_segments_up", |a| get(a, "/a/../b")),
    plain("dot_segments_up_behind", |a| get(a, "/a/..")),
    plain("dot_segments_above_the_root", |a| get(a, "/../a")),
    plain("escaped_dots", |a| get(a, "/a/%2e%2e/b")),
    plain("escaped_dots_in_upper_case", |a| get(a, "/a/%2E%2E/b")),
    plain("one_dot_escaped", |a| get(a, "/a/.%2e/b")),
    plain("dots_with_parameter", |a| get(a, "/a/..;x=1/b")),
    plain("dot_with_parameter", |a| get(a, "/a/.;/b")),
    plain("escaped_slash", |a| get(a, "/a%2fb")),
    plain("escaped_slash_in_upper_case", |a| get(a, "/a%2Fb")),
    plain("escaped_backslash", |a| get(a, "/a%5cb")),
    plain("backslash", |a| get(a, "/a\\b")),
    plain("two_slashes", |a| get(a, "/a//b")),
    plain("two_slashes_in_front", |a| get(a, "//evil/b")),
    plain("empty_segment_with_parameter", |a| get(a, "/;x/b")),
    plain("escaped_nul", |a| get(a, "/a%00")),
    plain("escape_cut_short", |a| get(a, "/a%2")),
    plain("escape_of_letters", |a| get(a, "/a%zz")),
    plain("fragment", |a| get(a, "/a#b")),
    plain("above_ascii", |a| get(a, "/\u{e4}")),
    plain("overlong_utf8_of_a_slash", |a| get(a, "/a%c0%af/../b")),
    plain("url", |a| get(a, &format!("http://{a}/a"))),
];
