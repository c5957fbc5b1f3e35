//! Each resource alone: what is taken, what is kept, what is gone.

use super::{change, first, resources, route, snapshot};
use crate::xds::{accept, nack_message};
use outrider_proto::Resources;
use outrider_proto::envoy::cluster::cluster::LbPolicy;
use outrider_proto::envoy::core::HealthStatus;
use outrider_proto::envoy::route::route::Action;
use outrider_proto::google::Duration as WireDuration;
use std::time::Duration;

#[test]
fn without_our_message_envoys_words_mean_what_envoy_means() {
    let mut resources = resources();
    change(&mut resources.routes, "echo", |routes| {
        let routes = &mut routes.virtual_hosts[0].routes;
        routes[0].typed_per_filter_config.clear();
        routes[1].typed_per_filter_config.clear();
        if let Some(Action::Route(action)) = &mut routes[1].action {
            action.retry_policy = None;
        }
    });
    let snapshot = snapshot(&first(&resources));
    let asked = &route(&snapshot, "echo", "/bench.Echo/Unary").policy;
    assert!(asked.idempotent, "a retry after UNAVAILABLE was asked for");
    let silent = &route(&snapshot, "echo", "/bench.Echo/Watch").policy;
    assert_eq!(silent.retry.attempts_max, 1);
}

#[test]
fn a_bad_resource_keeps_its_last_good_version_and_blocks_nobody() {
    let before = first(&resources()).configuration;
    let mut resources = resources();
    change(&mut resources.clusters, "echo", |cluster| {
        cluster.lb_policy = LbPolicy::Random.into()
    });
    change(&mut resources.clusters, "orders", |cluster| {
        cluster.connect_timeout = Some(WireDuration {
            seconds: 3,
            nanos: 0,
        });
    });
    let accepted = accept(&resources, &before);
    assert_eq!(
        nack_message(&accepted.rejected),
        "xDS response validation errors: [resource index 0: echo: INVALID_ARGUMENT: errors validating \
         Cluster resource: [field:lb_policy error:must be LEAST_REQUEST or ROUND_ROBIN: both are two choices, by load]]"
    );
    let now = accepted.configuration.snapshot("", |_| &[]);
    let timeout = |name: &str| {
        now.clusters
            .get(name)
            .map(|cluster| cluster.policy.connect_timeout)
    };
    assert_eq!(
        timeout("echo"),
        Some(Duration::from_millis(250)),
        "the last good"
    );
    assert_eq!(
        timeout("orders"),
        Some(Duration::from_secs(3)),
        "the new one"
    );
}

#[test]
fn a_first_bad_resource_is_not_there_and_one_that_is_gone_is_gone() {
    let mut bad = resources();
    change(&mut bad.clusters, "echo", |cluster| {
        cluster.alt_stat_name = "x".into()
    });
    assert!(
        !first(&bad)
            .configuration
            .snapshot("", |_| &[])
            .clusters
            .contains_key("echo")
    );
    let before = first(&resources()).configuration;
    let nothing = accept(&Resources::default(), &before);
    assert_eq!(nothing.configuration.resources(), [""; 0]);
}

#[test]
fn a_domain_stays_with_who_has_it() {
    let before = first(&resources()).configuration;
    let mut resources = resources();
    change(&mut resources.routes, "orders", |routes| {
        routes.virtual_hosts[0]
            .domains
            .push("grpc/bench.Echo".to_owned());
    });
    let accepted = accept(&resources, &before);
    let texts: Vec<String> = accepted.rejected.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "resource index 1: orders: INVALID_ARGUMENT: errors validating RouteConfiguration \
          resource: [field:virtual_hosts[0].domains[2] error:\"grpc/bench.Echo\" belongs to \"echo\"]"
        ]
    );
    assert_eq!(accepted.configuration.version(), before.version());
}

#[test]
fn what_the_table_takes_for_one_name_costs_the_second_claim_and_no_other_route() {
    let claims = [
        ("shop:1", "shop:2"),
        ("shop.mesh:1", "shop"),
        ("shop", "shop.mesh"),
    ];
    for (first_claim, second_claim) in claims {
        let mut resources = resources();
        for (name, claim) in [("echo", first_claim), ("orders", second_claim)] {
            change(&mut resources.routes, name, |routes| {
                routes.virtual_hosts[0].domains.push(claim.to_owned());
            });
        }
        let accepted = first(&resources);
        let [rejection] = &accepted.rejected[..] else {
            panic!("{:?}", accepted.rejected);
        };
        assert_eq!(rejection.name, "orders");
        let expected = format!(
            "field:virtual_hosts[0].domains[2] error:\"{second_claim}\" belongs to \"echo\""
        );
        assert_eq!(rejection.errors[0].to_string(), expected);
        let snapshot = accepted.configuration.snapshot("", |_| &[]);
        route(&snapshot, "shop", "/bench.Echo/Unary");
    }
}

#[test]
fn two_virtual_hosts_of_one_resource_cannot_share_a_domain() {
    let before = first(&resources()).configuration;
    let mut resources = resources();
    change(&mut resources.routes, "orders", |routes| {
        let mut other = routes.virtual_hosts[0].clone();
        other.name = "other".to_owned();
        routes.virtual_hosts.push(other);
    });
    let accepted = accept(&resources, &before);
    let [rejection] = &accepted.rejected[..] else {
        panic!("{:?}", accepted.rejected);
    };
    assert_eq!(
        rejection.errors[0].to_string(),
        "field:virtual_hosts[1].domains[0] error:\"orders\" belongs to \"orders\""
    );
    assert_eq!(accepted.configuration.version(), before.version());
}

#[test]
fn the_health_of_an_endpoint_arrives() {
    use outrider_engine::config::HealthStatus as Known;
    let cases = [
        (HealthStatus::Unknown, Known::Healthy),
        (HealthStatus::Healthy, Known::Healthy),
        (HealthStatus::Unhealthy, Known::Unhealthy),
        (HealthStatus::Timeout, Known::Unhealthy),
        (HealthStatus::Draining, Known::Draining),
    ];
    for (said, expected) in cases {
        let mut resources = resources();
        change(&mut resources.endpoints, "echo", |assignment| {
            assignment.endpoints[0].lb_endpoints[0].health_status = said.into();
        });
        let snapshot = snapshot(&first(&resources));
        let echo = snapshot.clusters.get("echo").expect("the cluster");
        assert_eq!(echo.endpoints[0].health, expected, "{said:?}");
    }
}

#[test]
fn the_same_resources_have_the_same_version() {
    let version = |resources: &Resources| first(resources).configuration.version();
    assert_eq!(version(&resources()), version(&resources()));
    let mut other = resources();
    change(&mut other.clusters, "echo", |cluster| {
        cluster.connect_timeout = Some(WireDuration {
            seconds: 4,
            nanos: 0,
        });
    });
    assert_ne!(version(&resources()), version(&other));
}
