//! Connections to endpoints: what becomes of calls when one is made, blocked or given up.

use std::sync::Arc;
use std::time::Duration;

use outrider_engine::Side;
use outrider_engine::config::Transport;
use outrider_http2::ErrorCode;
use outrider_identity::SpiffeId;
use outrider_policy::Code;

use crate::world::mesh::{CALLER, GET, Mesh, ORDERS, address, snapshot};
use crate::world::{Seen, fields};

const CHAT: &str = "/shop.v1.Orders/Chat";

fn orders() -> Transport {
    let peer = SpiffeId::parse(ORDERS.as_bytes()).expect("an id");
    Transport::MutualTls { peer }
}

#[test]
fn a_cold_burst_within_the_ceiling_is_not_refused() {
    const CALLS: usize = 1_000;
    let mut mesh = Mesh::new(1);
    for _ in 0..CALLS {
        mesh.client().call("orders", CHAT, &[], true);
    }
    mesh.world.settle();
    let servers = mesh.servers();
    let arrived = servers
        .iter()
        .map(|server| mesh.world.peers[*server].heads().len());
    assert_eq!(arrived.sum::<usize>(), CALLS);
    assert_eq!(mesh.outcome(Side::Outbound), []);
}

#[test]
fn blocked_connections_take_calls_when_all_are_blocked() {
    let mut mesh = Mesh::new(1);
    mesh.world.is_narrow = true;
    for _ in 0..40 {
        let stream = mesh.client().call("orders", CHAT, &[], false);
        mesh.client().http2.data(stream, &[1; 70_000], false);
        mesh.world.advance(Duration::from_millis(150));
    }
    assert_eq!(mesh.outcome(Side::Inbound), []);
    assert_eq!(mesh.outcome(Side::Outbound), []);
    assert_eq!(mesh.servers().len(), 16, "as many as there may be");
}

/// As directly: a library gives a connection 20 s, and calls their deadlines.
#[test]
fn an_own_application_that_is_slow_to_greet_is_waited_for() {
    let mut mesh = Mesh::new(1);
    mesh.world.swallow(address("127.0.0.1:2000"));
    mesh.client().call("orders", CHAT, &[], true);
    mesh.world.advance(Duration::from_secs(19));
    assert_eq!(mesh.outcome(Side::Inbound), []);
    mesh.world.serve(address("127.0.0.1:2000"));
    mesh.world.advance(Duration::from_secs(2));
    let server = *mesh.servers().last().expect("the second try gets there");
    let (stream, _) = mesh.world.peers[server].heads()[0];
    mesh.world.peers[server].answer(stream, b"x", "0");
    mesh.world.settle();
    let records = mesh.world.records.iter();
    assert!(records.clone().count() >= 2, "of both sides");
    assert!(records.last().is_some_and(|record| record.code == Code::Ok));
}

#[test]
fn a_removed_endpoint_takes_no_waiting_call_with_it() {
    let mut mesh = Mesh::new(2);
    let hole = address("10.9.9.9:1");
    mesh.world.swallow(hole);
    let now = mesh.world.now;
    mesh.world.engines[CALLER].configure(now, snapshot(&[hole], orders()));
    for _ in 0..80 {
        mesh.client().call("orders", CHAT, &[], true);
    }
    mesh.world.settle();
    let good = snapshot(&[address("10.0.0.1:1000")], orders());
    mesh.world.engines[CALLER].configure(now, good);
    mesh.world.settle();
    let server = mesh.servers()[0];
    for (stream, _) in mesh.world.peers[server].heads() {
        mesh.world.peers[server].answer(stream, b"x", "0");
    }
    mesh.world.settle();
    let records = mesh.world.records.iter();
    let outbound: Vec<_> = records
        .filter(|record| record.side == Side::Outbound)
        .collect();
    assert_eq!(outbound.len(), 80);
    for record in outbound {
        assert_eq!((record.code, record.retries), (Code::Ok, 0));
    }
    mesh.assert_quiet();
}

#[test]
fn a_removed_cluster_leaves_neither_call_nor_connection() {
    let mut mesh = Mesh::new(1);
    mesh.client().call("orders", GET, &[], true);
    mesh.world.settle();
    let server = mesh.servers()[0];
    let (at, _) = mesh.world.peers[server].heads()[0].clone();
    let failed = fields(&[
        (":status", "200"),
        ("content-type", "application/grpc"),
        ("grpc-status", "14"),
    ]);
    mesh.world.peers[server].http2.head(at, failed.iter(), true);
    mesh.world.settle();
    let now = mesh.world.now;
    mesh.world.engines[CALLER].configure(now, Arc::default());
    mesh.world.advance(Duration::from_secs(10));
    let gauges = mesh.world.engines[CALLER].gauges();
    assert_eq!((gauges.calls, gauges.upstream), (0, 0));
    let reason = mesh.client().field("grpc-message").unwrap_or_default();
    assert!(reason.contains("has left the configuration"), "{reason}");
}

#[test]
fn an_application_may_cancel_all_its_calls_at_once() {
    let mut mesh = Mesh::new(1);
    let open = |mesh: &mut Mesh| {
        let stream = mesh.client().call("orders", CHAT, &[], false);
        mesh.world.settle();
        stream
    };
    let streams: Vec<_> = (0..1_000).map(|_| open(&mut mesh)).collect();
    for stream in streams {
        mesh.client().http2.reset(stream, ErrorCode::Cancel);
    }
    mesh.world.settle();
    let told_to_go = |seen: &Seen| matches!(seen, Seen::Goaway(_));
    assert!(!mesh.client().seen.iter().any(told_to_go));
    assert_eq!(mesh.outcome(Side::Outbound).len(), 1_000);
    open(&mut mesh);
    assert_eq!(mesh.outcome(Side::Outbound).len(), 1_000, "and go on");
}

#[test]
fn a_sidecar_may_cancel_bursts_beside_as_many_missed_deadlines() {
    const STREAMS: usize = 100;
    let mut mesh = Mesh::new(1);
    for _ in 0..3 {
        let streams: Vec<_> = (0..STREAMS)
            .map(|_| mesh.client().call("orders", CHAT, &[], false))
            .collect();
        mesh.world.settle();
        for stream in streams {
            mesh.client().http2.reset(stream, ErrorCode::Cancel);
        }
        mesh.world.settle();
        // The local application's budget is another: its connection is a new one each time.
        mesh.client = mesh.world.connect(CALLER);
    }
    let calls = mesh.servers().into_iter();
    let arrived = calls.map(|server| mesh.world.peers[server].heads().len());
    assert_eq!(arrived.sum::<usize>(), 3 * STREAMS);
    mesh.client().call("orders", CHAT, &[], false);
    mesh.world.settle();
    assert_eq!(
        mesh.outcome(Side::Outbound).len(),
        3 * STREAMS,
        "not refused"
    );
}
