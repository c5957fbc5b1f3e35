//! Heads, bodies and trailers, and how streams end (RFC 9113 8.1).

use super::bed::{Bed, EventSummary, POST, id, list, server_config};
use crate::frame::{Kind, flag};
use crate::{CannotOpen, Config, ErrorCode, GoawayKind, ResetCause};

fn data(stream: u32, bytes: &[u8], end: bool) -> EventSummary {
    EventSummary::Data {
        stream,
        bytes: bytes.to_vec(),
        end,
    }
}

fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [&POST[..], more].concat()
}

#[test]
fn a_whole_call_leaves_nothing_behind() {
    let mut bed = Bed::server(server_config());
    bed.head(1, &with(&[("content-length", "3")]), false);
    bed.data(1, b"abc", false);
    bed.head(1, &[("x", "y")], true);
    assert_eq!(
        bed.events(),
        [
            EventSummary::Head {
                stream: 1,
                end: false
            },
            data(1, b"abc", false),
            EventSummary::Trailers(1)
        ]
    );
    bed.connection
        .head(id(1), &list(&[(":status", "103")]), false);
    bed.connection
        .head(id(1), &list(&[(":status", "200")]), false);
    bed.connection.data(id(1), b"answer", false);
    assert_eq!(bed.connection.open_streams(), 1);
    bed.connection
        .trailers(id(1), &list(&[("grpc-status", "0")]));
    assert_eq!(bed.connection.open_streams(), 0);
    let said = bed.sent_frames();
    let kinds: Vec<_> = said.iter().map(|said| (said.kind, said.flags)).collect();
    let last = flag::END_HEADERS | flag::END_STREAM;
    assert_eq!(
        kinds,
        [
            (Kind::Headers, flag::END_HEADERS),
            (Kind::Headers, flag::END_HEADERS),
            (Kind::Data, 0),
            (Kind::Headers, last)
        ]
    );
    let heads: Vec<_> = said
        .iter()
        .filter(|said| said.kind == Kind::Headers)
        .collect();
    let fields: Vec<_> = heads.into_iter().map(|head| bed.fields(head)).collect();
    assert_eq!(fields[2], list(&[("grpc-status", "0")]));
}

#[test]
fn malformed_requests_are_no_requests_and_wait_for_an_answer() {
    let cases = [
        (
            "connection-specific field",
            with(&[("connection", "close")]),
        ),
        (
            "content-length without body",
            with(&[("content-length", "1")]),
        ),
        ("no path", POST[..2].to_vec()),
        ("upper case", with(&[("X", "y")])),
        ("NUL in a value", with(&[("x", "\0")])),
        ("CONNECT", vec![(":method", "CONNECT"), (":authority", "a")]),
    ];
    for (case, fields) in cases {
        let mut bed = Bed::server(server_config());
        bed.head(1, &fields, true);
        bed.data(1, b"more", true);
        bed.head(1, &[("x", "y")], true);
        bed.post(3, true);
        let good = EventSummary::Head {
            stream: 3,
            end: true,
        };
        assert_eq!(
            bed.events(),
            [EventSummary::HeadMalformed(1), good],
            "{case}"
        );
        bed.connection
            .head(id(1), &list(&[(":status", "400")]), true);
        bed.connection.reset(id(1), ErrorCode::ProtocolError);
        let said: Vec<_> = bed.sent_frames().iter().map(|said| said.kind).collect();
        assert_eq!(said, [Kind::Headers, Kind::RstStream], "{case}");
        assert_eq!(bed.connection.open_streams(), 1);
    }
}

#[test]
fn a_forbidden_octet_is_remembered_with_its_table_entry() {
    let mut bed = Bed::server(server_config());
    let bad = with(&[("x", "a\nb")]);
    bed.head(1, &bad, true);
    let literal_len = bed.input.len();
    bed.head(3, &bad, true);
    assert!(bed.input.len() - literal_len < literal_len, "by index now");
    let malformed = [
        EventSummary::HeadMalformed(1),
        EventSummary::HeadMalformed(3),
    ];
    assert_eq!(bed.events(), malformed);
}

