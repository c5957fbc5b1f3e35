//! What endpoints are judged by: a dead one is learned of, a healthy one is not blamed.

use std::collections::BTreeSet;
use std::time::Duration;

use outrider_engine::config::Transport;
use outrider_engine::{CallRecord, Outcome, Reason, Side};
use outrider_http2::{ErrorCode, ResetCause, StreamId};
use outrider_identity::SpiffeId;
use outrider_policy::{Class, Code};

use crate::world::mesh::{CALLER, GET, Mesh, ORDERS, address, snapshot};
use crate::world::{Peer, Seen, fields};

const CHAT: &str = "/shop.v1.Orders/Chat";

/// Answers every call that has arrived, but for those of `hung`.
fn answer_all(
    mesh: &mut Mesh,
    hung: Option<usize>,
    answered: &mut BTreeSet<(usize, u32)>,
) -> usize {
    let before = answered.len();
    for server in mesh
        .servers()
        .into_iter()
        .filter(|server| Some(*server) != hung)
    {
        for (stream, _) in mesh.world.peers[server].heads() {
            if answered.insert((server, stream.value())) {
                mesh.world.peers[server].answer(stream, b"x", "0");
            }
        }
    }
    answered.len() - before
}

#[test]
fn a_black_hole_is_learned_of() {
    let mut mesh = Mesh::new(1);
    let hole = address("10.9.9.9:1");
    mesh.world.swallow(hole);
    let peer = SpiffeId::parse(ORDERS.as_bytes()).expect("an id");
    let endpoints = [hole, address("10.0.0.1:1000")];
    let now = mesh.world.now;
    mesh.world.engines[CALLER].configure(now, snapshot(&endpoints, Transport::MutualTls { peer }));
    let mut answered = BTreeSet::new();
    for _ in 0..200 {
        mesh.client()
            .call("orders", CHAT, &[("grpc-timeout", "200m")], true);
        mesh.world.advance(Duration::from_millis(20));
        answer_all(&mut mesh, None, &mut answered);
        mesh.world.advance(Duration::from_millis(1480));
    }
    let lost = mesh
        .outcome(Side::Outbound)
        .iter()
        .filter(|(_, code)| *code != Code::Ok)
        .count();
    assert!(lost < 50, "{lost} of 200 lost");
}

#[test]
fn a_hung_endpoint_is_left_by_callers_that_cancel() {
    let mut mesh = Mesh::new(2);
    let (mut lost, mut answered) = (0, BTreeSet::new());
    for _ in 0..200 {
        let stream = mesh.client().call("orders", CHAT, &[], true);
        mesh.world.advance(Duration::from_millis(20));
        let hung = mesh.servers().first().copied();
        let done = answer_all(&mut mesh, hung, &mut answered) > 0;
        mesh.world.advance(Duration::from_millis(980));
        if !done {
            lost += 1;
            mesh.client().http2.reset(stream, ErrorCode::Cancel);
            mesh.world.settle();
        }
    }
    assert!(lost < 60, "{lost} of 200 lost");
}

#[test]
fn impatient_callers_put_no_endpoint_out() {
    let mut mesh = Mesh::new(2);
    for _ in 0..600 {
        mesh.client()
            .call("orders", CHAT, &[("grpc-timeout", "1m")], true);
        mesh.world.advance(Duration::from_millis(100));
    }
    assert_eq!(mesh.world.engines[CALLER].gauges().counters.ejections, 0);
}

#[test]
fn a_watch_that_ends_at_its_deadline_blames_nobody() {
    let mut mesh = Mesh::new(2);
    for _ in 0..20 {
        mesh.client()
            .call("orders", CHAT, &[("grpc-timeout", "5S")], true);
        mesh.world.settle();
        for server in mesh.servers() {
            for (stream, _) in mesh.world.peers[server].heads() {
                let head = fields(&[(":status", "200"), ("content-type", "application/grpc")]);
                mesh.world.peers[server]
                    .http2
                    .head(stream, head.iter(), false);
                mesh.world.peers[server].http2.data(stream, b"event", false);
            }
        }
        mesh.world.advance(Duration::from_secs(6));
    }
    assert_eq!(mesh.world.engines[CALLER].gauges().counters.ejections, 0);
}

