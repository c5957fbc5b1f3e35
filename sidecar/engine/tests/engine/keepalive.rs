//! Is the peer still there? Who is asked how often, and what becomes of who does not answer.

use std::time::Duration;

use outrider_engine::config::{Settings, Transport};
use outrider_engine::{EndCause, Engine, Outcome, Side};
use outrider_policy::{Code, Tick};

use crate::lifetimes::{HOUR, MINUTE, SECOND, SERVER, WATCH, answer, ended, watching};
use crate::world::World;
use crate::world::mesh::{CALLER, Mesh, address, snapshot};

fn ended_for_anything(mesh: &Mesh) -> u64 {
    let counters = mesh.world.engines.iter().map(|it| it.gauges().counters);
    counters.flat_map(|it| it.ended).flatten().sum()
}

#[test]
fn a_peer_that_falls_silent_under_a_call_is_found_within_15_s() {
    let mut mesh = Mesh::new(1);
    watching(&mut mesh);
    mesh.world.freeze(SERVER);
    mesh.world.advance(15 * SECOND - Duration::from_millis(1));
    assert_eq!(mesh.client().status(), None);
    mesh.world.advance(Duration::from_millis(1));
    assert_eq!(mesh.client().status().as_deref(), Some("14"));
    assert_eq!(ended(&mesh.world.engines[CALLER], EndCause::Silent), [0, 1]);
}

#[test]
fn a_machine_that_vanishes_is_found_as_soon() {
    let mut mesh = Mesh::new(1);
    watching(&mut mesh);
    mesh.world.sever(SERVER);
    mesh.world.advance(15 * SECOND);
    assert_eq!(mesh.client().status().as_deref(), Some("14"));
    assert_eq!(ended(&mesh.world.engines[CALLER], EndCause::Silent), [0, 1]);
}

#[test]
fn a_caller_that_vanishes_is_found_by_the_callee() {
    let mut mesh = Mesh::new(1);
    watching(&mut mesh);
    mesh.world.freeze(CALLER);
    mesh.world.advance(15 * SECOND);
    assert_eq!(ended(&mesh.world.engines[SERVER], EndCause::Silent), [1, 0]);
    assert_eq!(
        mesh.outcome(Side::Inbound),
        [(Outcome::Cancelled, Code::Cancelled)]
    );
}

#[test]
fn a_quiet_call_between_peers_that_are_there_lives_on() {
    let mut mesh = Mesh::new(1);
    let server = watching(&mut mesh);
    mesh.world.advance(25 * MINUTE);
    answer(&mut mesh, server);
    assert_eq!(mesh.client().status().as_deref(), Some("0"));
    assert_eq!(ended_for_anything(&mesh), 0);
    let pings = mesh.world.engines[CALLER].gauges().counters.keepalive_pings;
    assert!((1..=150).contains(&pings), "{pings} pings");
}

/// The outbound side of a sidecar without a mesh: plaintext calls to a server that is no sidecar.
fn foreign() -> (World, usize, usize) {
    let mut world = World::default();
    let engine = world.engine(Engine::new(Settings::new("frontend"), 1));
    let server = address("10.0.0.1:1000");
    world.serve(server);
    world.engines[engine].configure(Tick::ZERO, snapshot(&[server], Transport::Plaintext));
    let client = world.connect(engine);
    world.peers[client].call("orders", WATCH, &[], true);
    world.settle();
    (world, client, engine)
}

fn pings(world: &World) -> u64 {
    world.engines[CALLER].gauges().counters.keepalive_pings
}

/// It may count pings that come more often (gRFC A8).
#[test]
fn a_server_that_is_no_sidecar_is_pinged_every_five_minutes() {
    let (mut world, ..) = foreign();
    world.advance(5 * MINUTE - SECOND);
    assert_eq!(pings(&world), 0);
    world.advance(HOUR);
    assert_eq!(pings(&world), 12);
}

#[test]
fn a_server_that_minds_pings_gets_half_as_many() {
    let (mut world, client, _) = foreign();
    // GOAWAY, ENHANCE_YOUR_CALM, as gRPC servers say it; stream 1 may still be answered.
    let mut goaway = vec![0, 0, 22, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 11];
    goaway.extend_from_slice(b"too_many_pings");
    let server = client + 1;
    world.say(server, &goaway);
    assert_eq!(
        world.engines[CALLER].gauges().counters.keepalive_complaints,
        1
    );
    let (stream, _) = world.peers[server].heads()[0].clone();
    world.peers[server].answer(stream, b"done", "0");
    world.settle();
    world.peers[client].call("orders", WATCH, &[], true);
    world.settle();
    world.advance(10 * MINUTE - SECOND);
    assert_eq!(pings(&world), 0);
    world.advance(2 * SECOND);
    assert_eq!(pings(&world), 1);
}

#[test]
fn a_caller_that_pings_every_ten_seconds_is_answered_for_ever() {
    let mut mesh = Mesh::new(1);
    let server = watching(&mut mesh);
    for _ in 0..360 {
        mesh.client().http2.ping(*b"are you?");
        mesh.world.advance(10 * SECOND);
    }
    let pongs = mesh.client().pongs;
    assert_eq!(pongs, 360);
    answer(&mut mesh, server);
    assert_eq!(mesh.client().status().as_deref(), Some("0"));
}

#[test]
fn pings_go_no_further_than_the_connection_they_come_on() {
    let mut mesh = Mesh::new(1);
    let server = watching(&mut mesh);
    for _ in 0..90 {
        mesh.client().http2.ping(*b"of calls");
        mesh.world.peers[server].http2.ping(*b"of serve");
        mesh.world.advance(10 * SECOND);
    }
    let pongs = [mesh.client().pongs, mesh.world.peers[server].pongs];
    assert_eq!(pongs, [90, 90]);
    // Nor does a sidecar ask on its own: a caller never, a server after five minutes of silence.
    assert_eq!(mesh.client().pings, [""; 0]);
    assert_eq!(mesh.world.peers[server].pings, [""; 0]);
    // The sidecars ask each other as often as if nobody else did.
    let between = mesh.world.engines.iter().map(|it| it.gauges().counters);
    let between: u64 = between.map(|it| it.keepalive_pings).sum();
    assert_eq!(between, 2 * 90);
}