#[test]
fn a_body_that_differs_from_content_length_is_told_once() {
    for (case, body, end) in [("longer", &b"1234"[..], false), ("shorter", b"12", true)] {
        let mut bed = Bed::server(server_config());
        bed.head(1, &with(&[("content-length", "3")]), false);
        bed.data(1, body, end);
        assert_eq!(bed.events()[1..], [EventSummary::Malformed(1)], "{case}");
        bed.data(1, b"more", true);
        bed.head(1, &[("x", "y")], true);
        assert_eq!(bed.events(), [], "{case}");
        assert_eq!(bed.resets_sent(), [(1, ErrorCode::ProtocolError)], "{case}");
    }
    let mut bed = Bed::server(server_config());
    bed.head(1, &with(&[("content-length", "3")]), false);
    bed.head(1, &[("x", "y")], true);
    assert_eq!(
        bed.events()[1..],
        [EventSummary::Malformed(1)],
        "trailers too early"
    );
}

#[test]
fn malformed_trailers_are_told() {
    for (fields, end) in [
        (("x", "y"), false),
        ((":path", "/"), true),
        (("connection", "x"), true),
    ] {
        let mut bed = Bed::server(server_config());
        bed.post(1, false);
        bed.head(1, &[fields], end);
        assert_eq!(
            bed.events()[1..],
            [EventSummary::Malformed(1)],
            "{fields:?}"
        );
    }
}

#[test]
fn a_client_is_told_interim_and_final_heads() {
    let mut bed = Bed::client(Config::default());
    bed.opens(true);
    bed.head(1, &[(":status", "100")], false);
    bed.head(1, &[(":status", "200"), ("content-length", "1")], false);
    bed.data(1, b"x", true);
    assert_eq!(
        bed.events(),
        [
            EventSummary::Interim(1),
            EventSummary::Head {
                stream: 1,
                end: false
            },
            data(1, b"x", true)
        ]
    );
    assert_eq!(bed.connection.open_streams(), 0);
}

#[test]
fn malformed_answers_reset_their_stream_only() {
    type Case<'a> = (&'a str, &'a dyn Fn(&mut Bed));
    let cases: [Case<'_>; 5] = [
        ("DATA first", &|bed| bed.data(1, b"x", false)),
        ("no status", &|bed| bed.head(1, &[("x", "y")], true)),
        ("1xx that ends", &|bed| {
            bed.head(1, &[(":status", "100")], true)
        }),
        ("101", &|bed| bed.head(1, &[(":status", "101")], false)),
        ("length without body", &|bed| {
            bed.head(1, &[(":status", "200"), ("content-length", "1")], true)
        }),
    ];
    for (case, says) in cases {
        let mut bed = Bed::client(Config::default());
        bed.opens(true);
        bed.opens(true);
        says(&mut bed);
        bed.head(3, &[(":status", "200")], true);
        let events = bed.events();
        assert!(
            matches!(events[0], EventSummary::Reset(1, ResetCause::Malformed(_))),
            "{case}"
        );
        assert_eq!(
            events[1],
            EventSummary::Head {
                stream: 3,
                end: true
            },
            "{case}"
        );
    }
}

#[test]
fn an_answer_to_head_has_a_length_and_no_body() {
    let mut bed = Bed::client(Config::default());
    let mut head = POST;
    head[0].1 = "HEAD";
    bed.connection.open(&list(&head), true).unwrap();
    bed.head(1, &[(":status", "200"), ("content-length", "9")], true);
    assert_eq!(
        bed.events(),
        [EventSummary::Head {
            stream: 1,
            end: true
        }]
    );
}

#[test]
fn an_early_answer_may_stop_the_request() {
    let mut bed = Bed::server(server_config());
    bed.post(1, false);
    bed.events();
    bed.connection
        .head(id(1), &list(&[(":status", "200")]), true);
    bed.data(1, b"late", false);
    assert_eq!(
        bed.events(),
        [data(1, b"late", false)],
        "the request goes on"
    );
    bed.connection.reset(id(1), ErrorCode::NoError);
    bed.data(1, b"later", true);
    assert_eq!(bed.events(), []);
    assert_eq!(bed.resets_sent(), [(1, ErrorCode::NoError)]);
}

#[test]
fn a_reset_is_told_once_and_not_after_the_end() {
    let mut bed = Bed::server(server_config());
    bed.post(1, true);
    bed.post(3, true);
    bed.rst(1);
    bed.rst(1);
    bed.events();
    bed.connection
        .head(id(3), &list(&[(":status", "200")]), true);
    bed.rst(3);
    assert_eq!(bed.events(), []);
    bed.connection.data(id(1), b"x", true);
    bed.connection.credit(id(1), 5);
    bed.connection.trailers(id(7), &list(&[]));
    assert!(
        bed.sent_frames()
            .iter()
            .all(|said| said.kind == Kind::Headers),
        "commands do nothing"
    );
}

