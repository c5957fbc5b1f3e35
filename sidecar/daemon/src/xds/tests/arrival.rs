//! What the operator wrote arrives in the engine's configuration.

use super::{first, resources, resources_beside, route, snapshot};
use outrider_engine::config::Transport;
use outrider_policy::{Code, CodeSet, Sampling};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

#[test]
fn a_methods_policy_arrives_at_its_route_and_at_no_other() {
    let snapshot = snapshot(&first(&resources()));
    let unary = &route(&snapshot, "localhost:15001", "/bench.Echo/Unary").policy;
    assert_eq!(unary.timeout, Some(Duration::from_secs(2)));
    assert_eq!(unary.per_try_timeout, Some(Duration::from_millis(500)));
    assert!(unary.unary && unary.idempotent);
    assert_eq!(unary.wait_for_ready, Some(Duration::from_millis(250)));
    assert_eq!(unary.retry.attempts_max, 3);
    let codes = CodeSet::EMPTY.with(Code::Unavailable).with(Code::Aborted);
    assert_eq!(unary.retry.on, codes);

    let watch = &route(&snapshot, "echo", "/bench.Echo/Watch").policy;
    assert_eq!(watch.timeout, Some(Duration::from_secs(3600)));
    assert_eq!(watch.per_try_timeout, None, "a stream takes only its own");
    assert!(!watch.unary && !watch.idempotent);
    assert_eq!(watch.wait_for_ready, Some(Duration::from_secs(1)));

    let other = route(&snapshot, "echo.mesh:80", "/bench.Echo/Other");
    assert_eq!(other.policy.timeout, None, "nobody said that it is unary");
    assert_eq!(other.policy.wait_for_ready, Some(Duration::from_secs(1)));
    assert_eq!(other.policy.retry.attempts_max, 3);
    assert_eq!(other.policy.retry.on, CodeSet::EMPTY);
    assert_eq!(
        other.clusters.first().map(|c| c.cluster.as_str()),
        Some("echo")
    );
}

#[test]
fn the_meshs_sampling_arrives_at_every_route() {
    let mesh = |spec| {
        format!("apiVersion: outrider.dev/v1\nkind: Mesh\nmetadata: {{ name: m }}\nspec: {spec}\n")
    };
    let cases = [
        ("{}", Some(Sampling::default())),
        ("{ tracing: {} }", Some(Sampling::default())),
        ("{ tracing: { samplePercent: 100 } }", Some(Sampling::ALL)),
        ("{ tracing: { samplePercent: 0.05 } }", Sampling::new(500)),
        ("{ tracing: { samplePercent: 0 } }", Some(Sampling::NONE)),
    ];
    for (spec, expected) in cases {
        let snapshot = snapshot(&first(&resources_beside(&mesh(spec))));
        for (authority, path) in [("echo", "/bench.Echo/Unary"), ("orders", "/a.B/C")] {
            let policy = &route(&snapshot, authority, path).policy;
            assert_eq!(Some(policy.sampling), expected, "{spec} {authority}");
        }
    }
}

#[test]
fn a_services_policy_arrives_at_its_cluster() {
    let snapshot = snapshot(&first(&resources()));
    let echo = snapshot.clusters.get("echo").expect("the cluster");
    let policy = &echo.policy;
    assert_eq!(echo.transport, Transport::Plaintext);
    assert_eq!(policy.connect_timeout, Duration::from_millis(250));
    assert_eq!(
        (policy.budget.percent, policy.budget.min_per_second),
        (10, 1)
    );
    assert_eq!((policy.limits.calls_max, policy.limits.waiting_max), (7, 2));
    assert_eq!(policy.connections_max, Some(3));
    let breaker = policy.health.breaker.expect("a breaker");
    assert_eq!(breaker.failure_percent, 25);
    assert_eq!(
        (breaker.window, breaker.calls_min),
        (Duration::from_secs(5), 4)
    );
    assert_eq!(breaker.consecutive_failures, 3);
    assert_eq!(
        (breaker.open_base, breaker.open_max),
        (Duration::from_secs(2), Duration::from_secs(9))
    );
    let outlier = policy.health.outlier.expect("ejection");
    assert_eq!(outlier.consecutive_failures, 4);
    assert_eq!(outlier.base_ejection_time, Duration::from_secs(5));
    assert_eq!(outlier.max_ejection_percent, 40);
}

#[test]
fn a_service_of_the_mesh_must_present_its_own_identity() {
    let snapshot = snapshot(&first(&resources()));
    let orders = snapshot.clusters.get("orders").expect("the cluster");
    let Transport::MutualTls { peer } = &orders.transport else {
        panic!("{:?}", orders.transport)
    };
    assert_eq!(peer.as_str(), "spiffe://outrider.local/ns/shop/svc/orders");
}

#[test]
fn host_names_are_left_to_be_resolved() {
    let accepted = first(&resources());
    let names = accepted.configuration.host_names();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["orders.internal"]);
    let found = [10, 9].map(|last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)));
    let snapshot = accepted.configuration.snapshot(|_| &found);
    let orders = snapshot.clusters.get("orders").expect("the cluster");
    let endpoints = orders
        .endpoints
        .iter()
        .map(|endpoint| endpoint.address.to_string());
    let endpoints: Vec<String> = endpoints.collect();
    assert_eq!(
        endpoints,
        ["10.0.0.10:50051", "10.0.0.9:50051"],
        "and none twice"
    );
}
