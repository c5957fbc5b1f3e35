//! One call through two sidecars with mutual TLS: what each party sees, in the good and the bad case.

use std::time::Duration;

use crate::world::mesh::{GET, Mesh, ORDERS, address};
use crate::world::{Seen, fields};
use outrider_engine::{Outcome, Reason, Side};
use outrider_http2::{ErrorCode, ResetCause};
use outrider_policy::Code;

#[test]
fn a_unary_call_crosses_two_sidecars_and_leaves_two_records() {
    let mut mesh = Mesh::new(1);
    let stream = mesh
        .client()
        .call("localhost:15001", GET, &[("grpc-timeout", "2S")], false);
    mesh.client().http2.data(stream, b"question", true);
    mesh.world.settle();
    let server = mesh.servers()[0];
    let (at, head) = mesh.world.peers[server].heads()[0].clone();
    assert_eq!(mesh.world.peers[server].body(), b"question");
    assert_eq!(
        head.find(b":authority"),
        Some(&b"orders"[..]),
        "localhost is not a service's name"
    );
    assert!(head.find(b"traceparent").is_some() && head.find(b"x-request-id").is_some());
    let caller = head
        .find(b"x-forwarded-client-cert")
        .expect("the caller's identity");
    assert_eq!(
        caller,
        format!("By={ORDERS};URI=spiffe://outrider.local/ns/default/svc/frontend").as_bytes()
    );
    mesh.world.peers[server].answer(at, b"answer", "0");
    mesh.world.settle();
    assert_eq!(mesh.client().body(), b"answer");
    assert_eq!(mesh.client().status().as_deref(), Some("0"));
    assert_eq!(
        mesh.outcome(Side::Outbound),
        [(Outcome::Answered, Code::Ok)]
    );
    assert_eq!(mesh.outcome(Side::Inbound), [(Outcome::Answered, Code::Ok)]);
    let [outer, inner] = &mesh.world.records[..] else {
        panic!("two records")
    };
    assert_eq!(outer.trace.trace_id(), inner.trace.trace_id());
    mesh.assert_quiet();
}

#[test]
fn a_forged_identity_never_reaches_the_application() {
    let mut mesh = Mesh::new(1);
    let forged = [(
        "x-forwarded-client-cert",
        "URI=spiffe://outrider.local/ns/default/svc/admin",
    )];
    mesh.client().call("orders", GET, &forged, true);
    mesh.world.settle();
    let server = mesh.servers()[0];
    let (_, head) = mesh.world.peers[server].heads()[0].clone();
    let values: Vec<_> = head.find_all(b"x-forwarded-client-cert").collect();
    assert_eq!(values.len(), 1);
    assert!(!values[0].ends_with(b"admin"));
}

#[test]
fn an_error_in_trailers_of_an_idempotent_call_is_retried_elsewhere() {
    let mut mesh = Mesh::new(2);
    mesh.client().call("orders", GET, &[], true);
    mesh.world.settle();
    let first = mesh.servers()[0];
    let (at, _) = mesh.world.peers[first].heads()[0].clone();
    mesh.world.peers[first].answer(at, b"half", "14");
    mesh.world.advance(Duration::from_millis(100));
    let second = mesh.servers()[1];
    let (at, head) = mesh.world.peers[second].heads()[0].clone();
    assert_eq!(head.find(b"grpc-previous-rpc-attempts"), Some(&b"1"[..]));
    mesh.world.peers[second].answer(at, b"whole", "0");
    mesh.world.settle();
    assert_eq!(
        mesh.client().body(),
        b"whole",
        "nothing of the failed answer was passed on"
    );
    let record = mesh
        .world
        .records
        .iter()
        .find(|record| record.side == Side::Outbound)
        .expect("a record");
    assert_eq!(
        (record.attempts, record.retries, record.code),
        (2, 1, Code::Ok)
    );
    mesh.assert_quiet();
}

#[test]
fn what_may_have_been_processed_is_not_repeated_unless_idempotent() {
    let mut mesh = Mesh::new(2);
    mesh.client()
        .call("orders", "/shop.v1.Orders/Place", &[], true);
    mesh.world.settle();
    let server = mesh.servers()[0];
    mesh.world.cut(server);
    mesh.world.advance(Duration::from_secs(1));
    assert_eq!(mesh.client().status().as_deref(), Some("14"));
    assert_eq!(mesh.servers().len(), 1, "no second attempt");
    mesh.assert_quiet();
}

