//! Further tries: `perTryTimeout` cuts an attempt off only where one follows, and what servers and callers
//! say of tries.

use std::sync::Arc;
use std::time::Duration;

use outrider_engine::config::Transport;
use outrider_engine::{Outcome, Reason, Side};
use outrider_http2::Field;
use outrider_identity::SpiffeId;
use outrider_policy::{BudgetRules, Code};

use crate::world::fields;
use crate::world::mesh::{CALLER, FIND, GET, Mesh, ORDERS, WRITE, address, snapshot};

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

#[test]
fn tries_of_the_caller_are_added_to_ours() {
    let cases: [(&[&str], &str); 4] = [
        (&["3"], "4"),
        (&["4294967295"], "4294967295"),
        (&["many"], "1"),
        (&["2", "2"], "1"),
    ];
    for (brought, expected) in cases {
        let mut mesh = Mesh::new(2);
        let field = |value| ("grpc-previous-rpc-attempts", value);
        let brought: Vec<_> = brought.iter().copied().map(field).collect();
        mesh.client().call("orders", GET, &brought, true);
        mesh.world.settle();
        let first = mesh.servers()[0];
        let (at, head) = mesh.world.peers[first].heads()[0].clone();
        let passed: Vec<_> = head.find_all(b"grpc-previous-rpc-attempts").collect();
        let as_brought: Vec<_> = brought.iter().map(|(_, value)| value.as_bytes()).collect();
        assert_eq!(passed, as_brought);
        mesh.world.peers[first].answer(at, b"", "14");
        mesh.world.advance(Duration::from_millis(100));
        let second = mesh.servers()[1];
        let (_, head) = mesh.world.peers[second].heads()[0].clone();
        let said: Vec<_> = head.find_all(b"grpc-previous-rpc-attempts").collect();
        assert_eq!(said, [expected.as_bytes()]);
    }
}

#[test]
fn a_pushback_that_is_said_twice_means_stop() {
    for (pushbacks, tries) in [(&["1"][..], 2), (&["1", "1"], 1), (&["1, 1"], 1)] {
        let mut mesh = Mesh::new(2);
        mesh.client().call("orders", GET, &[], true);
        mesh.world.settle();
        let first = mesh.servers()[0];
        let (at, _) = mesh.world.peers[first].heads()[0].clone();
        let mut answer = fields(&[(":status", "200"), ("grpc-status", "14")]);
        for pushback in pushbacks {
            answer.push(Field::new(b"grpc-retry-pushback-ms", pushback.as_bytes()));
        }
        mesh.world.peers[first].http2.head(at, answer.iter(), true);
        mesh.world.advance(Duration::from_millis(100));
        assert_eq!(mesh.servers().len(), tries, "{pushbacks:?}");
    }
}
