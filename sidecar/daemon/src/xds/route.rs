//! `RouteConfiguration`: the virtual hosts of a service, its routes and their policies.

use super::fields::{Fields, number, refuse_unenforced};
use super::{retry, route_match, tracing};
use outrider_policy::{CallPolicy, Route, RouteTable, VirtualHost, WeightedCluster};
use outrider_proto::envoy::route::route::Action;
use outrider_proto::envoy::route::route_action::{ClusterSpecifier, MaxStreamDuration};
use outrider_proto::envoy::route::weighted_cluster::ClusterWeight;
use outrider_proto::envoy::route::{
    Route as WireRoute, RouteAction, RouteConfiguration, VirtualHost as WireVirtualHost,
    WeightedCluster as WireWeightedCluster,
};
use std::time::Duration;

pub(super) fn parse(
    configuration: &RouteConfiguration,
    fields: &mut Fields<'_>,
) -> Option<Vec<VirtualHost>> {
    refuse_unenforced!(fields, configuration, RouteConfiguration {
        enforced: name, virtual_hosts, ignore_port_in_host_matching;
        refused: vhds, internal_only_headers, response_headers_to_add, response_headers_to_remove,
            request_headers_to_add, request_headers_to_remove, most_specific_header_mutations_wins,
            validate_clusters, max_direct_response_body_size_bytes, cluster_specifier_plugins,
            request_mirror_policies, vhost_header, ignore_path_parameters_in_path_matching,
            typed_per_filter_config, metadata, route_specifiers;
    });
    if !configuration.ignore_port_in_host_matching {
        let problem = "must be true: the port of an authority names no service";
        fields.refuse("ignore_port_in_host_matching", problem);
    }
    let hosts = configuration.virtual_hosts.iter().enumerate();
    let parse = |(index, host)| parse_host(host, &mut fields.at_index("virtual_hosts", index));
    Some(hosts.map(parse).collect())
}

fn parse_host(wire: &WireVirtualHost, fields: &mut Fields<'_>) -> VirtualHost {
    refuse_unenforced!(fields, wire, WireVirtualHost {
        enforced: name, domains, routes;
        refused: matcher, require_tls, virtual_clusters, rate_limits, request_headers_to_add,
            request_headers_to_remove, response_headers_to_add, response_headers_to_remove, cors,
            typed_per_filter_config, include_request_attempt_count,
            include_attempt_count_in_response, retry_policy, retry_policy_typed_config,
            hedge_policy, include_is_timeout_retry_header, per_request_buffer_limit_bytes,
            request_body_buffer_limit, request_mirror_policies, metadata, route_specifiers;
    });
    if wire.domains.is_empty() {
        fields.refuse("domains", "missing");
    }
    let routes = wire.routes.iter().enumerate().filter_map(|(index, route)| {
        parse_route(
            route,
            &wire.name,
            index,
            &mut fields.at_index("routes", index),
        )
    });
    let host = VirtualHost {
        name: wire.name.clone(),
        domains: wire.domains.clone(),
        routes: routes.collect(),
    };
    // The route table checks the rest: names, weights, timeouts that contradict.
    if let Err(error) = RouteTable::build(vec![host.clone()]) {
        fields.refuse(&error.field, error.problem);
    }
    host
}

fn parse_route(
    wire: &WireRoute,
    host: &str,
    index: usize,
    fields: &mut Fields<'_>,
) -> Option<Route> {
    refuse_unenforced!(fields, wire, WireRoute {
        enforced: name, r#match, typed_per_filter_config, action, tracing;
        refused: metadata, decorator, request_headers_to_add, request_headers_to_remove,
            response_headers_to_add, response_headers_to_remove,
            per_request_buffer_limit_bytes, stat_prefix, request_body_buffer_limit,
            route_specifiers;
    });
    let Some(matched) = &wire.r#match else {
        fields.refuse("match", "missing");
        return None;
    };
    let Some(Action::Route(action)) = &wire.action else {
        fields.refuse("action", "must be route");
        return None;
    };
    let ours = retry::parse_route_policy(&wire.typed_per_filter_config, fields);
    let sampling = tracing::parse(wire.tracing.as_ref(), &mut fields.at("tracing"));
    let matches = route_match::parse(matched, &mut fields.at("match"));
    let mut fields = fields.at("route");
    refuse_of_action(action, &mut fields);
    let mut policy = CallPolicy {
        timeout: parse_timeout(action, &mut fields),
        sampling,
        ..CallPolicy::default()
    };
    retry::parse(
        &action.retry_policy,
        ours.as_ref(),
        &mut policy,
        &mut fields,
    );
    let own_name = Some(&wire.name).filter(|name| !name.is_empty());
    Some(Route {
        name: own_name
            .cloned()
            .unwrap_or_else(|| format!("{host}/{index}")),
        matches,
        clusters: parse_clusters(action.cluster_specifier.as_ref(), &mut fields),
        policy,
    })
}

