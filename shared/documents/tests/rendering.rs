//! Good documents and the resources they become.

use outrider_documents::{load, render};
use outrider_proto::envoy::cluster::circuit_breakers::Thresholds;
use outrider_proto::envoy::cluster::cluster::{
    ClusterDiscoveryType, DiscoveryType, DnsLookupFamily, EdsClusterConfig, LbPolicy,
};
use outrider_proto::envoy::cluster::{CircuitBreakers, Cluster, OutlierDetection};
use outrider_proto::envoy::core::config_source::ConfigSourceSpecifier;
use outrider_proto::envoy::core::{AggregatedConfigSource, ApiVersion, ConfigSource};
use outrider_proto::envoy::route::retry_policy::RetryBackOff;
use outrider_proto::envoy::route::route::Action;
use outrider_proto::envoy::route::route_action::{ClusterSpecifier, MaxStreamDuration};
use outrider_proto::envoy::route::route_match::{GrpcRouteMatchOptions, PathSpecifier};
use outrider_proto::envoy::route::{
    RetryPolicy, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost,
};
use outrider_proto::google::{Duration, UInt32Value};
use outrider_proto::v1::{ClusterPolicy, RetryBudget, RoutePolicy};
use outrider_proto::{CLUSTER_POLICY, ROUTE_POLICY, Resources, pack, unpack};

/// The example of the project's first issue, word by word.
const ECHO: &str = r#"
apiVersion: outrider.dev/v1
kind: Service
metadata: { name: echo }
spec:
  grpcServices: [bench.Echo]
  tls: none            # default: mesh (mutual TLS between sidecars)
  endpoints: { static: [ { address: "127.0.0.1:9001" } ] }
---
apiVersion: outrider.dev/v1
kind: TrafficPolicy
metadata: { name: echo }
spec:
  targetRefs: [ { kind: Service, name: echo } ]
  timeout: 2s
  retry: { attempts: 2, perTryTimeout: 500ms, on: [UNAVAILABLE], budget: { percent: 20, minPerSecond: 3 } }
  outlierDetection: { consecutiveFailures: 5, baseEjectionTime: 5s, maxEjectionPercent: 50 }
  methods:
    - { name: bench.Echo/Unary, unary: true, idempotent: true }
"#;

fn rendered(files: &[(&str, &str)]) -> Resources {
    match load(files) {
        Ok(documents) => render(&documents),
        Err(errors) => panic!("{}", errors[0]),
    }
}

fn span(milliseconds: i32) -> Option<Duration> {
    Some(Duration {
        seconds: (milliseconds / 1000).into(),
        nanos: milliseconds % 1000 * 1_000_000,
    })
}

fn number(value: u32) -> Option<UInt32Value> {
    Some(UInt32Value { value })
}

/// A route of `echo` to itself, with one retry.
fn echo_route(
    name: &str,
    matched: RouteMatch,
    timeout: Option<Duration>,
    retry: RetryPolicy,
) -> Route {
    let times = MaxStreamDuration {
        max_stream_duration: timeout,
        grpc_timeout_header_max: Some(timeout.unwrap_or_default()),
        ..MaxStreamDuration::default()
    };
    let back_off = RetryBackOff {
        base_interval: span(25),
        max_interval: span(1000),
    };
    let action = RouteAction {
        cluster_specifier: Some(ClusterSpecifier::Cluster("echo".into())),
        timeout: Some(Duration::default()),
        max_stream_duration: Some(times),
        retry_policy: Some(RetryPolicy {
            num_retries: number(1),
            retry_back_off: Some(back_off),
            ..retry
        }),
        ..RouteAction::default()
    };
    Route {
        name: name.into(),
        r#match: Some(matched),
        action: Some(Action::Route(action)),
        ..Route::default()
    }
}

fn with_policy(route: Route, policy: &RoutePolicy) -> Route {
    let config = [(ROUTE_POLICY.to_owned(), pack(policy))];
    Route {
        typed_per_filter_config: config.into_iter().collect(),
        ..route
    }
}

