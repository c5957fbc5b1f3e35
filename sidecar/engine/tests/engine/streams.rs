//! Servers that allow few streams: calls go where there is room, else wait for a stream in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use outrider_engine::config::{Cluster, Snapshot, Transport};
use outrider_engine::{Outcome, Reason, Side};
use outrider_http2::{ErrorCode, StreamId};
use outrider_policy::Code;

use crate::world::mesh::{CALLER, Mesh, address, snapshot};

const CHAT: &str = "/shop.v1.Orders/Chat";
const FIRST: &str = "10.0.0.9:1";
const SECOND: &str = "10.0.0.9:2";

/// A caller's sidecar and servers without one, each with its limit of streams.
fn servers(limits: &[(&str, u32)], change: impl FnOnce(&mut Cluster)) -> Mesh {
    let mut mesh = Mesh::new(0);
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for (at, most) in limits {
        let at = address(at);
        mesh.world.serve(at);
        mesh.world.streams_max.insert(at, *most);
        addresses.push(at);
    }
    let mut config = Snapshot::clone(&snapshot(&addresses, Transport::Plaintext));
    let cluster = config.clusters.get_mut("orders").expect("it is there");
    change(Arc::make_mut(cluster));
    mesh.configure(config);
    mesh
}

fn numbered(mesh: &mut Mesh, number: usize) -> StreamId {
    let number = number.to_string();
    let stream = mesh
        .client()
        .call("orders", CHAT, &[("x-number", &number)], true);
    mesh.world.settle();
    stream
}

/// What each server has not answered yet, as (server, stream, number of the call).
fn open(mesh: &Mesh) -> Vec<(usize, StreamId, usize)> {
    let of_server = |server: usize| {
        let peer = &mesh.world.peers[server];
        let answered = peer.http2.open_streams();
        let heads = peer.heads();
        let first = heads.len() - answered;
        heads.into_iter().skip(first).map(move |(stream, head)| {
            let number = head.find(b"x-number").expect("a number");
            let number = std::str::from_utf8(number).expect("digits").parse();
            (server, stream, number.expect("a number"))
        })
    };
    mesh.servers().into_iter().flat_map(of_server).collect()
}

/// Answers the oldest call that a server has; gives its number.
fn answer_oldest(mesh: &mut Mesh) -> Option<usize> {
    let oldest = open(mesh).into_iter().min_by_key(|(_, _, number)| *number);
    let (server, stream, number) = oldest?;
    mesh.world.peers[server].answer(stream, b"x", "0");
    mesh.world.settle();
    Some(number)
}

fn waiting_for_a_stream(mesh: &Mesh) -> usize {
    mesh.world.engines[CALLER].gauges().waiting[3]
}

#[test]
fn calls_over_a_stream_limit_of_one_wait_and_go_on_in_order() {
    const CALLS: usize = 120;
    let mut mesh = servers(&[(FIRST, 1)], |_| {});
    for number in 0..CALLS {
        numbered(&mut mesh, number);
    }
    assert_eq!(mesh.servers().len(), 16, "as many connections as may be");
    assert_eq!(waiting_for_a_stream(&mesh), CALLS - 16);
    for expected in 0..CALLS {
        mesh.world.advance(Duration::from_millis(6));
        assert_eq!(answer_oldest(&mut mesh), Some(expected));
        let arrived: Vec<_> = open(&mesh).iter().map(|(_, _, number)| *number).collect();
        let newest = (expected + 16).min(CALLS - 1);
        assert!(
            arrived.contains(&newest) || expected == CALLS - 1,
            "{arrived:?}"
        );
    }
    assert_eq!(
        mesh.outcome(Side::Outbound),
        [(Outcome::Answered, Code::Ok); CALLS]
    );
    let last = mesh.world.records.last().expect("a record");
    assert!(
        last.waited >= Duration::from_millis(600),
        "{:?}",
        last.waited
    );
    mesh.assert_quiet();
}

