//! Which code and which level: the connection's errors (RFC 9113 5.1, 5.4, 6).

use super::bed::{Bed, EventSummary, server_config};
use crate::frame::flag;
use crate::{Config, Connection, ErrorCode, ResetCause, WindowPool};

const END: u8 = flag::END_HEADERS;

#[test]
fn breaches_of_the_connection_have_their_codes() {
    use ErrorCode::{
        CompressionError, FlowControlError, FrameSizeError, ProtocolError, StreamClosed,
    };
    type Case<'a> = (&'a str, ErrorCode, &'a dyn Fn(&mut Bed));
    #[rustfmt::skip] // A table: one case a line.
    let cases: [Case<'_>; 30] = [
        ("DATA on stream 0", ProtocolError, &|bed| bed.data(0, b"x", false)),
        ("DATA on an idle stream", ProtocolError, &|bed| bed.data(9, b"x", false)),
        ("HEADERS on stream 0", ProtocolError, &|bed| bed.raw(1, END, 0, &[0x82])),
        ("even stream", ProtocolError, &|bed| bed.post(2, true)),
        ("decreasing stream", ProtocolError, &|bed| {
            bed.post(9, true);
            bed.post(5, true);
        }),
        ("RST_STREAM on an idle stream", ProtocolError, &|bed| bed.rst(9)),
        ("RST_STREAM on stream 0", ProtocolError, &|bed| bed.rst(0)),
        ("RST_STREAM of 3", FrameSizeError, &|bed| bed.raw(3, 0, 1, &[0; 3])),
        ("WINDOW_UPDATE on an idle stream", ProtocolError, &|bed| bed.widen(9, 1)),
        ("WINDOW_UPDATE of 0", ProtocolError, &|bed| bed.widen(0, 0)),
        ("WINDOW_UPDATE of 3 octets", FrameSizeError, &|bed| bed.raw(8, 0, 1, &[0; 3])),
        ("connection window overflow", FlowControlError, &|bed| bed.widen(0, 0x7fff_ffff)),
        ("PING of 7", FrameSizeError, &|bed| bed.raw(6, 0, 0, &[0; 7])),
        ("PING on a stream", ProtocolError, &|bed| bed.raw(6, 0, 1, &[0; 8])),
        ("SETTINGS on a stream", ProtocolError, &|bed| bed.raw(4, 0, 1, &[])),
        ("SETTINGS of 5", FrameSizeError, &|bed| bed.raw(4, 0, 0, &[0; 5])),
        ("SETTINGS acknowledged with payload", FrameSizeError, &|bed| bed.raw(4, 1, 0, &[0; 6])),
        ("window of 2^31", FlowControlError, &|bed| bed.settings(&[(4, 1 << 31)])),
        ("frame size of 100", ProtocolError, &|bed| bed.settings(&[(5, 100)])),
        ("push of 2", ProtocolError, &|bed| bed.settings(&[(2, 2)])),
        ("GOAWAY of 7", FrameSizeError, &|bed| bed.raw(7, 0, 0, &[0; 7])),
        ("GOAWAY on a stream", ProtocolError, &|bed| bed.raw(7, 0, 1, &[0; 8])),
        ("PUSH_PROMISE", ProtocolError, &|bed| bed.raw(5, END, 1, &[0, 0, 0, 2, 0x82])),
        ("PRIORITY on stream 0", ProtocolError, &|bed| bed.raw(2, 0, 0, &[0; 5])),
        ("CONTINUATION of nothing", ProtocolError, &|bed| bed.raw(9, END, 1, &[0x82])),
        ("PING in a field block", ProtocolError, &|bed| {
            bed.raw(1, 0, 3, &[0x82]);
            bed.raw(6, 0, 0, &[0; 8]);
        }),
        ("CONTINUATION of another stream", ProtocolError, &|bed| {
            bed.raw(1, 0, 3, &[0x82]);
            bed.raw(9, END, 5, &[0x82]);
        }),
        ("padding longer than HEADERS", ProtocolError, &|bed| bed.raw(1, END | flag::PADDED, 3, &[9, 0x82])),
        ("field block of index 0", CompressionError, &|bed| bed.raw(1, END, 3, &[0x80])),
        ("HEADERS on an ended stream", StreamClosed, &|bed| {
            bed.post(3, true);
            bed.events();
            let ok = super::bed::list(&[(":status", "200")]);
            bed.connection.head(super::bed::id(3), &ok, true);
            bed.post(3, true);
        }),
    ];
    for (case, code, says) in cases {
        let mut bed = Bed::server(server_config());
        bed.post(1, false);
        bed.events();
        says(&mut bed);
        assert_eq!(bed.fails_with(), Some(code), "{case}");
        let said = bed.sent_frames();
        let goaway = said.last().unwrap();
        assert_eq!(goaway.payload[4..8], code.as_u32().to_be_bytes(), "{case}");
        bed.post(11, true);
        assert_eq!(bed.events(), [], "{case}: nothing more is said");
        assert_eq!(bed.connection.open_streams(), 0, "{case}");
    }
}

