//! Which side sends first, and peers that do not send an HTTP/2 preface (RFC 9113 3.4).

use super::bed::{Bed, EventSummary};
use crate::frame::Kind;
use crate::{ErrorCode, Foreign, GoawayKind};

#[test]
fn a_peer_of_http1_or_tls_hears_the_owner_alone() {
    for (hello, foreign) in [
        (
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            Foreign::Http1 { is_head: false },
        ),
        (b"\x16\x03\x01\x02\0\x01", Foreign::Tls),
    ] {
        let mut bed = Bed::fresh();
        bed.input.extend_from_slice(hello);
        assert_eq!(bed.events(), [EventSummary::Foreign(foreign)]);
        bed.connection.answer_foreign(b"in its words");
        assert_eq!(bed.connection.output(), b"in its words");
        bed.input.extend_from_slice(b"more");
        assert_eq!(bed.events(), []);
    }
}

#[test]
fn unknown_octets_fail_and_settings_are_the_first_frame() {
    let mut bed = Bed::fresh();
    bed.input.extend_from_slice(b"PRI * HTTP/2.0\r\n\r\nXX");
    assert_eq!(
        bed.events(),
        [EventSummary::Failed(ErrorCode::ProtocolError)]
    );
    let kinds: Vec<_> = bed.sent_frames().iter().map(|said| said.kind).collect();
    let greeting = [Kind::Settings, Kind::WindowUpdate, Kind::Goaway];
    assert_eq!(kinds, greeting);

    let mut bed = Bed::fresh();
    bed.connection
        .goaway(ErrorCode::NoError, GoawayKind::Notice);
    assert_eq!(
        bed.sent_frames()[0].kind,
        Kind::Settings,
        "a drain comes behind it"
    );
}
