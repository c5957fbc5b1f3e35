//! Waiting for the first endpoint of a service that has none.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use outrider_engine::config::{Discovery, Snapshot};
use outrider_engine::{Outcome, Reason, Side};
use outrider_http2::ErrorCode;
use outrider_policy::{ClusterPolicy, Code, Limits};

use crate::discovery::{INSTANCE, PLACE, answer_all, gauges, ignorant, nothing, orders};
use crate::world::mesh::{Mesh, address};

#[test]
fn a_call_waits_for_the_first_endpoint() {
    const BODY: usize = 200_000;
    let mut mesh = Mesh::new(1);
    let documents = |endpoints: &[SocketAddr]| Snapshot {
        discovery: Discovery::Complete,
        ..orders(endpoints)
    };
    mesh.configure(documents(&[]));
    let stream = mesh.client().call("orders", PLACE, &[], false);
    mesh.client().http2.data(stream, &[1; BODY], true);
    mesh.world.advance(Duration::from_secs(10));
    assert_eq!(gauges(&mesh).waiting, [0, 1, 0, 0, 0, 0]);
    let unsent = mesh.client().http2.queued(stream);
    assert!(unsent >= BODY - 65_535, "{unsent} octets are still there");

    mesh.configure(documents(&[address(INSTANCE)]));
    let server = mesh.servers()[0];
    assert_eq!(mesh.world.peers[server].body().len(), BODY);
    answer_all(&mut mesh);
    let [record] = &mesh.world.records[1..] else {
        panic!("one call at two sidecars");
    };
    assert_eq!(
        (record.code, record.attempts, record.retries),
        (Code::Ok, 1, 0)
    );
    mesh.assert_quiet();
}

#[test]
fn a_cluster_that_stays_empty_is_given_up() {
    let mut mesh = ignorant();
    mesh.configure(orders(&[]));
    mesh.client().call("orders", PLACE, &[], true);
    mesh.world.advance(Duration::from_secs(15));
    let none = (Outcome::Refused(Reason::NoEndpoint), Code::Unavailable);
    assert_eq!(mesh.outcome(Side::Outbound), [none]);
    mesh.assert_quiet();
}

#[test]
fn a_cluster_that_leaves_takes_its_waiting_calls_with_it() {
    let mut mesh = ignorant();
    mesh.configure(orders(&[]));
    mesh.client().call("orders", PLACE, &[], true);
    mesh.world.settle();
    mesh.configure(nothing(&["orders"]));
    let none = (Outcome::Refused(Reason::NoEndpoint), Code::Unavailable);
    assert_eq!(mesh.outcome(Side::Outbound), [none]);
    mesh.assert_quiet();
}

#[test]
fn all_waits_of_a_call_share_one_bound() {
    let mut mesh = ignorant();
    mesh.client().call("orders", PLACE, &[], true);
    mesh.world.advance(Duration::from_secs(10));
    mesh.configure(orders(&[]));
    mesh.world.advance(Duration::from_secs(5));
    let none = (Outcome::Refused(Reason::NoEndpoint), Code::Unavailable);
    assert_eq!(mesh.outcome(Side::Outbound), [none]);
    mesh.assert_quiet();
}

#[test]
fn the_ceiling_on_waiting_calls_holds_without_endpoints_too() {
    let mut mesh = ignorant();
    let mut known = orders(&[]);
    let cluster = known.clusters.get_mut("orders").expect("it is there");
    Arc::make_mut(cluster).policy = ClusterPolicy {
        limits: Limits {
            waiting: 1,
            ..Limits::default()
        },
        ..ClusterPolicy::default()
    };
    mesh.configure(known);
    let refused = Outcome::Refused(Reason::WaitingLimit);
    for turn in 1..=2 {
        let first = mesh.client().call("orders", PLACE, &[], true);
        mesh.client().call("orders", PLACE, &[], true);
        mesh.world.settle();
        let outcomes = mesh.outcome(Side::Outbound);
        let last = outcomes.last().copied();
        assert_eq!(last, Some((refused, Code::ResourceExhausted)), "{turn}");
        // Its place is free again.
        mesh.client().http2.reset(first, ErrorCode::Cancel);
        mesh.world.settle();
    }
    assert_eq!(mesh.outcome(Side::Outbound).len(), 4);
    mesh.assert_quiet();
}

#[test]
fn a_call_whose_last_endpoint_leaves_before_it_connects_waits_for_another() {
    let mut mesh = ignorant();
    let hole = address("10.9.9.9:1");
    mesh.world.swallow(hole);
    mesh.configure(orders(&[hole]));
    mesh.client().call("orders", PLACE, &[], true);
    mesh.world.settle();
    assert_eq!(gauges(&mesh).waiting, [0, 0, 1, 0, 0, 0]);
    mesh.configure(orders(&[]));
    assert_eq!(gauges(&mesh).waiting, [0, 1, 0, 0, 0, 0]);
    mesh.configure(orders(&[address(INSTANCE)]));
    assert_eq!(answer_all(&mut mesh), 1);
    mesh.assert_quiet();
}
