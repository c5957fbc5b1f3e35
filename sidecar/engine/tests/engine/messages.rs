//! Messages that are nearly HTTP: what is let pass, what is refused in words, and who is blamed.

use outrider_engine::{CallRecord, Outcome, Reason, Side};
use outrider_http2::{ErrorCode, Field, Fields, ResetCause, StreamId};
use outrider_policy::Class;

use crate::world::mesh::{CALLER, GET, Mesh};
use crate::world::{Seen, fields};

/// Sends a request of exactly these fields.
fn send(mesh: &mut Mesh, head: &[(&str, &str)], end: bool) -> StreamId {
    let head = fields(head);
    let stream = mesh.client().http2.open(head.iter(), end);
    mesh.world.settle();
    stream.expect("room for a stream")
}

fn grpc<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let head = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "orders"),
        (":path", GET),
        ("content-type", "application/grpc"),
    ];
    [&head[..], more].concat()
}

/// How the caller's stream was reset, if it was.
fn reset(mesh: &mut Mesh) -> Option<ErrorCode> {
    mesh.client().seen.iter().find_map(|seen| match seen {
        Seen::Reset(_, ResetCause::Peer(code)) => Some(*code),
        _ => None,
    })
}

#[test]
fn every_malformed_head_is_answered_in_words_that_name_the_field() {
    let cases: [(&[(&str, &str)], &str); 11] = [
        (&[("connection", "close")], "\"connection\""),
        (&[("te", "gzip")], "\"te\""),
        (&[("content-length", "five")], "\"content-length\""),
        (
            &[("content-length", "1"), ("content-length", "2")],
            "two different lengths",
        ),
        (&[("host", "evil")], "\"host\""),
        (&[("X-Evil", "1")], "0x58 in the name of \"X-Evil\""),
        (&[("", "1")], "a field without a name"),
        (&[("x", "a\nb")], "0x0a in the value of \"x\""),
        (&[("x", "a\0")], "0x00 in the value of \"x\""),
        (
            &[(":path", "/again")],
            "a pseudo-field behind other fields: \":path\"",
        ),
        (&[("x y", "1")], "0x20 in the name of \"x y\""),
    ];
    for (more, named) in cases {
        for end in [true, false] {
            let mut mesh = Mesh::new(1);
            send(&mut mesh, &grpc(more), end);
            assert_eq!(mesh.client().status().as_deref(), Some("13"), "{more:?}");
            let said = mesh.client().field("grpc-message").unwrap_or_default();
            assert!(
                said.contains(named) && said.ends_with("[MALFORMED]"),
                "{said}"
            );
            assert!(said.starts_with("frontend/outbound: "), "{said}");
            // Its peer has forgotten a stream that is over: it hears of no reset.
            let expected = (!end).then_some(ErrorCode::NoError);
            assert_eq!(reset(&mut mesh), expected, "{more:?}");
            assert_eq!(mesh.servers(), [], "nothing is forwarded");
            let refused = Outcome::Refused(Reason::Malformed);
            assert_eq!(mesh.world.records.len(), 1);
            assert_eq!(mesh.world.records[0].outcome, refused);
            mesh.assert_quiet();
        }
    }
}

#[test]
fn a_malformed_plain_request_gets_a_status_and_a_body() {
    for (method, has_body) in [("GET", true), ("HEAD", false)] {
        let mut mesh = Mesh::new(1);
        let head = [
            (":method", method),
            (":scheme", "http"),
            (":authority", "orders"),
            (":path", "/a b"),
        ];
        send(&mut mesh, &head, true);
        assert_eq!(mesh.client().field(":status").as_deref(), Some("400"));
        let body = String::from_utf8(mesh.client().body()).expect("text");
        let names_it = body.contains("0x20 in the value of \\\":path\\\"");
        assert_eq!(names_it, has_body, "{body}");
        mesh.assert_quiet();
    }
}

#[test]
fn a_body_that_belies_its_length_ends_the_call_in_words() {
    let mut mesh = Mesh::new(1);
    let stream = send(&mut mesh, &grpc(&[("content-length", "3")]), false);
    mesh.client().http2.data(stream, b"1234", true);
    mesh.world.settle();
    assert_eq!(mesh.client().status().as_deref(), Some("13"));
    let said = mesh.client().field("grpc-message").unwrap_or_default();
    assert!(said.contains("content-length"), "{said}");
    let server = mesh.servers()[0];
    let seen = &mesh.world.peers[server].seen;
    assert!(matches!(seen.last(), Some(Seen::Reset(..))), "{seen:?}");
    mesh.assert_quiet();
}

/// Fields that are, together, one more than the limit.
fn too_many() -> Vec<(&'static str, &'static str)> {
    vec![("a", "b"); 129]
}

