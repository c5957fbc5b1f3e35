//! What endpoints are judged by: a dead one is learned of, a healthy one is not blamed.

use std::collections::BTreeSet;
use std::time::Duration;

use outrider_engine::config::Transport;
use outrider_engine::{Outcome, Reason, Side};
use outrider_http2::ErrorCode;
use outrider_identity::SpiffeId;
use outrider_policy::Code;

use crate::world::fields;
use crate::world::mesh::{CALLER, Mesh, ORDERS, address, snapshot};

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
