//! What policies decided about a call is in its record; of most calls that is nothing.

use std::sync::Arc;
use std::time::Duration;

use outrider_engine::Side;
use outrider_engine::config::{Cluster, Snapshot};
use outrider_policy::{BudgetRules, Limits};

use crate::discovery::{INSTANCE, answer_all, ignorant, nothing, orders};
use crate::world::mesh::{CALLER, GET, Mesh, address};

/// A mesh with one instance of orders, whose policy is changed.
fn with(change: fn(&mut Cluster)) -> Mesh {
    let mut mesh = Mesh::new(1);
    mesh.configure(changed(change));
    mesh
}

fn changed(change: fn(&mut Cluster)) -> Snapshot {
    let mut known = orders(&[address(INSTANCE)]);
    let cluster = known.clusters.get_mut("orders").expect("it is there");
    change(Arc::make_mut(cluster));
    known
}

/// The decisions about the last outbound call.
fn decisions(mesh: &Mesh) -> Vec<String> {
    let mut records = mesh.world.records.iter();
    let last = records.rfind(|record| record.side == Side::Outbound);
    let trail = &last.expect("a record").trail;
    trail.decisions().iter().map(ToString::to_string).collect()
}

/// Every application answers what it has with this status.
fn answer_all_with(mesh: &mut Mesh, status: &str) {
    for server in mesh.servers() {
        for (at, _) in mesh.world.peers[server].heads() {
            mesh.world.peers[server].answer(at, b"", status);
        }
    }
    mesh.world.settle();
}

#[test]
fn no_policy_touches_most_calls() {
    let mut mesh = Mesh::new(1);
    mesh.client().call("orders", GET, &[], true);
    mesh.world.settle();
    answer_all(&mut mesh);
    assert!(decisions(&mesh).is_empty());
}

#[test]
fn a_refusal_names_the_policy_and_the_reason() {
    let none = |cluster: &mut Cluster| {
        cluster.policy.limits = Limits {
            calls: 0,
            ..Limits::default()
        };
    };
    let mut mesh = with(none);
    mesh.client().call("orders", GET, &[], true);
    mesh.world.settle();
    assert_eq!(decisions(&mesh), ["limits:refused:CALLS_LIMIT"]);

    mesh.client()
        .call("orders", GET, &[("grpc-timeout", "5x")], true);
    mesh.world.settle();
    assert_eq!(decisions(&mesh), ["deadline:refused:BAD_TIMEOUT"]);
}

#[test]
fn a_wait_for_an_unknown_service_and_its_end_are_listed_in_order() {
    let mut mesh = ignorant();
    let limit = [("grpc-timeout", "1S")];
    mesh.client().call("orders", GET, &limit, true);
    mesh.world.advance(Duration::from_secs(1));
    let expected = ["route:waited:service", "deadline:refused:DEADLINE_EXCEEDED"];
    assert_eq!(decisions(&mesh), expected);

    mesh.client().call("orders", GET, &[], true);
    mesh.world.settle();
    mesh.configure(nothing(&["orders"]));
    assert_eq!(
        decisions(&mesh),
        ["route:waited:service", "route:refused:NO_ROUTE"]
    );
}

#[test]
fn what_kept_a_failed_call_from_a_retry_is_listed() {
    let spent = |cluster: &mut Cluster| {
        cluster.policy.budget = BudgetRules {
            percent: 0,
            min_per_second: 0,
        };
    };
    let mut mesh = with(spent);
    mesh.client().call("orders", GET, &[], true);
    mesh.world.settle();
    answer_all_with(&mut mesh, "14");
    assert_eq!(decisions(&mesh), ["retry_budget:limited:spent"]);

    let mut mesh = Mesh::new(1);
    mesh.client()
        .call("orders", GET, &[("grpc-timeout", "1S")], true);
    for _ in 0..5 {
        mesh.world.advance(Duration::from_millis(100));
        answer_all_with(&mut mesh, "14");
    }
    assert_eq!(decisions(&mesh), ["retry:limited:attempts_spent"]);
    assert_eq!(mesh.world.engines[CALLER].gauges().calls, 0);
}