#[test]
fn a_call_that_finds_its_endpoint_full_goes_to_one_that_has_room() {
    const CALLS: usize = 200;
    let mut mesh = servers(&[(FIRST, 1), (SECOND, 1_000)], |_| {});
    for number in 0..CALLS {
        numbered(&mut mesh, number);
    }
    assert_eq!(open(&mesh).len(), CALLS, "all are at a server");
    assert_eq!(waiting_for_a_stream(&mesh), 0);
    while answer_oldest(&mut mesh).is_some() {}
    mesh.assert_quiet();
}

#[test]
fn the_connections_of_an_endpoint_are_as_many_as_the_policy_says() {
    let mut mesh = servers(&[(FIRST, 2)], |cluster| {
        cluster.policy.connections_max = Some(3);
    });
    for number in 0..20 {
        numbered(&mut mesh, number);
    }
    assert_eq!(mesh.servers().len(), 3);
    assert_eq!((open(&mesh).len(), waiting_for_a_stream(&mesh)), (6, 14));
    while answer_oldest(&mut mesh).is_some() {}
    assert_eq!(mesh.outcome(Side::Outbound).len(), 20);
    mesh.assert_quiet();
}

/// The servers' sidecar is configured anew while calls stand in line.
fn change(mesh: &mut Mesh, change: impl FnOnce(&mut Cluster)) {
    let mut config = Snapshot::clone(&snapshot(&[address(FIRST)], Transport::Plaintext));
    let cluster = config.clusters.get_mut("orders").expect("it is there");
    change(Arc::make_mut(cluster));
    mesh.configure(config);
}

#[test]
fn a_raise_reaches_the_calls_that_stand_in_line_at_once() {
    let mut mesh = servers(&[(FIRST, 2)], |cluster| {
        cluster.policy.connections_max = Some(1);
    });
    for number in 0..20 {
        numbered(&mut mesh, number);
    }
    assert_eq!((open(&mesh).len(), waiting_for_a_stream(&mesh)), (2, 18));
    change(&mut mesh, |cluster| {
        cluster.policy.connections_max = Some(5)
    });
    assert_eq!((open(&mesh).len(), waiting_for_a_stream(&mesh)), (10, 10));
    while answer_oldest(&mut mesh).is_some() {}
    assert_eq!(mesh.outcome(Side::Outbound).len(), 20);
    mesh.assert_quiet();
}

#[test]
fn no_stream_at_all_is_a_pause() {
    let mut mesh = servers(&[(FIRST, 0)], |_| {});
    for number in 0..50 {
        numbered(&mut mesh, number);
    }
    mesh.world.advance(Duration::from_millis(700));
    assert_eq!(mesh.servers().len(), 1, "more connections would not help");
    assert_eq!(waiting_for_a_stream(&mesh), 50);
    let server = mesh.servers()[0];
    mesh.world.allow(server, 30);
    let arrived: Vec<_> = open(&mesh).iter().map(|(_, _, number)| *number).collect();
    assert_eq!(arrived[..30], (0..30).collect::<Vec<_>>());
    while answer_oldest(&mut mesh).is_some() {}
    assert_eq!(
        mesh.outcome(Side::Outbound),
        [(Outcome::Answered, Code::Ok); 50]
    );
    mesh.assert_quiet();
}

#[test]
fn an_endpoint_that_pauses_leaves_its_calls_to_others() {
    let mut mesh = servers(&[(FIRST, 0), (SECOND, 100)], |_| {});
    for number in 0..50 {
        numbered(&mut mesh, number);
    }
    assert_eq!(open(&mesh).len(), 50);
    while answer_oldest(&mut mesh).is_some() {}
    mesh.assert_quiet();
}