#[test]
fn trailers_over_the_limits_end_the_call_in_words() {
    for plain in [false, true] {
        let mut mesh = Mesh::new(1);
        let head = match plain {
            false => grpc(&[]),
            true => grpc(&[])[..4].to_vec(),
        };
        let stream = send(&mut mesh, &head, false);
        mesh.client()
            .http2
            .trailers(stream, fields(&too_many()).iter());
        mesh.world.settle();
        let said = match plain {
            false => mesh.client().field("grpc-message").unwrap_or_default(),
            true => String::from_utf8(mesh.client().body()).expect("text"),
        };
        assert!(
            said.contains("trailers have 4386 octets in 129 fields"),
            "{said}"
        );
        let status = match plain {
            false => (mesh.client().status(), "8"),
            true => (mesh.client().field(":status"), "431"),
        };
        assert_eq!(status.0.as_deref(), Some(status.1));
        assert_eq!(reset(&mut mesh), None, "the answer is whole");
        let server = mesh.servers()[0];
        let seen = &mesh.world.peers[server].seen;
        assert!(matches!(seen.last(), Some(Seen::Reset(..))), "{seen:?}");
        mesh.assert_quiet();
    }
}

#[test]
fn a_head_whose_stream_depends_on_itself_is_answered_then_reset() {
    let mut mesh = Mesh::new(1);
    let stream = send(&mut mesh, &grpc(&[]), false);
    // The trailers of the same stream, and nothing in them: HEADERS, END_STREAM and PRIORITY.
    let itself = [0, 0, 5, 1, 0x25, 0, 0, 0, 1, 0, 0, 0, 1, 0];
    assert_eq!(stream.value(), 1);
    let client = mesh.client;
    mesh.world.say(client, &itself);
    assert_eq!(mesh.client().status().as_deref(), Some("13"));
    let said = mesh.client().field("grpc-message").unwrap_or_default();
    assert!(said.contains("a stream that depends on itself"), "{said}");
    mesh.assert_quiet();
}

#[test]
fn white_space_at_the_ends_of_values_is_stripped_both_ways_and_counted() {
    let mut mesh = Mesh::new(1);
    send(
        &mut mesh,
        &grpc(&[("x-note", "\t ends "), ("te", "trailers ")]),
        true,
    );
    let server = mesh.servers()[0];
    let (at, head) = mesh.world.peers[server].heads()[0].clone();
    assert_eq!(head.find(b"x-note"), Some(&b"ends"[..]));
    let answer = [
        (":status", "200"),
        ("content-type", "application/grpc "),
        ("x-head", " a "),
    ];
    let trailers = [
        ("grpc-status", "5 "),
        ("grpc-message", "no such order: "),
        ("x-note", "ends\t"),
    ];
    let application = &mut mesh.world.peers[server].http2;
    application.head(at, fields(&answer).iter(), false);
    application.trailers(at, fields(&trailers).iter());
    mesh.world.settle();
    for (name, expected) in [
        ("grpc-status", "5"),
        ("grpc-message", "no such order:"),
        ("x-note", "ends"),
        ("x-head", "a"),
    ] {
        assert_eq!(
            mesh.client().field(name).as_deref(),
            Some(expected),
            "{name}"
        );
    }
    let stripped = |peer: &crate::world::Peer| peer.http2.counters().values_stripped;
    assert_eq!(
        stripped(&mesh.world.peers[server]),
        0,
        "the next hop sees none"
    );
    assert_eq!(stripped(mesh.client()), 0);
    let counted = |engine: usize| {
        let limits = mesh.world.engines[engine].gauges().counters.http2_limits;
        limits.map(|counters| counters.values_stripped)
    };
    assert_eq!(counted(CALLER), [2, 0], "from the caller");
    assert_eq!(counted(1), [0, 5], "from the application");
}

/// An application answers with this head and these trailers: the status its caller gets, and what its
/// own sidecar makes of the application.
fn judged(head: &[(&str, &str)], trailers: Option<&[(&str, &str)]>) -> (Option<String>, Class) {
    let (status, [_, inbound]) = judged_by_both(head, trailers);
    (status, inbound)
}

/// And what both sidecars make of it: the caller's, then its own.
fn judged_by_both(
    head: &[(&str, &str)],
    trailers: Option<&[(&str, &str)]>,
) -> (Option<String>, [Class; 2]) {
    let mut mesh = Mesh::new(1);
    send(&mut mesh, &grpc(&[]), true);
    let server = mesh.servers()[0];
    let (at, _) = mesh.world.peers[server].heads().pop().expect("a call");
    let application = &mut mesh.world.peers[server].http2;
    application.head(at, fields(head).iter(), trailers.is_none());
    if let Some(trailers) = trailers {
        application.trailers(at, fields(trailers).iter());
    }
    mesh.world.settle();
    let status = mesh.client().status();
    for mark in ["outrider-blameless", "outrider-unprocessed"] {
        assert_eq!(mesh.client().field(mark), None, "only sidecars see {mark}");
    }
    let class = |side: Side| {
        let of_side = |record: &&CallRecord| record.side == side;
        let record = mesh.world.records.iter().find(of_side);
        record.expect("a record").class
    };
    (status, [class(Side::Outbound), class(Side::Inbound)])
}

