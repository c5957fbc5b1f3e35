//! Flow control that cannot starve: a stalled reader holds its own window and nobody else's.
//!
//! Both sidecars share one connection for all calls here, as in life: 90 calls stall, one more
//! flows. The memory they hold is their windows.

use std::time::Duration;

use crate::world::mesh::{CALLER, Mesh};
use crate::world::{Seen, fields};

const STALLED: usize = 90;
const WINDOW: usize = 65_535;
const LARGE: usize = 1 << 20;
const ONE_MORE: usize = 100_000;

#[test]
fn a_caller_that_does_not_read_blocks_no_other_call() {
    let mut mesh = Mesh::new(1);
    mesh.client().reads = false;
    for _ in 0..STALLED {
        mesh.client()
            .call("orders", "/shop.v1.Orders/List", &[], true);
    }
    mesh.world.settle();
    let server = mesh.servers()[0];
    for (stream, _) in mesh.world.peers[server].heads() {
        mesh.world.peers[server].answer(stream, &[1; LARGE], "0");
    }
    mesh.world.settle();
    assert!(
        mesh.client().body().len() <= STALLED * WINDOW,
        "no more than their windows"
    );

    let other = mesh.world.connect(CALLER);
    mesh.world.peers[other].call("orders", "/shop.v1.Orders/List", &[], true);
    mesh.world.settle();
    let server = *mesh
        .servers()
        .iter()
        .rfind(|peer| **peer != other)
        .expect("an application");
    let (stream, _) = mesh.world.peers[server]
        .heads()
        .pop()
        .expect("the call arrived");
    mesh.world.peers[server].answer(stream, &[2; ONE_MORE], "0");
    mesh.world.settle();
    assert_eq!(mesh.world.peers[other].body().len(), ONE_MORE);
    assert_eq!(mesh.world.peers[other].status().as_deref(), Some("0"));
}

#[test]
fn an_application_that_does_not_read_blocks_no_other_call() {
    let mut mesh = Mesh::new(1);
    mesh.client()
        .call("orders", "/shop.v1.Orders/Get", &[], false);
    mesh.world.settle();
    let server = mesh.servers()[0];
    mesh.world.peers[server].reads = false;
    for _ in 0..STALLED {
        let stream = mesh
            .client()
            .call("orders", "/shop.v1.Orders/Upload", &[], false);
        mesh.client().http2.data(stream, &[1; LARGE], true);
    }
    mesh.world.settle();
    assert!(
        mesh.world.peers[server].body().len() <= STALLED * WINDOW,
        "no more than their windows"
    );

    let stream = mesh
        .client()
        .call("orders", "/shop.v1.Orders/Get", &[], false);
    mesh.client().http2.data(stream, &[2; 1000], true);
    mesh.world.settle();
    let arrived = mesh
        .servers()
        .iter()
        .flat_map(|server| &mesh.world.peers[*server].seen)
        .any(|seen| matches!(seen, Seen::Data(_, bytes, true) if bytes[..] == [2; 1000]));
    assert!(arrived, "the small request is not behind the large ones");
}

#[test]
fn a_deadline_is_told_ahead_of_data_that_nobody_reads() {
    let mut mesh = Mesh::new(1);
    mesh.client().reads = false;
    let deadline = [("grpc-timeout", "2S")];
    mesh.client()
        .call("orders", "/shop.v1.Orders/List", &deadline, true);
    mesh.world.settle();
    let server = mesh.servers()[0];
    let (stream, _) = mesh.world.peers[server].heads()[0].clone();
    let head = fields(&[(":status", "200"), ("content-type", "application/grpc")]);
    mesh.world.peers[server]
        .http2
        .head(stream, head.iter(), false);
    mesh.world.peers[server]
        .http2
        .data(stream, &[1; LARGE], false);
    mesh.world.advance(Duration::from_secs(1));
    assert_eq!(mesh.client().status(), None);

    mesh.world.advance(Duration::from_secs(1));
    assert_eq!(mesh.client().status().as_deref(), Some("4"));
    assert_eq!(mesh.client().body().len(), WINDOW, "what its window let in");
    mesh.assert_quiet();
}

/// A call with so much of a body.
fn upload(mesh: &mut Mesh, body: &[u8], end: bool) {
    let client = mesh.client();
    let stream = client.call("orders", "/shop.v1.Orders/Upload", &[], false);
    client.http2.data(stream, body, end);
    mesh.world.settle();
}

/// An upload that holds the window of a connection, but for `left` octets, because its handler does
/// not read; then a short one.
fn held_and_one_more(left: usize, before: Duration) -> (Mesh, Vec<usize>) {
    let mut mesh = Mesh::new(1);
    mesh.world.is_narrow = true;
    upload(&mut mesh, &vec![1; WINDOW - left], false);
    mesh.world.advance(before);
    upload(&mut mesh, &[2; 1_000], true);
    let servers = mesh.servers();
    let arrived = servers
        .iter()
        .map(|server| mesh.world.peers[*server].body().len());
    let arrived = arrived.collect();
    (mesh, arrived)
}

#[test]
fn a_blocked_connection_gets_no_new_call_after_a_tenth_of_a_second() {
    for left in [0, 999] {
        let (_, arrived) = held_and_one_more(left, Duration::from_millis(100));
        let expected = [WINDOW - left, 1_000];
        assert_eq!(arrived, expected, "over another connection");
    }
}

#[test]
fn a_call_to_a_connection_that_stands_waits_for_the_verdict() {
    for before in [Duration::ZERO, Duration::from_millis(99)] {
        let (mut mesh, arrived) = held_and_one_more(0, before);
        assert_eq!(arrived, [WINDOW]);
        mesh.world.advance(Duration::from_millis(100) - before);
        let servers = mesh.servers();
        assert_eq!(
            servers.len(),
            2,
            "it does not move: over another connection"
        );
        assert_eq!(mesh.world.peers[servers[1]].body(), [2; 1_000]);
    }
}

#[test]
fn a_call_goes_on_when_what_stood_moves_again() {
    let (mut mesh, _) = held_and_one_more(0, Duration::from_millis(50));
    let server = mesh.servers()[0];
    mesh.world.widen(server, 40_000);
    assert_eq!(mesh.servers().len(), 1);
    let arrived = mesh.world.peers[server].body();
    assert_eq!(arrived.len(), WINDOW + 1_000);
    assert!(arrived.ends_with(&[2; 1_000]));
}

#[test]
fn of_calls_that_wait_the_shortest_goes_out_first() {
    let (mut mesh, _) = held_and_one_more(0, Duration::from_millis(100));
    let second = mesh.servers()[1];
    upload(&mut mesh, &vec![3; WINDOW - 1_000], false);
    upload(&mut mesh, &vec![4; WINDOW], false);
    upload(&mut mesh, &[5; 1_000], true);
    mesh.world.advance(Duration::from_millis(100));
    let servers = mesh.servers();
    assert_eq!(servers.len(), 3, "the second stands, too");
    assert_eq!(mesh.world.peers[second].body().len(), WINDOW);
    let arrived = mesh.world.peers[servers[2]].body();
    assert_eq!(arrived.len(), WINDOW);
    assert!(arrived.starts_with(&[5; 1_000]));
}
