//! How one sidecar sees the endpoints of a service: its admin page `/clusters`.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// An endpoint as a sidecar sees it.
#[derive(Debug, PartialEq, Serialize)]
pub struct Endpoint {
    /// Name of the instance, or its address if the demo did not start it.
    pub name: String,
    /// Is it out of rotation?
    pub out: bool,
    /// State of its breaker.
    pub breaker: String,
    /// Latency as balancing sees it: a peak-sensitive average. Milliseconds.
    pub latency_ms: f64,
}

#[derive(Deserialize)]
struct Worker {
    clusters: Vec<Cluster>,
}

#[derive(Deserialize)]
struct Cluster {
    name: String,
    endpoints: Vec<EndpointPage>,
}

#[derive(Deserialize)]
struct EndpointPage {
    address: SocketAddr,
    out: bool,
    breaker: String,
    latency_ms: f64,
}

/// The endpoints of `service` on a page of `/clusters`; none if the page cannot be read.
pub fn parse(page: &str, service: &str, name_of: impl Fn(SocketAddr) -> String) -> Vec<Endpoint> {
    let workers: Vec<Worker> = serde_json::from_str(page).unwrap_or_default();
    let clusters = workers.into_iter().flat_map(|worker| worker.clusters);
    let seen = clusters
        .filter(|cluster| cluster.name == service)
        .flat_map(|cluster| cluster.endpoints);
    seen.map(
        |EndpointPage {
             address,
             out,
             breaker,
             latency_ms,
         }| Endpoint {
            name: name_of(address),
            out,
            breaker,
            latency_ms,
        },
    )
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_endpoints_of_one_service() {
        let page = r#"[{"worker":0,"answered":true,"clusters":[
            {"name":"orders","endpoints":[{"address":"127.0.0.1:1","in_flight":0,"connections":1,
                "latency_ms":1.5,"breaker":"closed","out":false}]},
            {"name":"payments","endpoints":[]}]}]"#;
        let expected = Endpoint {
            name: "1".into(),
            out: false,
            breaker: "closed".into(),
            latency_ms: 1.5,
        };
        assert_eq!(
            parse(page, "orders", |address| address.port().to_string()),
            [expected]
        );
        assert_eq!(parse("not json", "orders", |_| String::new()), []);
    }
}