#[test]
fn what_no_application_saw_is_tried_elsewhere_whatever_the_method() {
    let mut mesh = Mesh::new(2);
    // One application is down; its sidecar answers with the mark.
    mesh.world.close(address("127.0.0.1:2000"));
    for _ in 0..4 {
        let stream = mesh
            .client()
            .call("orders", "/shop.v1.Orders/Place", &[], true);
        mesh.world.advance(Duration::from_millis(100));
        let server = *mesh.servers().last().expect("the application that lives");
        let (at, head) = mesh.world.peers[server].heads().pop().expect("a request");
        assert_eq!(head.find(b"outrider-unprocessed"), None);
        mesh.world.peers[server].answer(at, b"", "0");
        mesh.world.settle();
        assert!(matches!(mesh.client().seen.last(), Some(Seen::Trailers(at, _)) if *at == stream));
        assert_eq!(mesh.client().status().as_deref(), Some("0"));
        assert_eq!(mesh.client().field("outrider-unprocessed"), None);
    }
    let retried = mesh
        .world
        .records
        .iter()
        .filter(|record| record.retries > 0)
        .count();
    assert!(retried >= 1, "one of four picks met the dead application");
    mesh.assert_quiet();
}

#[test]
fn a_deadline_is_kept_by_us_and_upstream_is_told() {
    let mut mesh = Mesh::new(1);
    mesh.client().call(
        "orders",
        "/shop.v1.Orders/Place",
        &[("grpc-timeout", "200m")],
        true,
    );
    mesh.world.settle();
    let server = mesh.servers()[0];
    let (at, head) = mesh.world.peers[server].heads()[0].clone();
    assert_eq!(head.find(b"grpc-timeout"), Some(&b"200000u"[..]));
    mesh.world.advance(Duration::from_millis(250));
    assert_eq!(mesh.client().status().as_deref(), Some("4"));
    let said = mesh.client().field("grpc-message").unwrap_or_default();
    assert!(
        said.starts_with("frontend/outbound: orders did not answer within the deadline"),
        "{said}"
    );
    let resets = mesh.world.peers[server]
        .seen
        .iter()
        .filter(|seen| matches!(seen, Seen::Reset(on, _) if *on == at));
    assert_eq!(resets.count(), 1);
    assert_eq!(
        mesh.outcome(Side::Outbound),
        [(
            Outcome::Refused(Reason::DeadlineExceeded),
            Code::DeadlineExceeded
        )]
    );
    mesh.assert_quiet();
}

#[test]
fn a_callers_cancellation_reaches_the_application() {
    let mut mesh = Mesh::new(1);
    let stream = mesh.client().call("orders", GET, &[], false);
    mesh.world.settle();
    mesh.client().http2.reset(stream, ErrorCode::Cancel);
    mesh.world.settle();
    let server = mesh.servers()[0];
    assert!(matches!(
        mesh.world.peers[server].seen.last(),
        Some(Seen::Reset(..))
    ));
    assert_eq!(
        mesh.outcome(Side::Outbound),
        [(Outcome::Cancelled, Code::Cancelled)]
    );
    assert_eq!(
        mesh.outcome(Side::Inbound),
        [(Outcome::Cancelled, Code::Cancelled)]
    );
    mesh.assert_quiet();
}

#[test]
fn an_early_answer_arrives_whole_before_the_request_is_over() {
    let mut mesh = Mesh::new(1);
    let stream = mesh
        .client()
        .call("orders", "/shop.v1.Orders/Upload", &[], false);
    mesh.client().http2.data(stream, &[7; 1000], false);
    mesh.world.settle();
    let server = mesh.servers()[0];
    let (at, _) = mesh.world.peers[server].heads()[0].clone();
    mesh.world.peers[server].answer(at, b"enough", "8");
    mesh.world.settle();
    assert_eq!(mesh.client().body(), b"enough");
    assert_eq!(mesh.client().status().as_deref(), Some("8"));
    let last = mesh.client().seen.pop();
    assert_eq!(
        last,
        Some(Seen::Reset(stream, ResetCause::Peer(ErrorCode::NoError))),
        "the caller may stop"
    );
    mesh.assert_quiet();
}

#[test]
fn bidi_messages_are_passed_on_as_they_come() {
    let mut mesh = Mesh::new(1);
    let stream = mesh
        .client()
        .call("orders", "/shop.v1.Orders/Chat", &[], false);
    mesh.world.settle();
    let server = mesh.servers()[0];
    let (at, _) = mesh.world.peers[server].heads()[0].clone();
    let head = fields(&[(":status", "200"), ("content-type", "application/grpc")]);
    mesh.world.peers[server].http2.head(at, head.iter(), false);
    for n in 0..10u8 {
        mesh.client().http2.data(stream, &[n], false);
        mesh.world.settle();
        assert_eq!(mesh.world.peers[server].body().last(), Some(&n));
        mesh.world.peers[server].http2.data(at, &[n], false);
        mesh.world.settle();
        assert_eq!(mesh.client().body().last(), Some(&n));
    }
}