#[test]
fn the_routes_of_the_example() {
    let resources = rendered(&[("echo.yaml", ECHO)]);
    let unary = RouteMatch {
        path_specifier: Some(PathSpecifier::Path("/bench.Echo/Unary".into())),
        grpc: Some(GrpcRouteMatchOptions::default()),
        ..RouteMatch::default()
    };
    let retry_unary = RetryPolicy {
        retry_on: "connect-failure,refused-stream,unavailable".into(),
        per_try_timeout: span(500),
        ..RetryPolicy::default()
    };
    let policy_unary = RoutePolicy {
        required_features: vec!["unary".into(), "idempotent".into()],
        unary: true,
        idempotent: true,
        retry_on: vec![],
        wait_for_ready: None,
    };
    let everything = RouteMatch {
        path_specifier: Some(PathSpecifier::Prefix("/".into())),
        ..RouteMatch::default()
    };
    let retry_others = RetryPolicy {
        retry_on: "connect-failure,refused-stream".into(),
        ..RetryPolicy::default()
    };
    let unary = echo_route("echo/bench.Echo/Unary", unary, span(2000), retry_unary);
    let others = echo_route("echo/*", everything, None, retry_others);
    let host = VirtualHost {
        name: "echo".into(),
        domains: ["echo", "echo.mesh", "grpc/bench.Echo"]
            .map(String::from)
            .into(),
        routes: vec![
            with_policy(unary, &policy_unary),
            with_policy(others, &RoutePolicy::default()),
        ],
        ..VirtualHost::default()
    };
    let expected = RouteConfiguration {
        name: "echo".into(),
        virtual_hosts: vec![host],
        ignore_port_in_host_matching: true,
        ..RouteConfiguration::default()
    };
    assert_eq!(resources.routes.len(), 1);
    assert_eq!(resources.routes[0].message, expected);
}

#[test]
fn the_cluster_of_the_example() {
    let resources = rendered(&[("echo.yaml", ECHO)]);
    let ads = ConfigSource {
        resource_api_version: ApiVersion::V3.into(),
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..ConfigSource::default()
    };
    let policy = ClusterPolicy {
        required_features: vec!["retry_budget".into()],
        retry_budget: Some(RetryBudget {
            percent: Some(20),
            min_per_second: Some(3),
        }),
        breaker: None,
        connections: None,
        connections_max: None,
        rate_limits: Vec::new(),
    };
    let mut cluster = resources.clusters[0].message.clone();
    let metadata = cluster.metadata.take().unwrap().typed_filter_metadata;
    assert_eq!(unpack(&metadata[CLUSTER_POLICY]), Ok(policy));
    assert_eq!(cluster.typed_extension_protocol_options.drain().count(), 1);
    let expected = Cluster {
        name: "echo".into(),
        connect_timeout: span(1000),
        lb_policy: LbPolicy::LeastRequest.into(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into())),
        eds_cluster_config: Some(EdsClusterConfig {
            eds_config: Some(ads),
            ..EdsClusterConfig::default()
        }),
        circuit_breakers: Some(CircuitBreakers {
            thresholds: vec![Thresholds {
                max_requests: number(10_000),
                max_pending_requests: number(10_000),
                ..Thresholds::default()
            }],
            ..CircuitBreakers::default()
        }),
        outlier_detection: Some(OutlierDetection {
            consecutive_5xx: number(5),
            base_ejection_time: span(5000),
            max_ejection_percent: number(50),
            enforcing_success_rate: number(0),
            ..OutlierDetection::default()
        }),
        ..Cluster::default()
    };
    assert_eq!(
        cluster, expected,
        "and no transport socket: the document says tls: none"
    );
    assert_eq!(resources.endpoints[0].message.cluster_name, "echo");
}