fn refuse_of_action(action: &RouteAction, fields: &mut Fields<'_>) {
    refuse_unenforced!(fields, action, RouteAction {
        enforced: timeout, retry_policy, max_stream_duration, cluster_specifier;
        refused: cluster_not_found_response_code, metadata_match, prefix_rewrite, regex_rewrite,
            path_rewrite_policy, path_rewrite, append_x_forwarded_host, idle_timeout,
            flush_timeout, early_data_policy, retry_policy_typed_config, request_mirror_policies,
            priority, rate_limits, include_vh_rate_limits, hash_policy, cors, max_grpc_timeout,
            grpc_timeout_offset, upgrade_configs, internal_redirect_policy,
            internal_redirect_action, max_internal_redirects, hedge_policy, host_rewrite_specifier;
    });
}

/// The longest a call may take, counted from its first HEADERS; the caller's
/// `grpc-timeout` always counts too. Without one no time is invented.
fn parse_timeout(action: &RouteAction, fields: &mut Fields<'_>) -> Option<Duration> {
    let after_request = fields.duration("timeout", &action.timeout);
    if after_request.is_some_and(|timeout| !timeout.is_zero()) {
        let problem = "must be 0s: time is counted from the start; write max_stream_duration";
        fields.refuse("timeout", problem);
    }
    let MaxStreamDuration {
        max_stream_duration,
        grpc_timeout_header_max,
        grpc_timeout_header_offset,
    } = action.max_stream_duration.as_ref()?;
    let mut fields = fields.at("max_stream_duration");
    fields.refuse_if_set("grpc_timeout_header_offset", grpc_timeout_header_offset);
    let ceiling = fields.duration("grpc_timeout_header_max", grpc_timeout_header_max);
    let timeout = fields.duration("max_stream_duration", max_stream_duration);
    let timeout = timeout.filter(|timeout| !timeout.is_zero());
    let ceiling = ceiling.filter(|ceiling| !ceiling.is_zero());
    if ceiling.is_some() && ceiling != timeout {
        let problem = "must be 0 or equal to max_stream_duration";
        fields.refuse("grpc_timeout_header_max", problem);
    }
    timeout
}

fn parse_clusters(
    specifier: Option<&ClusterSpecifier>,
    fields: &mut Fields<'_>,
) -> Vec<WeightedCluster> {
    let clusters = match specifier {
        Some(ClusterSpecifier::Cluster(name)) => vec![WeightedCluster {
            cluster: name.clone(),
            weight: 1,
        }],
        Some(ClusterSpecifier::WeightedClusters(weighted)) => {
            parse_weighted(weighted, &mut fields.at("weighted_clusters"))
        }
        Some(
            ClusterSpecifier::ClusterHeader(_)
            | ClusterSpecifier::ClusterSpecifierPlugin(_)
            | ClusterSpecifier::InlineClusterSpecifierPlugin(_),
        )
        | None => {
            fields.refuse("cluster_specifier", "must be cluster or weighted_clusters");
            Vec::new()
        }
    };
    if clusters.iter().any(|cluster| cluster.cluster.is_empty()) {
        fields.refuse("cluster", "a cluster without a name");
    }
    clusters
}

fn parse_weighted(weighted: &WireWeightedCluster, fields: &mut Fields<'_>) -> Vec<WeightedCluster> {
    refuse_unenforced!(fields, weighted, WireWeightedCluster {
        enforced: clusters;
        refused: total_weight, runtime_key_prefix, random_value_specifier;
    });
    let mut clusters = Vec::new();
    for (index, cluster) in weighted.clusters.iter().enumerate() {
        let mut fields = fields.at_index("clusters", index);
        refuse_unenforced!(fields, cluster, ClusterWeight {
            enforced: name, weight;
            refused: cluster_header, metadata_match, request_headers_to_add,
                request_headers_to_remove, response_headers_to_add, response_headers_to_remove,
                typed_per_filter_config, host_rewrite_specifier;
        });
        clusters.push(WeightedCluster {
            cluster: cluster.name.clone(),
            // Envoy requires the field; absent it counts nothing.
            weight: number(&cluster.weight).unwrap_or(0),
        });
    }
    clusters
}
