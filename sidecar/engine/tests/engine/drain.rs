//! Draining: whoever has a call gets all of its answer, and the drain ends whatever its peers do.

use std::time::Duration;

use crate::world::mesh::{CALLER, Mesh};
use crate::world::{Seen, World};

const PLACE: &str = "/shop.v1.Orders/Place";
const SERVER: usize = 1;
const PATIENCE: Duration = Duration::from_secs(30);

fn drain(world: &mut World, engine: usize) {
    let now = world.now;
    world.engines[engine].drain(now, now + PATIENCE);
    world.settle();
}

fn is_drained(world: &World, engine: usize) -> bool {
    world.engines[engine].gauges().drained
}

fn goaways(mesh: &Mesh, peer: usize) -> usize {
    let seen = mesh.world.peers[peer].seen.iter();
    seen.filter(|seen| matches!(seen, Seen::Goaway(_))).count()
}

#[test]
fn a_drain_finishes_what_is_in_flight() {
    let mut mesh = Mesh::new(1);
    mesh.client()
        .call("orders", "/shop.v1.Orders/Place", &[], true);
    mesh.world.settle();
    let (inbound, now) = (1, mesh.world.now);
    mesh.world.engines[inbound].drain(now, now + Duration::from_secs(30));
    mesh.world.settle();
    assert!(
        !mesh.world.engines[inbound].gauges().drained,
        "a call is in flight"
    );
    let server = mesh.servers()[0];
    let (at, _) = mesh.world.peers[server].heads()[0].clone();
    mesh.world.peers[server].answer(at, b"done", "0");
    mesh.world.settle();
    assert_eq!(mesh.client().status().as_deref(), Some("0"));
    assert!(mesh.world.engines[inbound].gauges().drained);
}

#[test]
fn a_drain_waits_for_the_window_of_a_slow_reader() {
    const ANSWER: usize = 100_000;
    let mut mesh = Mesh::new(1);
    mesh.client().reads = false;
    let stream = mesh.client().call("orders", PLACE, &[], true);
    mesh.world.settle();
    let server = mesh.servers()[0];
    let (at, _) = mesh.world.peers[server].heads()[0].clone();
    mesh.world.peers[server].answer(at, &[1; ANSWER], "0");
    mesh.world.settle();
    drain(&mut mesh.world, CALLER);
    mesh.world.advance(Duration::from_secs(20));
    assert!(
        !is_drained(&mesh.world, CALLER),
        "half of the answer is out"
    );

    mesh.client().reads = true;
    mesh.client().http2.credit(stream, 65_535);
    mesh.world.settle();
    let client = mesh.client();
    assert_eq!(
        (client.body().len(), client.status().as_deref()),
        (ANSWER, Some("0"))
    );
}

#[test]
fn a_reader_that_never_goes_on_is_left_at_the_deadline() {
    let mut mesh = Mesh::new(1);
    mesh.client().reads = false;
    mesh.client().call("orders", PLACE, &[], true);
    mesh.world.settle();
    let server = mesh.servers()[0];
    let (at, _) = mesh.world.peers[server].heads()[0].clone();
    mesh.world.peers[server].answer(at, &[1; 100_000], "0");
    drain(&mut mesh.world, CALLER);
    mesh.world.advance(PATIENCE);
    mesh.world.advance(Duration::from_secs(1));
    assert!(is_drained(&mesh.world, CALLER));
}

/// More than TLS encrypts ahead of the socket waits when the last call leaves.
#[test]
fn a_drain_waits_for_a_slow_socket_and_says_goodbye_last() {
    const CALLS: usize = 12;
    const ANSWER: usize = 60_000;
    let mut mesh = Mesh::new(1);
    for _ in 0..CALLS {
        mesh.client().call("orders", PLACE, &[], true);
    }
    mesh.world.settle();
    drain(&mut mesh.world, SERVER);
    mesh.world.freeze(SERVER);
    let server = mesh.servers()[0];
    for (at, _) in mesh.world.peers[server].heads() {
        mesh.world.peers[server].answer(at, &[1; ANSWER], "0");
    }
    // Not so long that the peer looks dead.
    mesh.world.advance(Duration::from_secs(10));
    mesh.world.thaw();
    assert_eq!(mesh.client().body().len(), CALLS * ANSWER);
    let ends = |seen: &&Seen| matches!(seen, Seen::Trailers(..));
    assert_eq!(mesh.client().seen.iter().filter(ends).count(), CALLS);
    assert!(is_drained(&mesh.world, SERVER));
}

