//! `Cluster`: a service, how it is spoken to, and what protects it.

use super::endpoints::{self, ListedEndpoint};
use super::fields::{Fields, number, refuse_unenforced};
use super::{cluster_policy, http_options, tls};
use outrider_engine::config::Transport;
use outrider_policy::{ClusterPolicy, Family, Limits, OutlierRules};
use outrider_proto::envoy::cluster::circuit_breakers::Thresholds;
use outrider_proto::envoy::cluster::cluster::{
    ClusterDiscoveryType, DiscoveryType, DnsLookupFamily, EdsClusterConfig, LbPolicy,
};
use outrider_proto::envoy::cluster::{CircuitBreakers, Cluster, OutlierDetection};
use outrider_proto::envoy::core::RoutingPriority;

/// A cluster without its endpoints, if those come by EDS.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ClusterParts {
    pub transport: Transport,
    pub policy: ClusterPolicy,
    pub discovery: Discovery,
    /// The one family whose addresses names stand for; `None`: both.
    pub only_family: Option<Family>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Discovery {
    /// Under this name of a ClusterLoadAssignment.
    Eds(String),
    /// Part of the cluster; names are to be resolved.
    Inline(Vec<ListedEndpoint>),
}

pub(super) fn parse(cluster: &Cluster, fields: &mut Fields<'_>) -> Option<ClusterParts> {
    refuse_unenforced!(fields, cluster, Cluster {
        enforced: name, eds_cluster_config, connect_timeout, lb_policy, load_assignment,
            circuit_breakers, typed_extension_protocol_options, respect_dns_ttl, outlier_detection,
            transport_socket, metadata, cluster_discovery_type, dns_lookup_family;
        refused: transport_socket_matches, transport_socket_matcher, alt_stat_name, stats_matcher,
            per_connection_buffer_limit_bytes, per_connection_buffer_high_watermark_timeout,
            health_checks, max_requests_per_connection, upstream_http_protocol_options,
            common_http_protocol_options, http_protocol_options, http2_protocol_options,
            dns_refresh_rate, dns_jitter, dns_failure_refresh_rate, dns_resolvers, use_tcp_for_dns_lookups, dns_resolution_config,
            typed_dns_resolver_config, wait_for_warm_on_init, cleanup_interval,
            upstream_bind_config, lb_subset_config, common_lb_config, protocol_selection,
            upstream_connection_options, close_connections_on_host_health_failure,
            ignore_health_on_host_removal, filters, load_balancing_policy, lrs_server,
            lrs_report_endpoint_metrics, track_timeout_budgets, upstream_config,
            track_cluster_stats, preconnect_policy, connection_pool_per_downstream_connection,
            queuing_policies, lb_config;
    });
    if cluster.name.is_empty() {
        fields.refuse("name", "missing");
    }
    // Those who ask for ROUND_ROBIN ask for an even spread, and have it; docs/CONFIG.md says so.
    let balanced = [LbPolicy::RoundRobin, LbPolicy::LeastRequest].map(i32::from);
    if !balanced.contains(&cluster.lb_policy) {
        let problem = "must be LEAST_REQUEST or ROUND_ROBIN: both are two choices, by load";
        fields.refuse("lb_policy", problem);
    }
    http_options::check(&cluster.typed_extension_protocol_options, fields);
    let mut policy = parse_policy(cluster, fields);
    let only_family = parse_family(cluster.dns_lookup_family, &mut policy, fields);
    let discovery = parse_discovery(cluster, fields);
    let transport = tls::parse(&cluster.transport_socket, fields);
    Some(ClusterParts {
        transport: transport?,
        policy,
        discovery: discovery?,
        only_family,
    })
}

/// One of two families is the fall-back of the other for as long as it cannot be reached, not only
/// where a name has no address of it, as with Envoy. docs/CONFIG.md says so.
fn parse_family(
    family: i32,
    policy: &mut ClusterPolicy,
    fields: &mut Fields<'_>,
) -> Option<Family> {
    match DnsLookupFamily::try_from(family) {
        Ok(DnsLookupFamily::Auto | DnsLookupFamily::All) => None,
        Ok(DnsLookupFamily::V4Preferred) => {
            policy.first_family = Family::Ipv4;
            None
        }
        Ok(DnsLookupFamily::V4Only) => Some(Family::Ipv4),
        Ok(DnsLookupFamily::V6Only) => Some(Family::Ipv6),
        Err(_) => {
            fields.refuse("dns_lookup_family", "not known");
            None
        }
    }
}

fn parse_policy(cluster: &Cluster, fields: &mut Fields<'_>) -> ClusterPolicy {
    let mut policy = ClusterPolicy::default();
    cluster_policy::parse(&cluster.metadata, &mut policy, &mut fields.at("metadata"));
    if let Some(timeout) = fields.positive("connect_timeout", &cluster.connect_timeout) {
        policy.connect_timeout = timeout;
    }
    if let Some(breakers) = &cluster.circuit_breakers {
        parse_limits(
            breakers,
            &mut policy.limits,
            &mut fields.at("circuit_breakers"),
        );
    }
    if let Some(detection) = &cluster.outlier_detection {
        let rules = parse_outlier(detection, &mut fields.at("outlier_detection"));
        policy.health.outlier = Some(rules);
    }
    policy
}

