//! An endpoint that resets a stream: the status that gRPC has for the code, and the deadline, which
//! servers end with CANCEL. All through a pair of sidecars.

use std::time::Duration;

use outrider_http2::{ErrorCode, ResetCause, StreamId};

use crate::world::mesh::{CALLER, GET, Mesh};
use crate::world::{Seen, fields};

const PLACE: &str = "/shop.v1.Orders/Place";
const MS: Duration = Duration::from_millis(1);

/// gRPC over HTTP/2, "Errors"; the codes that it does not name are INTERNAL.
const STATUSES: [(ErrorCode, &str, u16); 13] = [
    (ErrorCode::NoError, "13", 502),
    (ErrorCode::ProtocolError, "13", 502),
    (ErrorCode::InternalError, "13", 502),
    (ErrorCode::FlowControlError, "13", 502),
    (ErrorCode::SettingsTimeout, "13", 502),
    (ErrorCode::StreamClosed, "13", 502),
    (ErrorCode::FrameSizeError, "13", 502),
    (ErrorCode::Cancel, "1", 502),
    (ErrorCode::CompressionError, "13", 502),
    (ErrorCode::ConnectError, "13", 502),
    (ErrorCode::EnhanceYourCalm, "8", 503),
    (ErrorCode::InadequateSecurity, "7", 502),
    (ErrorCode::Http11Required, "13", 502),
];

/// The application and the stream that a call is on.
fn served(mesh: &Mesh) -> (usize, StreamId) {
    let heads = |server: usize| mesh.world.peers[server].heads();
    let servers = mesh.servers().into_iter();
    let mut at = servers.filter_map(|server| Some((server, heads(server).pop()?.0)));
    at.next_back().expect("an application has the call")
}

/// The last call is reset by its application, after a head and a message if `begun`.
fn reset(mesh: &mut Mesh, code: ErrorCode, begun: bool) {
    let (server, at) = served(mesh);
    let application = &mut mesh.world.peers[server].http2;
    if begun {
        let head = fields(&[(":status", "200"), ("content-type", "application/grpc")]);
        application.head(at, head.iter(), false);
        application.data(at, b"part", false);
    }
    mesh.world.settle();
    mesh.world.peers[server].http2.reset(at, code);
    mesh.world.settle();
}

#[test]
fn a_grpc_caller_gets_the_status_of_the_code_and_hears_of_both() {
    for (code, status, _) in STATUSES {
        for begun in [false, true] {
            let mut mesh = Mesh::new(1);
            mesh.client().call("orders", PLACE, &[], true);
            mesh.world.settle();
            reset(&mut mesh, code, begun);
            let client = mesh.client();
            assert_eq!(client.status().as_deref(), Some(status), "{code:?} {begun}");
            let said = client.field("grpc-message").unwrap_or_default();
            let names_both = said.starts_with("frontend/outbound: ") && said.contains(code.name());
            assert!(names_both, "{said}");
            let passed: &[u8] = if begun { b"part" } else { b"" };
            assert_eq!(client.body(), passed);
            mesh.assert_quiet();
        }
    }
}

fn plain_call(mesh: &mut Mesh) -> StreamId {
    let head = fields(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "orders"),
        (":path", "/stock"),
    ]);
    let opened = mesh.client().http2.open(head.iter(), true);
    mesh.world.settle();
    opened.expect("room for a stream")
}

#[test]
fn a_plain_caller_gets_an_http_status_or_the_code_itself() {
    for (code, _, status) in STATUSES {
        let mut mesh = Mesh::new(1);
        plain_call(&mut mesh);
        reset(&mut mesh, code, false);
        let said = mesh.client().field(":status");
        assert_eq!(said, Some(status.to_string()), "{code:?}");

        let stream = plain_call(&mut mesh);
        reset(&mut mesh, code, true);
        let broken_off = Seen::Reset(stream, ResetCause::Peer(code));
        assert_eq!(mesh.client().seen.last(), Some(&broken_off));
        mesh.assert_quiet();
    }
}

#[test]
fn a_server_that_cancels_at_the_deadline_has_kept_it() {
    // Milliseconds given, and microseconds before the deadline.
    for (given, early, status) in [
        (1_000, 1, "4"),
        (1_000, 1_000, "4"),
        (1_000, 50_000, "4"),
        (1_000, 50_001, "1"),
        (1_000, 900_000, "1"),
        (20, 2_000, "4"),
        (20, 2_001, "1"),
    ] {
        for begun in [false, true] {
            let mut mesh = Mesh::new(1);
            let timeout = format!("{given}m");
            let asked = [("grpc-timeout", timeout.as_str())];
            mesh.client().call("orders", PLACE, &asked, true);
            mesh.world.settle();
            mesh.world
                .advance(given * MS - Duration::from_micros(early));
            reset(&mut mesh, ErrorCode::Cancel, begun);
            let found = mesh.client().status();
            assert_eq!(found.as_deref(), Some(status), "{early} of {given} {begun}");
            mesh.assert_quiet();
        }
    }
}

#[test]
fn other_codes_are_no_deadline() {
    let mut mesh = Mesh::new(1);
    let asked = [("grpc-timeout", "1S")];
    mesh.client().call("orders", PLACE, &asked, true);
    mesh.world.advance(999 * MS);
    reset(&mut mesh, ErrorCode::InternalError, false);
    assert_eq!(mesh.client().status().as_deref(), Some("13"));
}

/// Endpoints taken out by twenty calls of a second that are cancelled after `after`.
fn taken_out(after: Duration) -> u64 {
    let mut mesh = Mesh::new(2);
    for _ in 0..20 {
        let asked = [("grpc-timeout", "1S")];
        mesh.client().call("orders", PLACE, &asked, true);
        mesh.world.advance(after);
        for server in mesh.servers() {
            for (at, _) in mesh.world.peers[server].heads() {
                mesh.world.peers[server].http2.reset(at, ErrorCode::Cancel);
            }
        }
        mesh.world.settle();
    }
    mesh.world.engines[CALLER].gauges().counters.ejections
}

#[test]
fn who_cancels_at_the_deadline_is_not_blamed_and_who_cancels_before_is() {
    assert_eq!(taken_out(999 * MS), 0);
    assert!(taken_out(100 * MS) > 0);
}

#[test]
fn a_reset_is_retried_like_a_lost_connection() {
    use ErrorCode::{Cancel, EnhanceYourCalm, InternalError, NoError};
    for (code, path, again) in [
        (InternalError, GET, true),
        (NoError, GET, true),
        (Cancel, GET, true),
        (EnhanceYourCalm, GET, false),
        (InternalError, PLACE, false),
        (Cancel, PLACE, false),
    ] {
        let mut mesh = Mesh::new(2);
        mesh.client().call("orders", path, &[], true);
        mesh.world.settle();
        reset(&mut mesh, code, false);
        mesh.world.advance(100 * MS);
        assert_eq!(mesh.servers().len() > 1, again, "{code:?} {path}");
    }
}
