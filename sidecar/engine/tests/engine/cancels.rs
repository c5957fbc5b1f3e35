//! Callers that take back what they opened, again and again: what is taken back at once reaches no
//! application, and what is not taken back is answered.

use std::sync::Arc;
use std::time::Duration;

use outrider_engine::config::Snapshot;
use outrider_engine::{Outcome, Reason, Side};
use outrider_http2::ErrorCode;
use outrider_policy::{ClusterPolicy, Code, Limits};

use crate::discovery::{INSTANCE, answer_all, gauges, nothing, orders};
use crate::world::mesh::{CALLER, GET, Mesh, address};

/// Rapid resets that a caller may make at once (`outrider_http2::Config::resets`).
const BURST: usize = 200;

/// Opens so many calls and takes each back at once.
fn take_back(mesh: &mut Mesh, calls: usize) {
    for _ in 0..calls {
        let stream = mesh.client().call("orders", GET, &[], false);
        mesh.world.settle();
        mesh.client().http2.reset(stream, ErrorCode::Cancel);
        mesh.world.settle();
    }
}

fn reached(mesh: &Mesh) -> usize {
    let servers = mesh.servers();
    let heads = servers
        .iter()
        .map(|server| mesh.world.peers[*server].heads().len());
    heads.sum()
}

#[test]
fn a_call_beside_many_that_are_taken_back_is_held_for_a_moment_and_answered() {
    let mut mesh = Mesh::new(1);
    take_back(&mut mesh, BURST + 300);
    assert_eq!(reached(&mesh), BURST);

    let kept = mesh.client().call("orders", GET, &[], true);
    mesh.world.settle();
    assert_eq!(reached(&mesh), BURST, "it is held");
    mesh.world.advance(Duration::from_millis(9));
    assert_eq!(reached(&mesh), BURST, "for 10 ms");
    mesh.world.advance(Duration::from_millis(1));
    assert_eq!(reached(&mesh), BURST + 1);

    let server = mesh.servers()[0];
    let (at, _) = mesh.world.peers[server].heads()[BURST].clone();
    mesh.world.peers[server].answer(at, b"answer", "0");
    mesh.world.settle();
    assert_eq!(mesh.client().status().as_deref(), Some("0"));
    let outcomes = mesh.outcome(Side::Outbound);
    assert_eq!(outcomes.last(), Some(&(Outcome::Answered, Code::Ok)));
    let cancelled = (Outcome::Cancelled, Code::Cancelled);
    assert!(outcomes[..BURST + 300].iter().all(|end| *end == cancelled));
    assert!(kept.value() > 0);
    mesh.assert_quiet();
}

#[test]
fn the_deadline_of_a_held_call_counts_from_its_head() {
    let mut mesh = Mesh::new(1);
    take_back(&mut mesh, BURST);
    let short = [("grpc-timeout", "5m")];
    mesh.client().call("orders", GET, &short, true);
    mesh.world.advance(Duration::from_millis(5));
    assert_eq!(mesh.client().status().as_deref(), Some("4"));
    assert_eq!(reached(&mesh), BURST);
    mesh.assert_quiet();
}

/// Where calls that are held stand in the gauges.
const TIME: usize = 5;

/// Calls that are held at this moment, of a caller that has spent its budget of resets.
fn held(calls: usize) -> Mesh {
    let mut mesh = Mesh::new(1);
    take_back(&mut mesh, BURST);
    hold(&mut mesh, calls);
    mesh
}

fn hold(mesh: &mut Mesh, calls: usize) {
    for _ in 0..calls {
        mesh.client().call("orders", GET, &[], true);
    }
    mesh.world.settle();
    assert_eq!(gauges(mesh).waiting[TIME], calls);
}

fn last_outcome(mesh: &Mesh) -> Option<(Outcome, Code)> {
    mesh.outcome(Side::Outbound).last().copied()
}

fn limited(limits: Limits) -> Snapshot {
    let mut known = orders(&[address(INSTANCE)]);
    let cluster = known.clusters.get_mut("orders").expect("it is there");
    Arc::make_mut(cluster).policy = ClusterPolicy {
        limits,
        ..ClusterPolicy::default()
    };
    known
}

#[test]
fn a_call_that_waited_for_its_time_goes_on_and_its_wait_is_recorded() {
    let mut mesh = held(3);
    mesh.world.advance(Duration::from_millis(10));
    assert_eq!(gauges(&mesh).waiting[TIME], 0);
    assert_eq!(gauges(&mesh).counters.waits_answered[TIME], 3);
    assert_eq!(reached(&mesh), BURST + 3);
    answer_all(&mut mesh);
    assert_eq!(last_outcome(&mesh), Some((Outcome::Answered, Code::Ok)));
    let record = mesh
        .world
        .records
        .iter()
        .rfind(|it| it.side == Side::Outbound);
    let record = record.expect("a record");
    assert_eq!(record.waited, Duration::from_millis(10));
    let decided = record.trail.decisions()[0].to_string();
    assert_eq!(decided, "hold:waited:rapid_resets");
    mesh.assert_quiet();
}

#[test]
fn a_caller_that_leaves_ends_its_calls_that_wait_for_their_time() {
    let mut mesh = held(3);
    let client = mesh.client;
    mesh.world.cut(client);
    assert_eq!(gauges(&mesh).counters.waits_given_up[TIME], 3);
    mesh.world.advance(Duration::from_millis(20));
    assert_eq!(reached(&mesh), BURST);
    mesh.assert_quiet();
}

#[test]
fn a_drain_that_is_over_refuses_calls_that_wait_for_their_time() {
    let mut mesh = held(1);
    let now = mesh.world.now;
    mesh.world.engines[CALLER].drain(now, now + Duration::from_millis(5));
    mesh.world.advance(Duration::from_millis(5));
    let refused = Outcome::Refused(Reason::Draining);
    assert_eq!(last_outcome(&mesh), Some((refused, Code::Unavailable)));
    mesh.world.advance(Duration::from_millis(20));
    assert_eq!(reached(&mesh), BURST);
    mesh.assert_quiet();
}

#[test]
fn a_call_goes_on_under_the_configuration_that_came_while_it_waited_for_its_time() {
    let mut mesh = held(1);
    mesh.configure(limited(Limits {
        calls: 0,
        ..Limits::default()
    }));
    mesh.world.advance(Duration::from_millis(10));
    let refused = (
        Outcome::Refused(Reason::CallsLimit),
        Code::ResourceExhausted,
    );
    assert_eq!(last_outcome(&mesh), Some(refused));

    hold(&mut mesh, 1);
    mesh.configure(nothing(&[]));
    mesh.world.advance(Duration::from_millis(10));
    let gone = (Outcome::Refused(Reason::NoEndpoint), Code::Unavailable);
    assert_eq!(last_outcome(&mesh), Some(gone));
    assert_eq!(reached(&mesh), BURST);
    mesh.assert_quiet();
}

#[test]
fn a_call_counts_as_in_flight_once_it_has_waited_for_its_time() {
    let mut mesh = held(0);
    mesh.configure(limited(Limits {
        calls: 2,
        waiting: 0,
    }));
    hold(&mut mesh, 3);
    mesh.world.advance(Duration::from_millis(10));
    assert_eq!(reached(&mesh), BURST + 2, "the third is over the limit");
    let refused = (
        Outcome::Refused(Reason::CallsLimit),
        Code::ResourceExhausted,
    );
    assert_eq!(last_outcome(&mesh), Some(refused));
    answer_all(&mut mesh);
    assert_eq!(last_outcome(&mesh), Some((Outcome::Answered, Code::Ok)));
    mesh.assert_quiet();
}