#[test]
fn an_endpoint_is_not_blamed_for_the_text_of_its_application() {
    let good: &[(&str, &str)] = &[(":status", "200"), ("content-type", "application/grpc")];
    let internal = (Some("13".to_owned()), Class::Neutral);
    let texts: [&[(&str, &str)]; 4] = [
        &[("grpc-status", "0"), ("x-note", "a\nb")],
        &[("grpc-status", "0"), ("x note", "a")],
        &[("grpc-status", "0"), ("connection", "close")],
        // As grpc-go sends a trailer that was set with an upper-case name.
        &[("grpc-status", "0"), ("X-Upper", "1")],
    ];
    let blameless = (internal.0.clone(), [Class::Neutral; 2]);
    for trailers in texts {
        let found = judged_by_both(good, Some(trailers));
        assert_eq!(found, blameless, "in trailers: {trailers:?}");
        let only = [good, trailers].concat();
        let found = judged_by_both(&only, None);
        assert_eq!(found, blameless, "in a head: {trailers:?}");
    }
    assert_eq!(judged_by_both(good, Some(&too_many())), blameless);
    let length = [good, &[("content-length", "7"), ("grpc-status", "0")]].concat();
    assert_eq!(judged(&length, None), internal);
    let not_found = [("grpc-status", "5"), ("grpc-message", " no such order: ")];
    let told = (Some("5".to_owned()), Class::CallerFault);
    assert_eq!(judged(good, Some(&not_found)), told);
}

#[test]
fn an_application_cannot_say_what_only_sidecars_may() {
    let good: &[(&str, &str)] = &[(":status", "200"), ("content-type", "application/grpc")];
    let marks = [("outrider-blameless", "1"), ("outrider-unprocessed", "1")];
    let failed = [&[("grpc-status", "13")][..], &marks].concat();
    let blamed = (Some("13".to_owned()), [Class::EndpointFault; 2]);
    assert_eq!(judged_by_both(good, Some(&failed)), blamed);
    assert_eq!(
        judged_by_both(&[good, &marks].concat(), Some(&failed)),
        blamed
    );
    assert_eq!(judged_by_both(&[good, &failed].concat(), None), blamed);
}

#[test]
fn an_endpoint_whose_library_breaks_http_is_blamed() {
    for head in [
        &[("grpc-status", "0")][..],
        &[(":status", "2000"), ("grpc-status", "0")],
        &[(":status", "200"), ("grpc-status", "0"), (":path", "/")],
    ] {
        let expected = (Some("13".to_owned()), [Class::EndpointFault; 2]);
        assert_eq!(judged_by_both(head, None), expected, "{head:?}");
    }
}

#[test]
fn a_field_is_passed_on_as_it_was_but_for_its_ends() {
    let mut mesh = Mesh::new(1);
    let mut head = fields(&grpc(&[]));
    let values: [&[u8]; 4] = [b"a\t b", b"gr\xfcn", b"", b" \t "];
    for value in values {
        head.push(Field::new(b"x", value));
    }
    mesh.client().http2.open(head.iter(), true).expect("room");
    mesh.world.settle();
    let server = mesh.servers()[0];
    let (_, seen): (_, Fields) = mesh.world.peers[server].heads()[0].clone();
    let seen: Vec<_> = seen.find_all(b"x").collect();
    assert_eq!(seen, [&b"a\t b"[..], b"gr\xfcn", b"", b""]);
}

#[test]
fn of_several_equal_lengths_the_application_sees_one() {
    let mut mesh = Mesh::new(1);
    let twice = [("content-length", "0"), ("content-length", "0")];
    send(&mut mesh, &grpc(&twice), true);
    let server = mesh.servers()[0];
    let (_, seen) = mesh.world.peers[server].heads()[0].clone();
    assert_eq!(seen.find_all(b"content-length").count(), 1);
}

#[test]
fn grpc_is_grpc_in_any_case_and_with_parameters() {
    let cases = [
        ("Application/Grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc ;x=y", true),
        ("application/grpcx", false),
        ("application/grpc-web+proto", false),
    ];
    for (content_type, is_grpc) in cases {
        let mut head = grpc(&[]);
        head[4].1 = content_type;
        let mut mesh = Mesh::new(1);
        send(&mut mesh, &head, true);
        let server = mesh.servers()[0];
        let (at, _) = mesh.world.peers[server].heads()[0].clone();
        let application = &mut mesh.world.peers[server].http2;
        application.head(at, fields(&[(":status", "200")]).iter(), true);
        mesh.world.settle();
        // A gRPC caller gets a status whatever the endpoint answers.
        let has_status = mesh.client().status().is_some();
        assert_eq!(has_status, is_grpc, "{content_type}");

        let answer = [(":status", "200"), ("content-type", content_type)];
        let (status, _) = judged_by_both(&answer, None);
        // Owed and not there, or made of the HTTP status.
        let expected = if is_grpc { "13" } else { "2" };
        assert_eq!(status.as_deref(), Some(expected), "{content_type}");
    }
    let mut list = grpc(&[]);
    list[4].1 = "text/html, application/grpc";
    let mut mesh = Mesh::new(1);
    send(&mut mesh, &list, true);
    assert_eq!(mesh.client().field(":status").as_deref(), Some("400"));
    assert_eq!(mesh.servers(), [], "two readers could take two values");
}
