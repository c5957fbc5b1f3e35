//! What the operator wrote arrives in the engine's configuration.

use super::{first, resources, resources_beside, route, snapshot};
use outrider_engine::config::Transport;
use outrider_policy::{Code, CodeSet, Family, Sampling};
use outrider_proto::envoy::cluster::cluster::DnsLookupFamily;
use outrider_proto::envoy::core::address::Address as OneAddress;
use outrider_proto::envoy::endpoint::lb_endpoint::HostIdentifier;
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
    assert_eq!((policy.limits.calls, policy.limits.waiting), (7, 2));
    assert_eq!(policy.connections_max, Some(3));
    let breaker = policy.health.breaker.expect("a breaker");
    assert_eq!(breaker.failure_percent, 25);
    assert_eq!(
        (breaker.window, breaker.min_calls),
        (Duration::from_secs(5), 4)
    );
    assert_eq!(breaker.consecutive_failures, 3);
    assert_eq!(
        (breaker.open_time, breaker.max_open_time),
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
fn addresses_of_one_name_are_of_the_families_that_were_asked_for() {
    let (ipv4, ipv6) = ("10.0.0.1:50051", "[fd00::1]:50051");
    let both = Some("orders.internal:50051");
    let cases = [
        (
            DnsLookupFamily::Auto,
            Family::Ipv6,
            vec![(ipv4, both), (ipv6, both)],
        ),
        (
            DnsLookupFamily::All,
            Family::Ipv6,
            vec![(ipv4, both), (ipv6, both)],
        ),
        (
            DnsLookupFamily::V4Preferred,
            Family::Ipv4,
            vec![(ipv4, both), (ipv6, both)],
        ),
        (DnsLookupFamily::V4Only, Family::Ipv6, vec![(ipv4, None)]),
        (DnsLookupFamily::V6Only, Family::Ipv6, vec![(ipv6, None)]),
    ];
    let found: [IpAddr; 2] = ["10.0.0.1", "fd00::1"].map(|it| it.parse().expect("an address"));
    for (asked_for, first_family, expected) in cases {
        let mut resources = resources();
        let cluster = &mut resources.clusters[1].message;
        assert_eq!(cluster.name, "orders");
        cluster.set_dns_lookup_family(asked_for);
        let accepted = first(&resources);
        assert_eq!(accepted.rejected, []);
        let snapshot = accepted.configuration.snapshot("", |_| &found);
        let orders = &snapshot.clusters["orders"];
        let endpoints = orders
            .endpoints
            .iter()
            .map(|it| (it.address.to_string(), it.two_families.as_deref()));
        let mut endpoints: Vec<_> = endpoints.collect();
        // Written as an address: no fall-back of anything.
        assert_eq!(
            endpoints.pop(),
            Some(("10.0.0.9:50051".to_owned(), None)),
            "{asked_for:?}"
        );
        let endpoints: Vec<_> = endpoints
            .iter()
            .map(|(address, name)| (address.as_str(), *name))
            .collect();
        assert_eq!(endpoints, expected, "{asked_for:?}");
        assert_eq!(orders.policy.first_family, first_family, "{asked_for:?}");
    }
}

#[test]
fn a_name_that_cannot_be_resolved_is_refused() {
    let cases = [
        ("orders.internal", true),
        ("Orders_1.internal.", true),
        ("127.1", false),
        ("0x7f000001", false),
        ("10.0.0.256", false),
        ("fe80::1%eth0", false),
        ("or ders", false),
        ("b\u{fc}cher.example", false),
    ];
    for (host, good) in cases {
        let mut resources = resources();
        let assignment = resources.clusters[1].message.load_assignment.as_mut();
        let endpoint = &mut assignment.expect("endpoints").endpoints[0].lb_endpoints[0];
        let Some(HostIdentifier::Endpoint(endpoint)) = &mut endpoint.host_identifier else {
            panic!("an endpoint")
        };
        let address = endpoint.address.as_mut().and_then(|it| it.address.as_mut());
        let Some(OneAddress::SocketAddress(socket)) = address else {
            panic!("an address")
        };
        host.clone_into(&mut socket.address);
        let rejected = first(&resources).rejected;
        assert_eq!(rejected.is_empty(), good, "{host}: {rejected:?}");
    }
}

#[test]
fn host_names_are_left_to_be_resolved() {
    let accepted = first(&resources());
    let names = accepted.configuration.host_names();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["orders.internal"]);
    let found = [10, 9].map(|last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)));
    let snapshot = accepted.configuration.snapshot("", |_| &found);
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