/// A sidecar without an application of its own to serve: the one that calls may go on for as long as
/// anything is under way.
#[test]
fn while_a_stream_is_open_the_application_may_call_on() {
    let mut mesh = Mesh::new(1);
    mesh.client().call("orders", PLACE, &[], false);
    mesh.world.settle();
    drain(&mut mesh.world, CALLER);
    let again = mesh.world.connect(CALLER);
    assert_eq!(goaways(&mesh, again) + goaways(&mesh, mesh.client), 0);
    let server = mesh.servers()[0];
    for caller in [mesh.client, again] {
        mesh.world.peers[caller].call("orders", PLACE, &[], true);
        mesh.world.advance(Duration::from_secs(10));
        let (at, _) = mesh.world.peers[server].heads().pop().expect("the call");
        mesh.world.peers[server].answer(at, b"", "0");
        mesh.world.settle();
        assert_eq!(mesh.world.peers[caller].status().as_deref(), Some("0"));
    }
    assert!(!mesh.world.engines[CALLER].is_outbound_told());
}

/// A call of the client's and its answer.
fn call_and_answer(mesh: &mut Mesh, client: usize) {
    mesh.world.peers[client].call("orders", PLACE, &[], true);
    mesh.world.settle();
    let server = mesh.servers()[0];
    let (at, _) = mesh.world.peers[server].heads().pop().expect("the call");
    mesh.world.peers[server].answer(at, b"", "0");
    mesh.world.settle();
    assert_eq!(mesh.world.peers[client].status().as_deref(), Some("0"));
}

#[test]
fn an_application_that_pauses_keeps_its_sidecar_until_it_leaves() {
    let mut mesh = Mesh::new(1);
    let client = mesh.client;
    call_and_answer(&mut mesh, client);
    drain(&mut mesh.world, CALLER);
    for _ in 0..4 {
        mesh.world.advance(Duration::from_secs(6));
        assert_eq!(goaways(&mesh, client), 0);
        assert!(!mesh.world.engines[CALLER].is_outbound_told());
        call_and_answer(&mut mesh, client);
    }
    mesh.world.cut(client);
    mesh.world.advance(Duration::from_secs(1));
    assert!(is_drained(&mesh.world, CALLER));
}

#[test]
fn an_application_that_stays_loses_its_sidecar_when_the_drain_is_over() {
    let mut mesh = Mesh::new(1);
    let client = mesh.client;
    drain(&mut mesh.world, CALLER);
    mesh.world.advance(PATIENCE - Duration::from_millis(1));
    assert_eq!(goaways(&mesh, client), 0);
    mesh.world.advance(Duration::from_millis(1));
    assert_eq!(goaways(&mesh, client), 1);
    assert!(is_drained(&mesh.world, CALLER));
}

#[test]
fn an_application_may_connect_for_each_call() {
    let mut mesh = Mesh::new(1);
    let client = mesh.client;
    call_and_answer(&mut mesh, client);
    drain(&mut mesh.world, CALLER);
    mesh.world.cut(client);
    for _ in 0..3 {
        mesh.world.advance(Duration::from_millis(900));
        assert!(!mesh.world.engines[CALLER].is_outbound_told());
        let again = mesh.world.connect(CALLER);
        call_and_answer(&mut mesh, again);
        mesh.world.cut(again);
    }
    mesh.world.advance(Duration::from_millis(999));
    assert!(!is_drained(&mesh.world, CALLER));
    mesh.world.advance(Duration::from_millis(1));
    assert!(is_drained(&mesh.world, CALLER));
}

#[test]
fn a_sidecar_that_was_never_called_by_its_application_does_not_wait_for_it() {
    let mut mesh = Mesh::new(1);
    let client = mesh.client;
    call_and_answer(&mut mesh, client);
    drain(&mut mesh.world, SERVER);
    mesh.world.settle();
    assert!(is_drained(&mesh.world, SERVER));
}

#[test]
fn a_drain_ends_though_the_application_reconnects() {
    let mut mesh = Mesh::new(1);
    mesh.client().call("orders", PLACE, &[], true);
    mesh.world.settle();
    drain(&mut mesh.world, CALLER);
    mesh.world.connect(CALLER);
    mesh.world.advance(PATIENCE);
    mesh.world.advance(Duration::from_secs(2));
    assert!(is_drained(&mesh.world, CALLER));
    mesh.world.connect(CALLER);
    assert!(
        is_drained(&mesh.world, CALLER),
        "too late is closed at once"
    );
}

#[test]
fn the_application_may_call_on_while_the_inbound_side_drains() {
    let mut mesh = Mesh::new(1);
    mesh.client().call("orders", PLACE, &[], true);
    mesh.world.settle();
    drain(&mut mesh.world, SERVER);
    assert!(!mesh.world.engines[SERVER].is_outbound_told());
    let own = mesh.world.connect(SERVER);
    assert_eq!(goaways(&mesh, own), 0);
}