/// What Envoy calls circuit breakers are our limits.
fn parse_limits(breakers: &CircuitBreakers, limits: &mut Limits, fields: &mut Fields<'_>) {
    refuse_unenforced!(fields, breakers, CircuitBreakers {
        enforced: thresholds;
        refused: per_host_thresholds;
    });
    for (index, thresholds) in breakers.thresholds.iter().enumerate() {
        let mut fields = fields.at_index("thresholds", index);
        refuse_unenforced!(fields, thresholds, Thresholds {
            enforced: priority, max_pending_requests, max_requests;
            refused: max_connections, max_retries, retry_budget, track_remaining,
                max_connection_pools;
        });
        if index > 0 || thresholds.priority != i32::from(RoutingPriority::Default) {
            fields.refuse("priority", "there is one, DEFAULT");
        }
        limits.calls = number(&thresholds.max_requests).unwrap_or(limits.calls);
        limits.waiting =
            number(&thresholds.max_pending_requests).unwrap_or(limits.waiting.max(limits.calls));
    }
}

/// Failures in a row only. What is absent has Envoy's default, which for the ceiling
/// is 10 percent.
fn parse_outlier(detection: &OutlierDetection, fields: &mut Fields<'_>) -> OutlierRules {
    refuse_unenforced!(fields, detection, OutlierDetection {
        enforced: consecutive_5xx, base_ejection_time, max_ejection_percent,
            enforcing_consecutive_5xx, enforcing_success_rate, max_ejection_time;
        refused: interval, success_rate_minimum_hosts, success_rate_request_volume,
            success_rate_stdev_factor, consecutive_gateway_failure,
            enforcing_consecutive_gateway_failure, split_external_local_origin_errors,
            consecutive_local_origin_failure, enforcing_consecutive_local_origin_failure,
            enforcing_local_origin_success_rate, failure_percentage_threshold,
            enforcing_failure_percentage, enforcing_failure_percentage_local_origin,
            failure_percentage_minimum_hosts, failure_percentage_request_volume,
            max_ejection_time_jitter, successful_active_health_check_uneject_host, monitors,
            always_eject_one_host, detect_degraded_hosts;
    });
    if number(&detection.enforcing_success_rate) != Some(0) {
        let problem = "must be 0: ejection by success rate is not enforced here";
        fields.refuse("enforcing_success_rate", problem);
    }
    if number(&detection.enforcing_consecutive_5xx).is_some_and(|percent| percent != 100) {
        fields.refuse("enforcing_consecutive_5xx", "must be 100 or absent");
    }
    let default = OutlierRules::default();
    let base = fields.positive("base_ejection_time", &detection.base_ejection_time);
    let longest = fields.positive("max_ejection_time", &detection.max_ejection_time);
    let percent = fields.percent(
        "max_ejection_percent",
        number(&detection.max_ejection_percent),
    );
    OutlierRules {
        consecutive_failures: number(&detection.consecutive_5xx)
            .unwrap_or(default.consecutive_failures),
        base_ejection_time: base.unwrap_or(default.base_ejection_time),
        max_ejection_time: longest.unwrap_or(default.max_ejection_time),
        max_ejection_percent: percent.unwrap_or(10),
    }
}

fn parse_discovery(cluster: &Cluster, fields: &mut Fields<'_>) -> Option<Discovery> {
    let kind = match &cluster.cluster_discovery_type {
        Some(ClusterDiscoveryType::Type(kind)) => DiscoveryType::try_from(*kind).ok(),
        Some(ClusterDiscoveryType::ClusterType(_)) => None,
        // Envoy's meaning of absence.
        None => Some(DiscoveryType::Static),
    };
    match kind {
        Some(DiscoveryType::Eds) => parse_eds(cluster, fields),
        Some(DiscoveryType::StrictDns) => parse_inline(cluster, fields),
        Some(DiscoveryType::Static) => {
            let discovery = parse_inline(cluster, fields);
            refuse_names(discovery.as_ref(), fields);
            discovery
        }
        Some(DiscoveryType::LogicalDns | DiscoveryType::OriginalDst) | None => {
            fields.refuse("type", "must be EDS, STATIC or STRICT_DNS");
            None
        }
    }
}

fn parse_eds(cluster: &Cluster, fields: &mut Fields<'_>) -> Option<Discovery> {
    fields.refuse_if_set("load_assignment", &cluster.load_assignment);
    let Some(config) = &cluster.eds_cluster_config else {
        fields.refuse("eds_cluster_config", "missing");
        return None;
    };
    let EdsClusterConfig {
        eds_config,
        service_name,
    } = config;
    if !eds_config.as_ref().is_some_and(tls::is_ads) {
        fields.refuse("eds_cluster_config.eds_config", "must be ADS, version V3");
    }
    let name = [service_name, &cluster.name]
        .into_iter()
        .find(|name| !name.is_empty());
    Some(Discovery::Eds(name.cloned().unwrap_or_default()))
}

fn parse_inline(cluster: &Cluster, fields: &mut Fields<'_>) -> Option<Discovery> {
    fields.refuse_if_set("eds_cluster_config", &cluster.eds_cluster_config);
    let Some(assignment) = &cluster.load_assignment else {
        fields.refuse("load_assignment", "missing");
        return None;
    };
    let mut fields = fields.at("load_assignment");
    let endpoints = endpoints::parse_endpoints(assignment, &mut fields);
    Some(Discovery::Inline(endpoints))
}

fn refuse_names(discovery: Option<&Discovery>, fields: &mut Fields<'_>) {
    match discovery {
        Some(Discovery::Inline(endpoints)) if endpoints.iter().any(ListedEndpoint::is_named) => {
            let problem = "a host name: only a STRICT_DNS cluster has those";
            fields.refuse("load_assignment.endpoints", problem);
        }
        Some(Discovery::Inline(_) | Discovery::Eds(_)) | None => {}
    }
}