#[test]
fn a_goaway_tells_the_streams_it_leaves_out() {
    let mut bed = Bed::client(Config::default());
    for _ in 0..3 {
        bed.opens(true);
    }
    bed.raw(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]);
    bed.head(1, &[(":status", "200")], true);
    assert_eq!(
        bed.events(),
        [
            EventSummary::Goaway {
                last: 1,
                code: ErrorCode::NoError
            },
            EventSummary::Reset(3, ResetCause::AboveGoaway),
            EventSummary::Reset(5, ResetCause::AboveGoaway),
            EventSummary::Head {
                stream: 1,
                end: true
            }
        ]
    );
    assert!(bed.connection.peer_goaway());
    assert_eq!(
        bed.connection.open(&list(&POST), true),
        Err(CannotOpen::Goaway)
    );
}

#[test]
fn our_goaway_has_two_steps() {
    let mut bed = Bed::server(server_config());
    bed.post(1, false);
    bed.connection
        .goaway(ErrorCode::NoError, GoawayKind::Notice);
    bed.post(3, false);
    assert_eq!(bed.events().len(), 2, "still taken");
    bed.connection.goaway(ErrorCode::NoError, GoawayKind::Final);
    bed.post(5, false);
    bed.data(5, b"x", true);
    bed.data(3, b"y", true);
    assert_eq!(
        bed.events(),
        [data(3, b"y", true)],
        "ignored, and its fields decoded"
    );
    let lasts: Vec<_> = bed
        .sent_frames()
        .iter()
        .map(|said| said.payload[..4].to_vec())
        .collect();
    assert_eq!(lasts, [[0x7f, 0xff, 0xff, 0xff], [0, 0, 0, 3]]);
}

#[test]
fn a_last_id_that_was_said_is_never_raised() {
    let mut bed = Bed::server(server_config());
    bed.post(1, false);
    bed.events();
    let steps = [GoawayKind::Final, GoawayKind::Final, GoawayKind::Notice];
    for (kind, stream) in steps.into_iter().zip([3, 5, 7]) {
        bed.connection.goaway(ErrorCode::NoError, kind);
        bed.post(stream, true);
        assert_eq!(bed.events(), [], "{stream} is ignored");
    }
    // A PING of 7 octets: the connection fails.
    bed.raw(6, 0, 0, &[0; 7]);
    bed.events();
    let lasts: Vec<_> = bed
        .sent_frames()
        .iter()
        .map(|said| said.payload[3])
        .collect();
    assert_eq!(lasts, [1, 1, 1, 1]);
}

#[test]
fn opens_no_more_than_the_peer_takes() {
    let mut bed = Bed::client(Config::default());
    bed.settings(&[(3, 1)]);
    bed.events();
    assert!(bed.connection.can_open());
    bed.opens(true);
    assert_eq!(
        bed.connection.open(&list(&POST), true),
        Err(CannotOpen::Full)
    );
    bed.head(1, &[(":status", "200")], true);
    bed.events();
    assert!(bed.connection.can_open());
}

#[test]
fn pings_are_answered_and_pongs_told() {
    let mut bed = Bed::client(Config::default());
    bed.connection.ping(*b"12345678");
    bed.raw(6, 0, 0, b"abcdefgh");
    bed.raw(6, flag::ACK, 0, b"12345678");
    assert_eq!(bed.events(), [EventSummary::Pong(*b"12345678")]);
    let said: Vec<_> = bed
        .sent_frames()
        .into_iter()
        .map(|said| (said.flags, said.payload))
        .collect();
    assert_eq!(
        said,
        [(0, b"12345678".to_vec()), (flag::ACK, b"abcdefgh".to_vec())]
    );
}

#[test]
fn answers_on_streams_cancelled_long_ago_are_ignored() {
    let mut bed = Bed::client(Config::default());
    for _ in 0..1_100 {
        let stream = bed.opens(true);
        bed.connection.reset(stream, ErrorCode::Cancel);
    }
    bed.sent_frames();
    bed.head(1, &[(":status", "200")], false);
    bed.data(1, b"x", true);
    assert_eq!(bed.events(), []);
    assert_eq!(bed.sent_frames(), []);
}
