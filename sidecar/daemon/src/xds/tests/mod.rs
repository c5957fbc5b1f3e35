//! Documents in, snapshot out; and what becomes of resources that nobody should take.

mod accepted;
mod arrival;
mod authorization;
mod balancing;
mod kept;
mod listeners;
mod mutation;
mod refusal;

use super::{Accepted, Configuration, accept};
use outrider_engine::config::Snapshot;
use outrider_policy::{Authority, GrpcPath, Route, Target};
use outrider_proto::{Resources, Versioned};

const ECHO: &str = r#"
apiVersion: outrider.dev/v1
kind: Service
metadata: { name: echo }
spec:
  grpcServices: [bench.Echo]
  tls: none
  endpoints: { static: [ { address: "127.0.0.1:9001" } ] }
---
apiVersion: outrider.dev/v1
kind: TrafficPolicy
metadata: { name: echo }
spec:
  targetRefs: [ { kind: Service, name: echo } ]
  timeout: 2s
  connectTimeout: 250ms
  retry: { attempts: 3, perTryTimeout: 500ms, on: [UNAVAILABLE, ABORTED], budget: { percent: 10, minPerSecond: 1 } }
  breaker: { failurePercent: 25, window: 5s, minCalls: 4, consecutiveFailures: 3, openTime: 2s, maxOpenTime: 9s }
  outlierDetection: { consecutiveFailures: 4, baseEjectionTime: 5s, maxEjectionPercent: 40 }
  limits: { calls: 7, waiting: 2 }
  maxConnectionsPerEndpoint: 3
  waitForReady: 1s
  methods:
    - { name: bench.Echo/Unary, unary: true, idempotent: true, waitForReady: 250ms }
    - { name: bench.Echo/Watch, timeout: 1h }
---
apiVersion: outrider.dev/v1
kind: Service
metadata: { name: orders, namespace: shop }
spec:
  endpoints: { static: [ { address: "orders.internal:50051" }, { address: "10.0.0.9:50051" } ] }
"#;

pub fn resources() -> Resources {
    resources_beside("")
}

/// The documents above and one more text.
pub fn resources_beside(text: &str) -> Resources {
    let documents = outrider_documents::load(&[("echo.yaml", ECHO), ("beside.yaml", text)]);
    outrider_documents::render(&documents.expect("the documents are good"))
}

pub fn first(resources: &Resources) -> Accepted {
    accept(resources, &Configuration::default())
}

pub fn snapshot(accepted: &Accepted) -> Snapshot {
    assert_eq!(accepted.rejected, []);
    accepted.configuration.snapshot("", |_| &[])
}

pub fn route<'s>(snapshot: &'s Snapshot, authority: &str, path: &str) -> &'s Route {
    let authority = Authority::parse(authority.as_bytes()).expect("an authority");
    let grpc = GrpcPath::parse(path.as_bytes()).expect("a path");
    let target = Target {
        authority: &authority,
        grpc_service: Some(grpc.service),
    };
    let index = snapshot
        .routes
        .find(target, path.as_bytes(), true, |_| None);
    snapshot.routes.route(index.expect("a route"))
}

/// Changes one resource, with a version of its own.
pub fn change<M: outrider_proto::Resource + Clone>(
    list: &mut [Versioned<M>],
    name: &str,
    change: impl FnOnce(&mut M),
) {
    let found = list
        .iter_mut()
        .find(|one| one.message.resource_name() == name);
    let resource = found.expect("the resource");
    let mut message = resource.message.clone();
    change(&mut message);
    *resource = Versioned::new(message);
}
