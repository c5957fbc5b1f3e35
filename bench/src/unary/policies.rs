//! The configuration under load: 100 routes by service and method, three endpoints, policies on.
//!
//! What is on is what exists: deadline, retry with budget, breaker and ejection, limits, P2C.
//! `docs/CONFIG.md` has the meaning of each.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use outrider_engine::config::{Cluster, Endpoint, Snapshot, Transport};
use outrider_policy::{
    CallPolicy, ClusterPolicy, ConfigError, HealthRules, OutlierRules, PathMatch, Route,
    RouteMatch, RouteTable, VirtualHost, WeightedCluster,
};

/// gRPC services, each with [`METHODS`] methods.
pub const SERVICES: u64 = 10;
/// Methods of a service; one route each.
pub const METHODS: u64 = 10;
/// Endpoints to pick from.
pub const ENDPOINTS: u8 = 3;

const CLUSTER: &str = "echo";

/// The whole configuration.
///
/// # Errors
/// Never, unless the rules of a route table change.
pub fn snapshot() -> Result<Snapshot, ConfigError> {
    Ok(Snapshot {
        version: "unary".to_owned(),
        routes: RouteTable::build((0..SERVICES).map(host).collect())?.into(),
        clusters: BTreeMap::from([(CLUSTER.to_owned(), Arc::new(cluster()))]),
        ..Snapshot::default()
    })
}

fn host(service: u64) -> VirtualHost {
    VirtualHost {
        name: format!("echo{service}"),
        domains: vec![
            format!("echo{service}"),
            format!("grpc/bench.Echo{service}"),
        ],
        routes: (0..METHODS).map(|method| route(service, method)).collect(),
    }
}

fn route(service: u64, method: u64) -> Route {
    Route {
        name: format!("echo{service}-{method}"),
        matches: RouteMatch {
            path: PathMatch::Exact(format!("/bench.Echo{service}/Unary{method}")),
            ..RouteMatch::default()
        },
        clusters: vec![WeightedCluster {
            cluster: CLUSTER.to_owned(),
            weight: 1,
        }],
        policy: CallPolicy {
            timeout: Some(Duration::from_secs(2)),
            per_try_timeout: Some(Duration::from_millis(500)),
            unary: true,
            idempotent: true,
            ..CallPolicy::default()
        },
    }
}

fn cluster() -> Cluster {
    let address = |host| SocketAddr::from(([10, 0, 0, host], 9001));
    Cluster {
        name: CLUSTER.to_owned(),
        transport: Transport::Plaintext,
        endpoints: (1..=ENDPOINTS)
            .map(|host| Endpoint::at(address(host)))
            .collect(),
        policy: ClusterPolicy {
            health: HealthRules {
                outlier: Some(OutlierRules::default()),
                ..HealthRules::default()
            },
            ..ClusterPolicy::default()
        },
        unresolved: None,
        shared: Default::default(),
    }
}