#[test]
fn a_large_body_flows_both_ways_within_the_windows() {
    let mut mesh = Mesh::new(1);
    let body: Vec<u8> = (0..1_000_000u32).map(|n| n.to_le_bytes()[0]).collect();
    let stream = mesh
        .client()
        .call("orders", "/shop.v1.Orders/Upload", &[], false);
    mesh.client().http2.data(stream, &body, true);
    mesh.world.settle();
    let server = mesh.servers()[0];
    assert!(
        mesh.world.peers[server].body() == body,
        "the request arrived whole"
    );
    let (at, _) = mesh.world.peers[server].heads()[0].clone();
    mesh.world.peers[server].answer(at, &body, "0");
    mesh.world.settle();
    assert!(mesh.client().body() == body, "the answer arrived whole");
    mesh.assert_quiet();
}

#[test]
fn refusals_of_ours_name_hop_and_reason() {
    let cases = [
        ("nowhere", GET, "12", "NO_ROUTE"),
        ("localhost", "/other.Service/Get", "12", "NO_ROUTE"),
        ("orders", "/shop.v1.Orders/Get/..", "12", "BAD_REQUEST"),
        ("orders:port", GET, "12", "BAD_REQUEST"),
    ];
    for (authority, path, status, reason) in cases {
        let mut mesh = Mesh::new(1);
        mesh.client().call(authority, path, &[], true);
        mesh.world.settle();
        assert_eq!(
            mesh.client().status().as_deref(),
            Some(status),
            "{authority}{path}"
        );
        let said = mesh.client().field("grpc-message").unwrap_or_default();
        assert!(
            said.starts_with("frontend/outbound: ") && said.ends_with(&format!("[{reason}]")),
            "{said}"
        );
        assert!(mesh.servers().is_empty());
    }
    let mut mesh = Mesh::new(1);
    mesh.client()
        .call("orders", GET, &[("grpc-timeout", "1x")], true);
    mesh.world.settle();
    assert_eq!(mesh.client().status().as_deref(), Some("3"));
}

#[test]
fn no_attempt_starts_after_its_deadline() {
    let mut mesh = Mesh::new(1);
    mesh.client().call("orders", GET, &[], true);
    mesh.world.settle();
    mesh.client()
        .call("orders", GET, &[("grpc-timeout", "0n")], true);
    mesh.world.settle();
    let server = mesh.servers()[0];
    assert_eq!(
        mesh.world.peers[server].heads().len(),
        1,
        "it was over before it began"
    );
    assert_eq!(mesh.client().status().as_deref(), Some("4"));
}

#[test]
fn streams_that_are_committed_keep_no_request_for_a_retry() {
    let mut mesh = Mesh::new(2);
    for _ in 0..140 {
        let stream = mesh
            .client()
            .call("orders", "/shop.v1.Orders/Chat", &[], false);
        mesh.client().http2.data(stream, &[7; 62_000], false);
        mesh.world.settle();
        for server in mesh.servers() {
            for (at, _) in mesh.world.peers[server].heads() {
                let head = [(":status", "200"), ("content-type", "application/grpc")];
                let head = fields(&head);
                mesh.world.peers[server].http2.head(at, head.iter(), false);
            }
        }
        mesh.world.settle();
    }
    let stream = mesh.client().call("orders", GET, &[], false);
    mesh.client().http2.data(stream, &[1; 40_000], true);
    mesh.world.settle();
    for server in mesh.servers() {
        for (at, head) in mesh.world.peers[server].heads() {
            if head.find(b":path") == Some(GET.as_bytes()) {
                mesh.world.peers[server].answer(at, b"", "14");
            }
        }
    }
    mesh.world.advance(Duration::from_millis(1));
    assert!(
        mesh.outcome(Side::Outbound).is_empty(),
        "a large idempotent call is still retried"
    );
}

#[test]
fn a_second_content_type_hides_no_grpc_call() {
    let mut mesh = Mesh::new(1);
    mesh.client()
        .call("orders", GET, &[("content-type", "application/json")], true);
    mesh.world.settle();
    assert!(mesh.servers().is_empty());
    assert_eq!(mesh.client().status().as_deref(), Some("12"));
}

#[test]
fn a_head_over_the_limits_is_answered_and_its_stream_freed() {
    let mut mesh = Mesh::new(1);
    let large = "x".repeat(40_000);
    let stream = mesh.client().call("orders", GET, &[("a", &large)], false);
    mesh.world.settle();
    assert_eq!(mesh.client().status().as_deref(), Some("8"));
    let reset = Seen::Reset(stream, ResetCause::Peer(ErrorCode::NoError));
    assert_eq!(mesh.client().seen.last(), Some(&reset));
}
