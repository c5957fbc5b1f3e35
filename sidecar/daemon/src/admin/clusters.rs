//! The `/clusters` page: every endpoint with its state, worker by worker.
//!
//! Breakers and latencies are each worker's own, so they are shown so and not averaged away.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use outrider_engine::{ClusterGauge, EndpointGauge, Gauges};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Worker {
    worker: usize,
    /// `false`: it did not answer in time, so nothing is known.
    answered: bool,
    clusters: Vec<Cluster>,
}

#[derive(Debug, Serialize)]
struct Cluster {
    name: String,
    endpoints: Vec<Endpoint>,
}

#[derive(Debug, Serialize)]
struct Endpoint {
    address: SocketAddr,
    weight: u32,
    priority: u32,
    locality: String,
    metadata: BTreeMap<String, String>,
    /// How long this sidecar has known it.
    known_seconds: u64,
    in_flight: u32,
    connections: u32,
    latency_ms: f64,
    breaker: &'static str,
    /// Out of rotation, by the breaker or by ejection.
    out: bool,
}

/// The page from the workers' answers, in their order.
pub fn page(gauges: &[Option<Gauges>]) -> Vec<Worker> {
    let workers = gauges.iter().enumerate();
    workers
        .map(|(worker, gauges)| Worker {
            worker,
            answered: gauges.is_some(),
            clusters: gauges
                .iter()
                .flat_map(|gauges| &gauges.clusters)
                .map(cluster)
                .collect(),
        })
        .collect()
}

fn cluster(gauge: &ClusterGauge) -> Cluster {
    Cluster {
        name: gauge.name.to_string(),
        endpoints: gauge.endpoints.iter().map(endpoint).collect(),
    }
}

fn endpoint(gauge: &EndpointGauge) -> Endpoint {
    Endpoint {
        address: gauge.address,
        weight: gauge.listed.weight,
        priority: gauge.listed.priority,
        locality: gauge.listed.locality.to_string(),
        metadata: gauge.listed.metadata.clone(),
        known_seconds: gauge.known_for.as_secs(),
        in_flight: gauge.in_flight,
        connections: gauge.connections,
        latency_ms: gauge.latency.as_micros() as f64 / 1_000.0,
        breaker: gauge.breaker,
        out: gauge.out,
    }
}
