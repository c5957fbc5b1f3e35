//! A service as a Cluster, and its endpoints.

use super::{connections, one_entry, rate_limit, transport, wire_duration, wire_number};
use crate::model::{
    Breaker, Budget, Connections, Endpoints, Limits, OutlierDetection, Service, TrafficPolicy,
};
use crate::names::{Address, Host};
use crate::wire::{AddressFamily, Tls};
use outrider_proto::envoy::cluster::circuit_breakers::Thresholds;
use outrider_proto::envoy::cluster::cluster::{
    ClusterDiscoveryType, DiscoveryType, DnsLookupFamily, EdsClusterConfig, LbPolicy,
};
use outrider_proto::envoy::cluster::{
    CircuitBreakers, Cluster, OutlierDetection as EnvoyOutlierDetection,
};
use outrider_proto::envoy::core::socket_address::PortSpecifier;
use outrider_proto::envoy::core::{
    Address as EnvoyAddress, Locality, Metadata, SocketAddress, address::Address as OneAddress,
};
use outrider_proto::envoy::endpoint::lb_endpoint::HostIdentifier;
use outrider_proto::envoy::endpoint::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
};
use outrider_proto::v1::{self, ClusterPolicy};
use outrider_proto::{CLUSTER_POLICY, features, pack};
use std::net::SocketAddr;

pub(super) fn render_cluster(
    service: &Service,
    trust_domain: &str,
    connections: &Connections,
) -> Cluster {
    let policy = &service.policy;
    let default = outrider_policy::ClusterPolicy::default().connect_timeout;
    let connect_timeout = policy.connect_timeout.unwrap_or(default);
    let socket = match service.tls {
        Tls::Mesh => Some(transport::mutual_tls(service, trust_domain)),
        Tls::None => None,
    };
    let cluster = Cluster {
        name: service.name.clone(),
        connect_timeout: Some(wire_duration(connect_timeout)),
        // Two choices by load: what the sidecar's balancing is, in Envoy's words.
        lb_policy: LbPolicy::LeastRequest.into(),
        typed_extension_protocol_options: transport::http2_options(),
        circuit_breakers: Some(circuit_breakers(policy.limits)),
        outlier_detection: policy.outlier.map(outlier_detection),
        transport_socket: socket,
        metadata: cluster_policy(policy, connections),
        ..Cluster::default()
    };
    if needs_dns(service) {
        discovered_by_dns(cluster, service)
    } else {
        discovered_by_eds(cluster)
    }
}

/// EDS carries addresses only, so one name among them makes DNS of the whole.
fn needs_dns(service: &Service) -> bool {
    let is_name = |address: &Address| matches!(address.host, Host::Name(_));
    match &service.endpoints {
        Endpoints::Static(addresses, _) => addresses.iter().any(is_name),
        Endpoints::Registered(_) => false,
    }
}

#[expect(
    deprecated,
    reason = "the replacement, a typed DnsCluster, is unknown to older Envoys"
)]
fn discovered_by_dns(cluster: Cluster, service: &Service) -> Cluster {
    let strict = ClusterDiscoveryType::Type(DiscoveryType::StrictDns.into());
    Cluster {
        cluster_discovery_type: Some(strict),
        respect_dns_ttl: true,
        dns_lookup_family: dns_lookup_family(service).into(),
        load_assignment: Some(load_assignment(service)),
        ..cluster
    }
}

/// `AUTO` is IPv6 first, then IPv4.
fn dns_lookup_family(service: &Service) -> DnsLookupFamily {
    match service.endpoints {
        Endpoints::Registered(_) | Endpoints::Static(_, AddressFamily::Any) => {
            DnsLookupFamily::Auto
        }
        Endpoints::Static(_, AddressFamily::Ipv4First) => DnsLookupFamily::V4Preferred,
        Endpoints::Static(_, AddressFamily::Ipv4) => DnsLookupFamily::V4Only,
        Endpoints::Static(_, AddressFamily::Ipv6) => DnsLookupFamily::V6Only,
    }
}

fn discovered_by_eds(cluster: Cluster) -> Cluster {
    let config = EdsClusterConfig {
        eds_config: Some(transport::ads()),
        ..EdsClusterConfig::default()
    };
    Cluster {
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into())),
        eds_cluster_config: Some(config),
        ..cluster
    }
}

pub(super) fn render_endpoints(service: &Service) -> Option<ClusterLoadAssignment> {
    (!needs_dns(service)).then(|| load_assignment(service))
}