const ROUTED: &str = r#"
apiVersion: outrider.dev/v1
kind: Service
metadata: { name: orders }
spec: { grpcServices: [shop.v1.Orders, shop.v1.Stock], endpoints: { static: [ { address: "a:1" } ] } }
---
apiVersion: outrider.dev/v1
kind: Service
metadata: { name: orders-next }
spec: { endpoints: { static: [ { address: "b:1" } ] } }
---
apiVersion: outrider.dev/v1
kind: TrafficPolicy
metadata: { name: orders }
spec:
  targetRefs: [ { kind: Service, name: orders } ]
  retry: { attempts: 1 }
  methods:
    - { name: shop.v1.Orders/Get, unary: true }
    - { name: shop.v1.Stock/Get, unary: true }
"#;

const RULES: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: { name: b }
spec:
  parentRefs: [ { group: "", kind: Service, name: orders } ]
  rules:
    - backendRefs: [ { name: orders } ]
    - name: canary
      matches:
        - headers: [ { name: X-Canary, value: "yes" } ]
        - method: { service: shop.v1.Orders }
        - method: { service: shop.v1.Orders, method: Get }
      backendRefs: [ { name: orders, weight: 90 }, { name: orders-next, weight: 10 } ]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: { name: a }
spec:
  parentRefs: [ { group: "", kind: Service, name: orders } ]
  rules:
    - matches: [ { method: { service: shop.v1.Orders, method: Get } } ]
      backendRefs: [ { name: orders-next } ]
"#;

/// The routes of a service as `name path [headers] -> clusters`.
fn route_lines(resources: &Resources, service: &str) -> Vec<String> {
    let found = resources
        .routes
        .iter()
        .find(|routes| routes.message.name == service);
    let routes = &found.unwrap().message.virtual_hosts[0].routes;
    routes.iter().map(route_line).collect()
}

fn route_line(route: &Route) -> String {
    let matched = route.r#match.as_ref().unwrap();
    let path = match matched.path_specifier.as_ref().unwrap() {
        PathSpecifier::Path(path) => path.clone(),
        PathSpecifier::Prefix(prefix) => format!("{prefix}**"),
        other => panic!("{other:?}"),
    };
    let headers: Vec<&str> = matched
        .headers
        .iter()
        .map(|header| header.name.as_str())
        .collect();
    let Some(Action::Route(action)) = &route.action else {
        panic!("{route:?}")
    };
    let clusters = match action.cluster_specifier.as_ref().unwrap() {
        ClusterSpecifier::Cluster(name) => name.clone(),
        ClusterSpecifier::WeightedClusters(weighted) => {
            let clusters = weighted.clusters.iter();
            let texts = clusters.map(|one| format!("{}:{}", one.name, one.weight.unwrap().value));
            texts.collect::<Vec<_>>().join(",")
        }
        other => panic!("{other:?}"),
    };
    format!("{} {path} {headers:?} -> {clusters}", route.name)
}

#[test]
fn rules_stand_in_the_gateway_apis_order_each_after_its_methods() {
    let resources = rendered(&[("rules.yaml", RULES), ("services.yaml", ROUTED)]);
    let split = "orders:90,orders-next:10";
    assert_eq!(
        route_lines(&resources, "orders"),
        [
            // The full method first; of two routes the one whose name is first.
            "a/0/shop.v1.Orders/Get /shop.v1.Orders/Get [] -> orders-next".to_owned(),
            format!("b/canary/shop.v1.Orders/Get /shop.v1.Orders/Get [] -> {split}"),
            format!("b/canary/shop.v1.Orders/Get /shop.v1.Orders/Get [] -> {split}"),
            format!("b/canary/* /shop.v1.Orders/** [] -> {split}"),
            format!("b/canary/shop.v1.Orders/Get /shop.v1.Orders/Get [\"x-canary\"] -> {split}"),
            format!("b/canary/shop.v1.Stock/Get /shop.v1.Stock/Get [\"x-canary\"] -> {split}"),
            format!("b/canary/* /** [\"x-canary\"] -> {split}"),
            "b/0/shop.v1.Orders/Get /shop.v1.Orders/Get [] -> orders".to_owned(),
            "b/0/shop.v1.Stock/Get /shop.v1.Stock/Get [] -> orders".to_owned(),
            "b/0/* /** [] -> orders".to_owned(),
        ]
    );
    assert_eq!(
        route_lines(&resources, "orders-next"),
        ["orders-next/* /** [] -> orders-next"]
    );
}