#[test]
fn want_of_descriptors_blames_no_endpoint() {
    let mut mesh = Mesh::new(1);
    mesh.world.is_short = true;
    for _ in 0..20 {
        mesh.client().call("orders", CHAT, &[], true);
        mesh.world.advance(Duration::from_secs(1));
    }
    let refused = (Outcome::Refused(Reason::NoSocket), Code::Unavailable);
    assert_eq!(mesh.outcome(Side::Outbound), vec![refused; 20]);
    assert_eq!(mesh.world.engines[CALLER].gauges().counters.ejections, 0);

    mesh.world.is_short = false;
    mesh.client().call("orders", CHAT, &[], true);
    mesh.world.settle();
    let server = *mesh.servers().first().expect("it is reached at once");
    assert_eq!(mesh.world.peers[server].heads().len(), 1);
}

/// An application begins a plain answer with `head`, and goes on in this way: how the caller's stream was
/// reset, and what the caller's sidecar and the application's make of it.
fn broken_off(
    head: &[(&str, &str)],
    go_on: impl Fn(&mut Peer, StreamId),
) -> (Option<ErrorCode>, [Class; 2]) {
    let mut mesh = Mesh::new(1);
    let request = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "orders"),
        (":path", GET),
    ];
    let request = fields(&request);
    let stream = mesh.client().http2.open(request.iter(), true);
    stream.expect("room for a stream");
    mesh.world.settle();
    let server = mesh.servers()[0];
    let (at, _) = mesh.world.peers[server].heads().pop().expect("a call");
    let head = [&[(":status", "200")], head].concat();
    let application = &mut mesh.world.peers[server];
    application.http2.head(at, fields(&head).iter(), false);
    mesh.world.settle();
    let passed = mesh.client().field(":status");
    assert_eq!(passed.as_deref(), Some("200"), "the head is passed on");
    go_on(&mut mesh.world.peers[server], at);
    mesh.world.settle();
    let reset = mesh.client().seen.iter().find_map(|seen| match seen {
        Seen::Reset(_, ResetCause::Peer(code)) => Some(*code),
        _ => None,
    });
    let class = |side: Side| {
        let of_side = |record: &&CallRecord| record.side == side;
        let record = mesh.world.records.iter().find(of_side);
        record.expect("a record").class
    };
    let classes = [class(Side::Outbound), class(Side::Inbound)];
    mesh.assert_quiet();
    (reset, classes)
}

#[test]
fn an_endpoint_is_not_blamed_for_a_plain_answer_that_breaks_behind_its_head() {
    let blameless = (Some(ErrorCode::InternalError), [Class::Neutral; 2]);
    let many = vec![("a", "b"); 129];
    let trailers: [&[(&str, &str)]; 4] = [
        &[("x-note", "a\nb")],
        &[("x note", "a")],
        &[("connection", "close")],
        &many,
    ];
    for said in trailers {
        let found = broken_off(&[], |application, at| {
            application.http2.data(at, b"abc", false);
            application.http2.trailers(at, fields(said).iter());
        });
        assert_eq!(found, blameless, "{said:?}");
    }
    for body in [&b"abc"[..], b"12345678"] {
        let found = broken_off(&[("content-length", "7")], |application, at| {
            application.http2.data(at, body, true);
        });
        assert_eq!(found, blameless, "{body:?}");
    }
}

/// Only a sidecar may say that its endpoint is well; what an application says is its own reset.
#[test]
fn an_endpoint_that_breaks_a_plain_answer_off_is_blamed() {
    let blamed = (Some(ErrorCode::InternalError), [Class::EndpointFault; 2]);
    for code in [ErrorCode::InternalError, ErrorCode::Blameless] {
        let found = broken_off(&[], |application, at| application.http2.reset(at, code));
        assert_eq!(found, blamed, "{code:?}");
    }
    let found = broken_off(&[], |application, at| {
        let trailers = fields(&[(":path", "/")]);
        application.http2.trailers(at, trailers.iter());
    });
    assert_eq!(found, blamed, "its library breaks HTTP");
}
