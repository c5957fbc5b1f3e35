//! The routes of a service: its rules times the methods of its policy.
//!
//! Each rule is preceded by a copy of itself for every method that its policy names,
//! so that the first match brings the rule's backends and the method's policy.

use super::{one_entry, wire_duration, wire_number};
use crate::model::{Backend, Method, MethodTarget, RouteRule, Service, TrafficPolicy};
use outrider_policy::BackOff;
use outrider_proto::envoy::matcher::{StringMatcher, string_matcher::MatchPattern};
use outrider_proto::envoy::route::{
    HeaderMatcher, RetryPolicy, Route, RouteAction, RouteConfiguration, RouteMatch, Tracing,
    VirtualHost, WeightedCluster, header_matcher::HeaderMatchSpecifier, retry_policy::RetryBackOff,
    route::Action, route_action::ClusterSpecifier, route_action::MaxStreamDuration,
    route_match::GrpcRouteMatchOptions, route_match::PathSpecifier,
    weighted_cluster::ClusterWeight,
};
use outrider_proto::envoy::types::{FractionalPercent, fractional_percent::DenominatorType};
use outrider_proto::google::{Any, Duration as WireDuration};
use outrider_proto::v1::RoutePolicy;
use outrider_proto::{ROUTE_POLICY, features, pack};
use std::time::Duration;

/// What is surely unprocessed, in Envoy's words.
const UNPROCESSED: [&str; 2] = ["connect-failure", "refused-stream"];

pub(super) fn render_routes(
    service: &Service,
    sampled_per_million: Option<u32>,
) -> RouteConfiguration {
    let tracing = sampled_per_million.map(tracing);
    let routes = routes(service).into_iter().map(|route| Route {
        tracing: tracing.clone(),
        ..route
    });
    let host = VirtualHost {
        name: service.name.clone(),
        domains: domains(service),
        routes: routes.collect(),
        ..VirtualHost::default()
    };
    RouteConfiguration {
        name: service.name.clone(),
        virtual_hosts: vec![host],
        ignore_port_in_host_matching: true,
        ..RouteConfiguration::default()
    }
}

/// Absent means the sidecar's default; a client's or an overall rate is never said.
fn tracing(sampled_per_million: u32) -> Tracing {
    Tracing {
        random_sampling: Some(FractionalPercent {
            numerator: sampled_per_million,
            denominator: DenominatorType::Million.into(),
        }),
        ..Tracing::default()
    }
}

fn domains(service: &Service) -> Vec<String> {
    let name = &service.name;
    let aliases = service
        .grpc_services
        .iter()
        .map(|alias| format!("grpc/{alias}"));
    [name.clone(), format!("{name}.mesh")]
        .into_iter()
        .chain(aliases)
        .collect()
}

fn routes(service: &Service) -> Vec<Route> {
    if service.rules.is_empty() {
        return expand(&everything(service), service, Protocols::All);
    }
    let rules = service.rules.iter();
    rules
        .flat_map(|rule| expand(rule, service, Protocols::Grpc))
        .collect()
}

/// What a service without a GRPCRoute does: all calls go to itself.
fn everything(service: &Service) -> RouteRule {
    let backend = Backend {
        service: service.name.clone(),
        weight: 1,
    };
    RouteRule {
        name: service.name.clone(),
        target: MethodTarget::Any,
        headers: Vec::new(),
        backends: vec![backend],
    }
}

/// Which calls the general route of a rule takes; those for methods are gRPC's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocols {
    All,
    Grpc,
}

fn expand(rule: &RouteRule, service: &Service, protocols: Protocols) -> Vec<Route> {
    let policy = &service.policy;
    let methods = policy
        .methods
        .iter()
        .filter(|method| overlaps(&rule.target, method));
    let mut routes: Vec<Route> = methods
        .map(|method| render_method(rule, method, policy))
        .collect();
    let covered = matches!(rule.target, MethodTarget::Method(_)) && !routes.is_empty();
    if !covered {
        routes.push(render_general(rule, policy, protocols));
    }
    routes
}

fn overlaps(target: &MethodTarget, method: &Method) -> bool {
    match target {
        MethodTarget::Any => true,
        MethodTarget::Service(service) => *service == method.name.service,
        MethodTarget::Method(name) => *name == method.name,
    }
}

fn render_method(rule: &RouteRule, method: &Method, policy: &TrafficPolicy) -> Route {
    let path = PathSpecifier::Path(format!("/{}", method.name));
    let policy_of_method = route_policy(method, policy);
    Route {
        name: format!("{}/{}", rule.name, method.name),
        r#match: Some(route_match(path, rule, Protocols::Grpc)),
        action: Some(action(rule, Some(method), policy)),
        typed_per_filter_config: one_entry(ROUTE_POLICY, policy_of_method),
        ..Route::default()
    }
}

