//! What is not enforced is refused, with the path of the field.

use super::{change, first, resources};
use outrider_proto::envoy::cluster::Cluster;
use outrider_proto::envoy::cluster::cluster::LbPolicy;
use outrider_proto::envoy::route::route::Action;
use outrider_proto::envoy::route::{Route as WireRoute, RouteAction, RouteConfiguration, Tracing};
use outrider_proto::envoy::types::FractionalPercent;
use outrider_proto::google::{Duration as WireDuration, UInt32Value};
use outrider_proto::v1::{ClusterPolicy, RoutePolicy};
use outrider_proto::{CLUSTER_POLICY, ROUTE_POLICY, Resources, pack};

fn refusal(break_it: impl FnOnce(&mut Resources)) -> String {
    let mut resources = resources();
    break_it(&mut resources);
    let accepted = first(&resources);
    let errors = accepted
        .rejected
        .iter()
        .flat_map(|rejection| &rejection.errors);
    errors
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

fn cluster(break_it: impl FnOnce(&mut Cluster)) -> String {
    refusal(|resources| change(&mut resources.clusters, "echo", break_it))
}

fn routes(break_it: impl FnOnce(&mut RouteConfiguration)) -> String {
    refusal(|resources| change(&mut resources.routes, "echo", break_it))
}

fn first_route(break_it: impl FnOnce(&mut WireRoute)) -> String {
    routes(|routes| break_it(&mut routes.virtual_hosts[0].routes[0]))
}

fn action(break_it: impl FnOnce(&mut RouteAction)) -> String {
    first_route(|route| match &mut route.action {
        Some(Action::Route(action)) => break_it(action),
        other => panic!("{other:?}"),
    })
}

#[test]
fn what_is_not_enforced_in_a_cluster_is_refused_with_its_path() {
    let cases = [
        (
            cluster(|cluster| cluster.alt_stat_name = "x".into()),
            "field:alt_stat_name error:not enforced here",
        ),
        (
            cluster(|cluster| cluster.lb_policy = LbPolicy::RingHash.into()),
            "field:lb_policy error:must be LEAST_REQUEST or ROUND_ROBIN: both are two choices, by load",
        ),
        (
            cluster(|cluster| {
                cluster.connect_timeout = Some(WireDuration {
                    seconds: 0,
                    nanos: -1,
                })
            }),
            "field:connect_timeout error:not a span of time",
        ),
        (
            cluster(|cluster| {
                let breakers = cluster.circuit_breakers.as_mut().expect("limits");
                breakers.thresholds[0].max_retries = Some(UInt32Value { value: 3 });
            }),
            "field:circuit_breakers.thresholds[0].max_retries error:not enforced here",
        ),
        (
            cluster(|cluster| {
                let outlier = cluster.outlier_detection.as_mut().expect("ejection");
                outlier.enforcing_success_rate = None;
                outlier.max_ejection_percent = Some(UInt32Value { value: 101 });
            }),
            "field:outlier_detection.enforcing_success_rate error:must be 0: ejection by success rate \
             is not enforced here; \
             field:outlier_detection.max_ejection_percent error:101 is over 100 percent",
        ),
        (
            cluster(|cluster| cluster.eds_cluster_config = None),
            "field:eds_cluster_config error:missing",
        ),
        (
            cluster(|cluster| cluster.typed_extension_protocol_options.clear()),
            "field:typed_extension_protocol_options \
             error:envoy.extensions.upstreams.http.v3.HttpProtocolOptions must ask for HTTP/2",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}

#[test]
fn what_is_not_enforced_in_a_route_is_refused_with_its_path() {
    let cases = [
        (
            routes(|routes| routes.ignore_port_in_host_matching = false),
            "field:ignore_port_in_host_matching error:must be true: the port of an authority names \
             no service",
        ),
        (
            action(|action| {
                action.timeout = Some(WireDuration {
                    seconds: 15,
                    nanos: 0,
                })
            }),
            "field:virtual_hosts[0].routes[0].route.timeout error:must be 0s: time is counted from \
             the start; write max_stream_duration",
        ),
        (
            action(|action| action.prefix_rewrite = "/x".into()),
            "field:virtual_hosts[0].routes[0].route.prefix_rewrite error:not enforced here",
        ),
        (
            action(|action| {
                let retry = action.retry_policy.as_mut().expect("retries");
                retry.retry_on = "unavailable,5xx".into();
                retry.num_retries = Some(UInt32Value { value: 5 });
            }),
            "field:virtual_hosts[0].routes[0].route.retry_policy.num_retries error:over 4; \
             field:virtual_hosts[0].routes[0].route.retry_policy.retry_on error:`5xx` is not \
             enforced here",
        ),
        (
            first_route(|route| {
                let client_sampling = Some(FractionalPercent::default());
                route.tracing = Some(Tracing {
                    client_sampling,
                    ..Tracing::default()
                });
            }),
            "field:virtual_hosts[0].routes[0].tracing.client_sampling error:not enforced here",
        ),
        (
            first_route(|route| route.action = None),
            "field:virtual_hosts[0].routes[0].action error:must be route",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}

#[test]
fn an_unknown_feature_of_ours_is_refused_and_not_dropped() {
    let required_features = vec!["hedging".to_owned()];
    let policy = pack(&ClusterPolicy {
        required_features: required_features.clone(),
        ..ClusterPolicy::default()
    });
    let found = cluster(|cluster| {
        let metadata = cluster.metadata.as_mut().expect("our policy");
        metadata
            .typed_filter_metadata
            .insert(CLUSTER_POLICY.to_owned(), policy);
    });
    assert_eq!(
        found,
        "field:metadata.typed_filter_metadata[outrider.cluster_policy].required_features[0] \
         error:feature `hedging` is not known here"
    );
    let policy = pack(&RoutePolicy {
        required_features,
        idempotent: true,
        ..RoutePolicy::default()
    });
    let found = first_route(|route| {
        route
            .typed_per_filter_config
            .insert(ROUTE_POLICY.to_owned(), policy);
    });
    assert_eq!(
        found,
        "field:virtual_hosts[0].routes[0].typed_per_filter_config[outrider.route_policy]\
         .required_features[0] error:feature `hedging` is not known here"
    );
}

#[test]
fn codes_on_a_route_that_is_not_idempotent_are_a_contradiction() {
    let policy = pack(&RoutePolicy::default());
    let found = first_route(|route| {
        route
            .typed_per_filter_config
            .insert(ROUTE_POLICY.to_owned(), policy);
    });
    assert_eq!(
        found,
        "field:virtual_hosts[0].routes[0].route.retry_policy.retry_on error:codes are for \
         idempotent methods, and this route says it has none"
    );
}