#[test]
fn breaches_of_a_stream_reset_only_the_stream() {
    use ErrorCode::{FrameSizeError, ProtocolError, StreamClosed};
    type Case<'a> = (&'a str, ErrorCode, &'a dyn Fn(&mut Bed));
    let cases: [Case<'_>; 5] = [
        ("WINDOW_UPDATE of 0", ProtocolError, &|bed| bed.widen(1, 0)),
        ("PRIORITY of 4", FrameSizeError, &|bed| {
            bed.raw(2, 0, 1, &[0; 4])
        }),
        ("depends on itself", ProtocolError, &|bed| {
            bed.raw(2, 0, 1, &[0, 0, 0, 1, 0])
        }),
        ("DATA behind the end", StreamClosed, &|bed| {
            bed.data(1, b"x", true);
            bed.data(1, b"x", true);
        }),
        ("HEADERS behind the end", StreamClosed, &|bed| {
            bed.data(1, b"x", true);
            bed.head(1, &[("x", "y")], true);
        }),
    ];
    for (case, code, says) in cases {
        let mut bed = Bed::server(server_config());
        bed.post(1, false);
        bed.events();
        says(&mut bed);
        bed.post(3, true);
        let events = bed.events();
        let reset = events.iter().find_map(|events| match events {
            EventSummary::Reset(1, ResetCause::Violation(code, _)) => Some(*code),
            _ => None,
        });
        assert_eq!(reset, Some(code), "{case}");
        assert_eq!(
            events.last(),
            Some(&EventSummary::Head {
                stream: 3,
                end: true
            }),
            "{case}"
        );
        assert_eq!(bed.resets_sent(), [(1, code)], "{case}");
    }
}

#[test]
fn a_list_whose_stream_depends_on_itself_is_told_as_malformed() {
    let itself = |stream: u8| [0, 0, 0, stream, 0, 0x82];
    for end in [0, flag::END_STREAM] {
        let mut bed = Bed::server(server_config());
        bed.raw(1, END | end | flag::PRIORITY, 1, &itself(1));
        assert_eq!(bed.events(), [EventSummary::HeadMalformed(1)]);
        assert_eq!(bed.resets_sent(), [], "its owner answers first");
    }
    let mut bed = Bed::server(server_config());
    bed.post(1, false);
    bed.raw(1, END | 1 | flag::PRIORITY, 1, &itself(1));
    assert_eq!(bed.events()[1..], [EventSummary::Malformed(1)]);
}

#[test]
fn data_after_a_peers_own_reset_is_answered_stream_closed() {
    let mut bed = Bed::server(server_config());
    bed.post(1, false);
    bed.rst(1);
    bed.data(1, b"x", false);
    bed.events();
    assert_eq!(bed.resets_sent(), [(1, ErrorCode::StreamClosed)]);
}

#[test]
fn a_server_that_pushes_or_opens_breaks_the_protocol() {
    let mut bed = Bed::client(Config::default());
    bed.settings(&[(2, 1)]);
    assert_eq!(bed.fails_with(), Some(ErrorCode::ProtocolError));
    for stream in [1, 2] {
        let mut bed = Bed::client(Config::default());
        bed.head(stream, &[(":status", "200")], true);
        assert_eq!(bed.fails_with(), Some(ErrorCode::ProtocolError), "{stream}");
    }
}

#[test]
fn settings_come_first() {
    let mut connection = Connection::client(Config::default(), &WindowPool::default());
    let mut input = &b"\0\0\x08\x06\0\0\0\0\0abcdefgh"[..];
    let event = connection.receive(std::time::Duration::ZERO, &mut input);
    assert_eq!(
        event.map(super::bed::summarize),
        Some(EventSummary::Failed(ErrorCode::ProtocolError))
    );
}