#[test]
fn a_call_waits_for_a_stream_until_its_deadline() {
    let mut mesh = servers(&[(FIRST, 0)], |_| {});
    let limit = [("grpc-timeout", "2S")];
    mesh.client().call("orders", CHAT, &limit, true);
    mesh.world.advance(Duration::from_secs(3));
    let late = Outcome::Refused(Reason::DeadlineExceeded);
    assert_eq!(
        mesh.outcome(Side::Outbound),
        [(late, Code::DeadlineExceeded)]
    );
    let said = mesh.client().field("grpc-message").unwrap_or_default();
    assert!(said.contains("as many streams as it allows"), "{said}");
    assert_eq!(mesh.world.records[0].waited, Duration::from_secs(2));
    mesh.assert_quiet();
}

#[test]
fn waiting_calls_without_a_deadline_are_bounded_in_count_and_may_be_cancelled() {
    let mut mesh = servers(&[(FIRST, 0)], |cluster| {
        cluster.policy.limits.waiting = 3;
    });
    let streams: Vec<_> = (0..3).map(|number| numbered(&mut mesh, number)).collect();
    mesh.world.advance(Duration::from_secs(3_000));
    assert_eq!(mesh.outcome(Side::Outbound), [], "they wait");
    numbered(&mut mesh, 3);
    let full = (
        Outcome::Refused(Reason::WaitingLimit),
        Code::ResourceExhausted,
    );
    assert_eq!(mesh.outcome(Side::Outbound), [full]);
    for stream in streams {
        mesh.client().http2.reset(stream, ErrorCode::Cancel);
    }
    mesh.world.settle();
    assert_eq!(mesh.outcome(Side::Outbound).len(), 4);
    mesh.assert_quiet();
}

#[test]
fn a_lost_server_fails_those_that_wait_for_it_too() {
    let mut mesh = servers(&[(FIRST, 1)], |cluster| {
        cluster.policy.connections_max = Some(1);
    });
    for number in 0..10 {
        numbered(&mut mesh, number);
    }
    mesh.world.close(address(FIRST));
    let server = mesh.servers()[0];
    mesh.world.cut(server);
    mesh.world.advance(Duration::from_secs(1));
    let lost = (Outcome::Refused(Reason::UpstreamFailed), Code::Unavailable);
    assert_eq!(mesh.outcome(Side::Outbound), [lost; 10]);
    mesh.assert_quiet();
}

#[test]
fn a_connection_that_cannot_be_made_beside_one_that_works_fails_nobody() {
    let mut mesh = servers(&[(FIRST, 2)], |_| {});
    numbered(&mut mesh, 0);
    mesh.world.swallow(address(FIRST));
    for number in 1..10 {
        numbered(&mut mesh, number);
    }
    mesh.world.advance(Duration::from_secs(2));
    assert_eq!(mesh.servers().len(), 1);
    assert_eq!(waiting_for_a_stream(&mesh), 8);
    for expected in 0..10 {
        assert_eq!(answer_oldest(&mut mesh), Some(expected));
    }
    assert_eq!(
        mesh.outcome(Side::Outbound),
        [(Outcome::Answered, Code::Ok); 10]
    );
}

#[test]
fn who_comes_later_stands_behind_who_waits() {
    let mut mesh = servers(&[(FIRST, 1)], |cluster| {
        cluster.policy.connections_max = Some(1);
    });
    numbered(&mut mesh, 0);
    numbered(&mut mesh, 1);
    // In one turn a stream ends and a new call comes.
    let (server, stream, _) = open(&mesh)[0];
    mesh.world.peers[server].answer(stream, b"x", "0");
    numbered(&mut mesh, 2);
    let arrived: Vec<_> = open(&mesh).iter().map(|(_, _, number)| *number).collect();
    assert_eq!(arrived, [1]);
}

#[test]
fn five_thousand_calls_at_once_pass_between_sidecars() {
    const CALLS: usize = 5_000;
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
    for server in servers {
        for (stream, _) in mesh.world.peers[server].heads() {
            mesh.world.peers[server].answer(stream, b"x", "0");
        }
    }
    mesh.world.settle();
    let fine = [(Outcome::Answered, Code::Ok); CALLS];
    assert_eq!(mesh.outcome(Side::Outbound), fine);
    mesh.assert_quiet();
}