// gRPC clients require a weight on the locality, though there is only one, and refuse a locality
// without endpoints: no endpoint makes no locality.
fn load_assignment(service: &Service) -> ClusterLoadAssignment {
    let lb_endpoints: Vec<LbEndpoint> = match &service.endpoints {
        Endpoints::Static(addresses, _) => addresses.iter().map(written_endpoint).collect(),
        Endpoints::Registered(addresses) => addresses.iter().map(registered_endpoint).collect(),
    };
    let locality = (!lb_endpoints.is_empty()).then(|| LocalityLbEndpoints {
        locality: Some(Locality::default()),
        load_balancing_weight: Some(wire_number(1)),
        lb_endpoints,
        ..LocalityLbEndpoints::default()
    });
    ClusterLoadAssignment {
        cluster_name: service.name.clone(),
        endpoints: locality.into_iter().collect(),
        ..ClusterLoadAssignment::default()
    }
}

fn written_endpoint(address: &Address) -> LbEndpoint {
    let host = match &address.host {
        Host::Ip(ip) => ip.to_string(),
        Host::Name(name) => name.clone(),
    };
    lb_endpoint(host, address.port)
}

fn registered_endpoint(address: &SocketAddr) -> LbEndpoint {
    lb_endpoint(address.ip().to_string(), address.port())
}

fn lb_endpoint(host: String, port: u16) -> LbEndpoint {
    let socket = SocketAddress {
        address: host,
        port_specifier: Some(PortSpecifier::PortValue(port.into())),
        ..SocketAddress::default()
    };
    let address = EnvoyAddress {
        address: Some(OneAddress::SocketAddress(socket)),
    };
    let endpoint = Endpoint {
        address: Some(address),
        ..Endpoint::default()
    };
    LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(endpoint)),
        ..LbEndpoint::default()
    }
}

/// What Envoy calls circuit breakers are our limits. They are always said: the default of other
/// clients, 1,024, is one that ordinary bursts meet.
fn circuit_breakers(limits: Limits) -> CircuitBreakers {
    let default = outrider_policy::Limits::default();
    let calls = limits.calls.unwrap_or(default.calls);
    let waiting = limits.waiting.unwrap_or(calls.max(default.waiting));
    let thresholds = Thresholds {
        max_requests: Some(wire_number(calls)),
        max_pending_requests: Some(wire_number(waiting)),
        ..Thresholds::default()
    };
    CircuitBreakers {
        thresholds: vec![thresholds],
        ..CircuitBreakers::default()
    }
}

/// Failures in a row only: the share of failures is the breaker's, so Envoy's
/// statistical ejection, on by default, is turned off.
fn outlier_detection(outlier: OutlierDetection) -> EnvoyOutlierDetection {
    let OutlierDetection {
        consecutive_failures,
        base_ejection_time,
        max_ejection_percent,
    } = outlier;
    EnvoyOutlierDetection {
        consecutive_5xx: consecutive_failures.map(wire_number),
        base_ejection_time: base_ejection_time.map(wire_duration),
        max_ejection_percent: Some(wire_number(max_ejection_percent)),
        enforcing_success_rate: Some(wire_number(0)),
        ..EnvoyOutlierDetection::default()
    }
}

fn cluster_policy(policy: &TrafficPolicy, connections: &Connections) -> Option<Metadata> {
    let connections = connections::render(connections, policy.max_connection_age);
    let used = features::used([
        (features::RETRY_BUDGET, policy.budget.is_some()),
        (features::BREAKER, policy.breaker.is_some()),
        (features::CONNECTIONS, connections.is_some()),
        (
            features::CONNECTIONS_MAX,
            policy.max_connections_per_endpoint.is_some(),
        ),
        (features::RATE_LIMITS, !policy.rate_limits.is_empty()),
    ]);
    if used.is_empty() {
        return None;
    }
    let message = ClusterPolicy {
        required_features: used,
        retry_budget: policy.budget.map(retry_budget),
        breaker: policy.breaker.map(breaker),
        connections,
        connections_max: policy.max_connections_per_endpoint,
        rate_limits: policy.rate_limits.iter().map(rate_limit::render).collect(),
    };
    Some(Metadata {
        typed_filter_metadata: one_entry(CLUSTER_POLICY, pack(&message)),
        ..Metadata::default()
    })
}

fn retry_budget(budget: Budget) -> v1::RetryBudget {
    let Budget {
        percent,
        min_per_second,
    } = budget;
    v1::RetryBudget {
        percent,
        min_per_second,
    }
}

fn breaker(breaker: Breaker) -> v1::Breaker {
    let Breaker {
        failure_percent,
        window,
        min_calls,
        consecutive_failures,
        open_time,
        max_open_time,
    } = breaker;
    v1::Breaker {
        failure_percent,
        window: window.map(wire_duration),
        min_calls,
        consecutive_failures,
        open_time: open_time.map(wire_duration),
        max_open_time: max_open_time.map(wire_duration),
    }
}