fn render_general(rule: &RouteRule, policy: &TrafficPolicy, protocols: Protocols) -> Route {
    let path = match &rule.target {
        MethodTarget::Any => PathSpecifier::Prefix("/".to_owned()),
        MethodTarget::Service(service) => PathSpecifier::Prefix(format!("/{service}/")),
        MethodTarget::Method(name) => PathSpecifier::Path(format!("/{name}")),
    };
    Route {
        name: format!("{}/*", rule.name),
        r#match: Some(route_match(path, rule, protocols)),
        action: Some(action(rule, None, policy)),
        typed_per_filter_config: one_entry(ROUTE_POLICY, general_policy(policy)),
        ..Route::default()
    }
}

fn route_match(path: PathSpecifier, rule: &RouteRule, protocols: Protocols) -> RouteMatch {
    let grpc_only = protocols == Protocols::Grpc;
    RouteMatch {
        path_specifier: Some(path),
        headers: rule.headers.iter().map(header_matcher).collect(),
        grpc: grpc_only.then(GrpcRouteMatchOptions::default),
        ..RouteMatch::default()
    }
}

fn header_matcher((name, value): &(String, String)) -> HeaderMatcher {
    let exact = StringMatcher {
        match_pattern: Some(MatchPattern::Exact(value.clone())),
        ..StringMatcher::default()
    };
    HeaderMatcher {
        name: name.clone(),
        header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(exact)),
        ..HeaderMatcher::default()
    }
}

fn action(rule: &RouteRule, method: Option<&Method>, policy: &TrafficPolicy) -> Action {
    let timeout = method.and_then(|method| method.timeout);
    Action::Route(RouteAction {
        cluster_specifier: Some(cluster_specifier(&rule.backends)),
        // Envoy would otherwise invent 15 s, counted from the end of the request.
        timeout: Some(WireDuration::default()),
        max_stream_duration: Some(max_stream_duration(timeout)),
        retry_policy: retry_policy(method, policy),
        ..RouteAction::default()
    })
}

fn cluster_specifier(backends: &[Backend]) -> ClusterSpecifier {
    if let [only] = backends {
        return ClusterSpecifier::Cluster(only.service.clone());
    }
    let clusters = backends.iter().map(|backend| ClusterWeight {
        name: backend.service.clone(),
        weight: Some(wire_number(backend.weight)),
        ..ClusterWeight::default()
    });
    ClusterSpecifier::WeightedClusters(WeightedCluster {
        clusters: clusters.collect(),
        ..WeightedCluster::default()
    })
}

/// The smaller of the timeout and the caller's `grpc-timeout`; without a timeout
/// the caller's alone, which Envoy expresses as a maximum of 0.
fn max_stream_duration(timeout: Option<Duration>) -> MaxStreamDuration {
    let timeout = timeout.map(wire_duration);
    MaxStreamDuration {
        max_stream_duration: timeout,
        grpc_timeout_header_max: Some(timeout.unwrap_or_default()),
        ..MaxStreamDuration::default()
    }
}

/// Absent means one attempt: `num_retries: 0` is refused by gRPC's clients.
fn retry_policy(method: Option<&Method>, policy: &TrafficPolicy) -> Option<RetryPolicy> {
    let retries = policy
        .attempts
        .checked_sub(1)
        .filter(|retries| *retries > 0)?;
    let per_try = method.and_then(|method| method.per_try_timeout);
    let idempotent = method.is_some_and(|method| method.idempotent);
    let codes = policy.on.iter().filter_map(|code| code.envoy_retry_word());
    let words = UNPROCESSED.into_iter().chain(codes.filter(|_| idempotent));
    let back_off = BackOff::default();
    Some(RetryPolicy {
        retry_on: words.collect::<Vec<_>>().join(","),
        num_retries: Some(wire_number(retries)),
        per_try_timeout: per_try.map(wire_duration),
        retry_back_off: Some(RetryBackOff {
            base_interval: Some(wire_duration(back_off.base)),
            max_interval: Some(wire_duration(back_off.cap)),
        }),
        ..RetryPolicy::default()
    })
}

fn route_policy(method: &Method, policy: &TrafficPolicy) -> Any {
    let codes = policy
        .on
        .iter()
        .filter(|code| code.envoy_retry_word().is_none());
    let codes = codes.filter(|_| method.idempotent && policy.attempts > 1);
    let retry_on: Vec<String> = codes.map(|code| code.name().to_owned()).collect();
    let used = features::used([
        (features::UNARY, method.unary),
        (features::IDEMPOTENT, method.idempotent),
        (features::RETRY_ON, !retry_on.is_empty()),
        (features::WAIT_FOR_READY, method.wait_for_ready.is_some()),
    ]);
    pack(&RoutePolicy {
        required_features: used,
        unary: method.unary,
        idempotent: method.idempotent,
        retry_on,
        wait_for_ready: method.wait_for_ready.map(wire_duration),
    })
}

/// Of methods that no policy names.
fn general_policy(policy: &TrafficPolicy) -> Any {
    let feature = policy.wait_for_ready.map(|_| features::WAIT_FOR_READY);
    pack(&RoutePolicy {
        required_features: feature.into_iter().map(str::to_owned).collect(),
        wait_for_ready: policy.wait_for_ready.map(wire_duration),
        ..RoutePolicy::default()
    })
}
