//! `ClusterLoadAssignment`: where a cluster runs.

use super::endpoint_metadata;
use super::fields::{Fields, number, refuse_unenforced};
use outrider_engine::config::HealthStatus;
use outrider_policy::Locality;
use outrider_proto::envoy::core::socket_address::{PortSpecifier, Protocol};
use outrider_proto::envoy::core::{
    Address as WireAddress, HealthStatus as WireHealth, Locality as WireLocality, SocketAddress,
    address::Address as OneAddress,
};
use outrider_proto::envoy::endpoint::lb_endpoint::HostIdentifier;
use outrider_proto::envoy::endpoint::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Largest priority, as in Envoy.
const PRIORITY_MAX: u32 = 128;

/// An endpoint, and the properties that each of its addresses has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListedEndpoint {
    pub address: Address,
    pub weight: u32,
    pub priority: u32,
    pub locality: Locality,
    pub health: HealthStatus,
    pub metadata: BTreeMap<String, String>,
}

/// An address that may have to be resolved.
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
) -> Option<Vec<ListedEndpoint>> {
    let endpoints = parse_endpoints(assignment, fields);
    if endpoints.iter().any(ListedEndpoint::is_named) {
        fields.refuse(
            "endpoints",
            "a host name: only a STRICT_DNS cluster has those",
        );
    }
    Some(endpoints)
}

impl ListedEndpoint {
    /// Is its address a name that stands for others?
    pub fn is_named(&self) -> bool {
        matches!(self.address.host, Host::Name(_))
    }
}

/// All endpoints, in order.
pub(super) fn parse_endpoints(
    assignment: &ClusterLoadAssignment,
    fields: &mut Fields<'_>,
) -> Vec<ListedEndpoint> {
    refuse_unenforced!(fields, assignment, ClusterLoadAssignment {
        enforced: cluster_name, endpoints;
        refused: named_endpoints, policy;
    });
    refuse_weights(&assignment.endpoints, fields);
    let mut seen = BTreeSet::new();
    let mut endpoints = Vec::new();
    for (index, locality) in assignment.endpoints.iter().enumerate() {
        let mut fields = fields.at_index("endpoints", index);
        parse_locality(locality, &mut fields, &mut seen, &mut endpoints);
    }
    endpoints
}

/// Endpoints of one priority are chosen among all alike, wherever they are. That is what Envoy does with
/// localities, unless the cluster has `locality_weighted_lb_config`, which is refused; gRPC always goes by
/// the weights, so unequal ones must mean something.
fn refuse_weights(localities: &[LocalityLbEndpoints], fields: &mut Fields<'_>) {
    let mut first_of_priority = BTreeMap::new();
    for (index, locality) in localities.iter().enumerate() {
        let weight = number(&locality.load_balancing_weight);
        if *first_of_priority.entry(locality.priority).or_insert(weight) != weight {
            let mut fields = fields.at_index("endpoints", index);
            let problem = "must be that of the first of its priority: weights of localities are not enforced \
                           here";
            fields.refuse("load_balancing_weight", problem);
        }
    }
}

fn parse_locality(
    locality: &LocalityLbEndpoints,
    fields: &mut Fields<'_>,
    seen: &mut BTreeSet<Address>,
    endpoints: &mut Vec<ListedEndpoint>,
) {
    refuse_unenforced!(fields, locality, LocalityLbEndpoints {
        enforced: locality, lb_endpoints, load_balancing_weight, priority;
        refused: metadata, proximity, lb_config;
    });
    if locality.priority > PRIORITY_MAX {
        fields.refuse("priority", format!("must be at most {PRIORITY_MAX}"));
    }
    let place = place(&locality.locality);
    for (index, endpoint) in locality.lb_endpoints.iter().enumerate() {
        let mut fields = fields.at_index("lb_endpoints", index);
        let Some(endpoint) = parse_endpoint(endpoint, &mut fields) else {
            continue;
        };
        if !seen.insert(endpoint.address.clone()) {
            fields.refuse("endpoint", "listed twice");
        }
        endpoints.push(ListedEndpoint {
            priority: locality.priority,
            locality: place.clone(),
            ..endpoint
        });
    }
}

fn place(locality: &Option<WireLocality>) -> Locality {
    let Some(locality) = locality else {
        return Locality::default();
    };
    Locality {
        region: locality.region.clone(),
        zone: locality.zone.clone(),
        subzone: locality.sub_zone.clone(),
    }
}

/// An endpoint of the best priority that is nowhere; `None` if refused.
fn parse_endpoint(endpoint: &LbEndpoint, fields: &mut Fields<'_>) -> Option<ListedEndpoint> {
    refuse_unenforced!(fields, endpoint, LbEndpoint {
        enforced: health_status, load_balancing_weight, host_identifier, metadata;
        refused: ;
    });
    let weight = number(&endpoint.load_balancing_weight).unwrap_or(1);
    if weight == 0 {
        fields.refuse("load_balancing_weight", "must be 1 or more");
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
    Some(ListedEndpoint {
        address: address?,
        weight,
        priority: 0,
        locality: Locality::default(),
        health: parse_health(endpoint.health_status, fields),
        metadata: endpoint_metadata::parse(&endpoint.metadata, &mut fields.at("metadata")),
    })
}

fn parse_health(status: i32, fields: &mut Fields<'_>) -> HealthStatus {
    match WireHealth::try_from(status) {
        Ok(WireHealth::Unknown | WireHealth::Healthy) => HealthStatus::Healthy,
        Ok(WireHealth::Unhealthy | WireHealth::Timeout) => HealthStatus::Unhealthy,
        Ok(WireHealth::Draining) => HealthStatus::Draining,
        Ok(WireHealth::Degraded) | Err(_) => {
            fields.refuse("health_status", "not enforced here");
            HealthStatus::Unhealthy
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
