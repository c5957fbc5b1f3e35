//! Callers that take back what they opened, again and again: what is taken back at once reaches no
//! application, and what is not taken back is answered.

use std::time::Duration;

use outrider_engine::{Outcome, Side};
use outrider_http2::ErrorCode;
use outrider_policy::Code;

use crate::world::mesh::{GET, Mesh};

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
