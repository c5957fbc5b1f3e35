//! `perTryTimeout` cuts an attempt off only where another one follows.

use std::sync::Arc;
use std::time::Duration;

use outrider_engine::config::Transport;
use outrider_engine::{Outcome, Reason, Side};
use outrider_policy::{BudgetRules, Code, SpiffeId};

use crate::world::mesh::{CALLER, FIND, Mesh, ORDERS, WRITE, address, snapshot};

const SECOND: Duration = Duration::from_secs(1);

/// Answers the last request that came to the `server`th application.
fn answer(mesh: &mut Mesh, server: usize) {
    let server = mesh.servers()[server];
    let (at, _) = mesh.world.peers[server].heads().pop().expect("a request");
    mesh.world.peers[server].answer(at, b"done", "0");
    mesh.world.settle();
}

#[test]
fn a_slow_attempt_is_cut_off_for_another_one() {
    let mut mesh = Mesh::new(2);
    mesh.client().call("orders", FIND, &[], true);
    mesh.world.advance(SECOND);
    assert_eq!(mesh.servers().len(), 2, "two attempts");
    mesh.world.advance(SECOND);
    // The last attempt that is allowed has its time, too.
    assert_eq!(mesh.outcome(Side::Outbound), []);
    answer(&mut mesh, 1);
    assert_eq!(mesh.client().status().as_deref(), Some("0"));
    mesh.assert_quiet();
}

#[test]
fn what_cannot_be_repeated_is_left_to_its_server() {
    for (path, octets) in [(WRITE, 10), (FIND, 100_000)] {
        let mut mesh = Mesh::new(2);
        let stream = mesh.client().call("orders", path, &[], false);
        mesh.client().http2.data(stream, &vec![1; octets], true);
        mesh.world.advance(2 * SECOND);
        assert_eq!(
            (mesh.servers().len(), mesh.outcome(Side::Outbound)),
            (1, vec![])
        );
        answer(&mut mesh, 0);
        assert_eq!(mesh.client().status().as_deref(), Some("0"), "{path}");
        mesh.assert_quiet();
    }
}

#[test]
fn its_end_is_the_deadline() {
    let mut mesh = Mesh::new(2);
    let asked = [("grpc-timeout", "3S")];
    mesh.client().call("orders", WRITE, &asked, true);
    mesh.world.advance(4 * SECOND);
    let late = Outcome::Refused(Reason::DeadlineExceeded);
    assert_eq!(
        mesh.outcome(Side::Outbound),
        [(late, Code::DeadlineExceeded)]
    );
    mesh.assert_quiet();
}

#[test]
fn without_budget_for_another_attempt_none_is_cut_off() {
    let mut mesh = Mesh::new(2);
    let peer = SpiffeId::parse(ORDERS.as_bytes()).expect("an id");
    let addresses = ["10.0.0.1:1000", "10.0.0.1:1001"].map(address);
    let mut snapshot = snapshot(&addresses, Transport::MutualTls { peer });
    for cluster in Arc::make_mut(&mut snapshot).clusters.values_mut() {
        Arc::make_mut(cluster).policy.budget = BudgetRules {
            percent: 0,
            min_per_second: 0,
        };
    }
    let now = mesh.world.now;
    mesh.world.engines[CALLER].configure(now, snapshot);
    mesh.client().call("orders", FIND, &[], true);
    mesh.world.advance(2 * SECOND);
    assert_eq!(mesh.servers().len(), 1);
    answer(&mut mesh, 0);
    assert_eq!(mesh.client().status().as_deref(), Some("0"));
}

#[test]
fn before_it_is_sent_any_call_may_go_elsewhere() {
    let mut mesh = Mesh::new(1);
    let hole = address("10.9.9.9:1");
    mesh.world.swallow(hole);
    let peer = SpiffeId::parse(ORDERS.as_bytes()).expect("an id");
    let endpoints = [hole, address("10.0.0.1:1000")];
    let now = mesh.world.now;
    mesh.world.engines[CALLER].configure(now, snapshot(&endpoints, Transport::MutualTls { peer }));
    for _ in 0..4 {
        mesh.client().call("orders", WRITE, &[], true);
        mesh.world.advance(Duration::from_millis(900));
        answer(&mut mesh, 0);
        assert_eq!(mesh.client().status().as_deref(), Some("0"));
    }
}
