//! `ClusterLoadAssignment`: where a cluster runs.

use super::fields::{Fields, number, refuse_unenforced};
use outrider_proto::envoy::core::socket_address::{PortSpecifier, Protocol};
use outrider_proto::envoy::core::{
    Address as WireAddress, HealthStatus, SocketAddress, address::Address as OneAddress,
};
use outrider_proto::envoy::endpoint::lb_endpoint::HostIdentifier;
use outrider_proto::envoy::endpoint::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// An endpoint that may have to be resolved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Address {
    pub host: Host,
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Host {
    Ip(IpAddr),
    Name(String),
}

/// The endpoints of EDS: addresses only, names are for DNS clusters.
pub(super) fn parse(
    assignment: &ClusterLoadAssignment,
    fields: &mut Fields<'_>,
) -> Option<Vec<Address>> {
    let addresses = parse_addresses(assignment, fields);
    let named = |address: &Address| matches!(address.host, Host::Name(_));
    if addresses.iter().any(named) {
        fields.refuse(
            "endpoints",
            "a host name: only a STRICT_DNS cluster has those",
        );
    }
    Some(addresses)
}

/// All endpoints that are to be used, in order.
pub(super) fn parse_addresses(
    assignment: &ClusterLoadAssignment,
    fields: &mut Fields<'_>,
) -> Vec<Address> {
    refuse_unenforced!(fields, assignment, ClusterLoadAssignment {
        enforced: cluster_name, endpoints;
        refused: named_endpoints, policy;
    });
    refuse_weights(&assignment.endpoints, fields);
    let mut seen = BTreeSet::new();
    let mut addresses = Vec::new();
    for (index, locality) in assignment.endpoints.iter().enumerate() {
        parse_locality(
            locality,
            &mut fields.at_index("endpoints", index),
            &mut seen,
            &mut addresses,
        );
    }
    addresses
}

/// Endpoints are chosen among all alike, wherever they are. That is what Envoy does with
/// localities at one priority, unless the cluster has `locality_weighted_lb_config`, which is
/// refused; gRPC always goes by the weights, so unequal ones must mean something.
fn refuse_weights(localities: &[LocalityLbEndpoints], fields: &mut Fields<'_>) {
    let weight = |locality: &LocalityLbEndpoints| number(&locality.load_balancing_weight);
    let first = localities.first().and_then(weight);
    for (index, locality) in localities.iter().enumerate() {
        if weight(locality) != first {
            let mut fields = fields.at_index("endpoints", index);
            let problem = "must be that of the first: weights of localities are not enforced here";
            fields.refuse("load_balancing_weight", problem);
        }
    }
}

// Its label decides nothing.
fn parse_locality(
    locality: &LocalityLbEndpoints,
    fields: &mut Fields<'_>,
    seen: &mut BTreeSet<Address>,
    addresses: &mut Vec<Address>,
) {
    refuse_unenforced!(fields, locality, LocalityLbEndpoints {
        enforced: locality, lb_endpoints, load_balancing_weight;
        refused: metadata, priority, proximity, lb_config;
    });
    for (index, endpoint) in locality.lb_endpoints.iter().enumerate() {
        let mut fields = fields.at_index("lb_endpoints", index);
        let Some(address) = parse_endpoint(endpoint, &mut fields) else {
            continue;
        };
        if !seen.insert(address.clone()) {
            fields.refuse("endpoint", "listed twice");
        }
        addresses.push(address);
    }
}

/// `None` if refused, or if it is known not to serve.
fn parse_endpoint(endpoint: &LbEndpoint, fields: &mut Fields<'_>) -> Option<Address> {
    refuse_unenforced!(fields, endpoint, LbEndpoint {
        enforced: health_status, load_balancing_weight, host_identifier;
        refused: metadata;
    });
    if number(&endpoint.load_balancing_weight).is_some_and(|weight| weight != 1) {
        fields.refuse(
            "load_balancing_weight",
            "weights of endpoints are not enforced here",
        );
    }
    let address = match &endpoint.host_identifier {
        Some(HostIdentifier::Endpoint(endpoint)) => {
            parse_address(endpoint, &mut fields.at("endpoint"))
        }
        Some(HostIdentifier::EndpointName(_)) => {
            fields.refuse("endpoint_name", "not enforced here");
            None
        }
        None => {
            fields.refuse("endpoint", "missing");
            None
        }
    };
    serves(endpoint.health_status, fields).then_some(address)?
}

fn serves(status: i32, fields: &mut Fields<'_>) -> bool {
    match HealthStatus::try_from(status) {
        Ok(HealthStatus::Unknown | HealthStatus::Healthy) => true,
        Ok(HealthStatus::Unhealthy | HealthStatus::Draining | HealthStatus::Timeout) => false,
        Ok(HealthStatus::Degraded) | Err(_) => {
            fields.refuse("health_status", "not enforced here");
            false
        }
    }
}

fn parse_address(endpoint: &Endpoint, fields: &mut Fields<'_>) -> Option<Address> {
    refuse_unenforced!(fields, endpoint, Endpoint {
        enforced: address;
        refused: health_check_config, hostname, additional_addresses, observability_name;
    });
    let address = endpoint.address.as_ref();
    match address.and_then(|WireAddress { address }| address.as_ref()) {
        Some(OneAddress::SocketAddress(socket)) => {
            parse_socket(socket, &mut fields.at("address.socket_address"))
        }
        Some(OneAddress::Pipe(_) | OneAddress::EnvoyInternalAddress(_)) | None => {
            fields.refuse("address", "must be a socket_address");
            None
        }
    }
}

fn parse_socket(socket: &SocketAddress, fields: &mut Fields<'_>) -> Option<Address> {
    refuse_unenforced!(fields, socket, SocketAddress {
        enforced: protocol, address, port_specifier;
        refused: resolver_name, ipv4_compat, network_namespace_filepath;
    });
    if socket.protocol != i32::from(Protocol::Tcp) {
        fields.refuse("protocol", "must be TCP");
    }
    let port = match &socket.port_specifier {
        Some(PortSpecifier::PortValue(port)) => u16::try_from(*port).ok(),
        Some(PortSpecifier::NamedPort(_)) | None => None,
    };
    let port = port.filter(|port| *port > 0);
    if port.is_none() {
        fields.refuse("port_value", "must be 1 to 65535");
    }
    if socket.address.is_empty() {
        fields.refuse("address", "missing");
    }
    let host = match socket.address.parse() {
        Ok(ip) => Host::Ip(ip),
        Err(_) => Host::Name(socket.address.to_ascii_lowercase()),
    };
    if let Host::Name(name) = &host
        && !name.is_empty()
        && !outrider_documents::is_host_name(name)
    {
        let problem = "neither an address nor a name that can be resolved here";
        fields.refuse("address", problem);
    }
    Some(Address { host, port: port? })
}