#[test]
fn one_attempt_is_no_retry_policy() {
    let resources = rendered(&[("services.yaml", ROUTED)]);
    let orders = &resources.routes[0].message.virtual_hosts[0].routes;
    for route in orders {
        let Some(Action::Route(action)) = &route.action else {
            panic!("{route:?}")
        };
        assert_eq!(action.retry_policy, None);
    }
}

#[test]
fn neither_the_order_of_files_nor_of_documents_changes_the_resources() {
    let one = rendered(&[
        ("rules.yaml", RULES),
        ("services.yaml", ROUTED),
        ("echo.yaml", ECHO),
    ]);
    let reversed: Vec<&str> = ROUTED.rsplit("---").collect();
    let reversed = reversed.join("\n---\n");
    let other = rendered(&[("x.yaml", ECHO), ("y.yaml", &reversed), ("z.yaml", RULES)]);
    assert_eq!(one, other);
    let names: Vec<&str> = one
        .clusters
        .iter()
        .map(|one| one.message.name.as_str())
        .collect();
    assert_eq!(names, ["echo", "orders", "orders-next"]);
}

#[test]
fn a_host_name_makes_the_cluster_one_of_dns() {
    let resources = rendered(&[("services.yaml", ROUTED)]);
    let cluster = &resources.clusters[0].message;
    let strict = ClusterDiscoveryType::Type(DiscoveryType::StrictDns.into());
    assert_eq!(cluster.cluster_discovery_type, Some(strict));
    assert!(cluster.load_assignment.is_some());
    assert!(resources.endpoints.is_empty());
}

#[test]
fn a_document_may_say_which_family_of_addresses_counts() {
    let cases = [
        ("any", DnsLookupFamily::Auto),
        ("ipv4First", DnsLookupFamily::V4Preferred),
        ("ipv4", DnsLookupFamily::V4Only),
        ("ipv6", DnsLookupFamily::V6Only),
    ];
    for (family, expected) in cases {
        let said = format!("endpoints: {{ addressFamily: {family}, static: ");
        let text = ROUTED.replace("endpoints: { static: ", &said);
        let resources = rendered(&[("services.yaml", &text)]);
        let cluster = &resources.clusters[0].message;
        assert_eq!(cluster.dns_lookup_family(), expected, "{family}");
    }
}

#[test]
fn every_cluster_carries_how_long_connections_live() {
    let mesh = "apiVersion: outrider.dev/v1\nkind: Mesh\nmetadata: { name: mesh }\nspec:\n  \
                connections: { idleTimeout: 0s, maxAge: 10m, keepalive: { interval: 2s } }\n";
    let resources = rendered(&[("echo.yaml", ECHO), ("mesh.yaml", mesh)]);
    for cluster in &resources.clusters {
        let metadata = cluster.message.metadata.clone().unwrap();
        let metadata = metadata.typed_filter_metadata;
        let policy: ClusterPolicy = unpack(&metadata[CLUSTER_POLICY]).unwrap();
        assert!(policy.required_features.contains(&"connections".to_owned()));
        let connections = policy.connections.unwrap();
        assert_eq!(connections.idle_timeout, span(0));
        assert_eq!(connections.max_age, span(600_000));
        assert_eq!(connections.keepalive.unwrap().interval, span(2_000));
        assert_eq!(connections.header_timeout, None);
    }
}
