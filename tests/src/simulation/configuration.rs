//! What the operator of the simulated mesh says: one service, two clusters over its endpoints.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use outrider_engine::config::{Cluster, Endpoint, Settings, Snapshot, Transport};
use outrider_identity::SpiffeId;
use outrider_policy::{
    CallPolicy, ClusterPolicy, HealthRules, Lifetimes, Limits, ListenerPolicy, OutlierRules,
    PathMatch, RetryPolicy, Route, RouteMatch, RouteTable, Sampling, VirtualHost, WeightedCluster,
};

use super::plan::{LimitsPlan, Method, Plan, RulesPlan};
use super::random::Random;

/// Where an inbound sidecar listens.
pub(super) fn sidecar_address(endpoint: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, endpoint as u8 + 1], 15_006))
}

/// Where the server behind an inbound sidecar listens.
pub(super) fn server_address(endpoint: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, endpoint as u8 + 1], 9_000))
}

/// The identity of a service in the simulated mesh.
pub(super) fn identity(service: &str) -> SpiffeId {
    SpiffeId::parse(format!("spiffe://sim.test/ns/default/svc/{service}").as_bytes())
        .expect("a fixed and valid identity")
}

/// Settings of the sidecar of `service`; with an application if it is an endpoint's.
pub(super) fn settings(limits: &LimitsPlan, service: &str, endpoint: Option<usize>) -> Settings {
    Settings {
        identity: Some(identity(service)),
        app: endpoint.map(server_address),
        outbound_streams_max: limits.outbound_streams_max,
        inbound_streams_max: limits.inbound_streams_max,
        window_growth_bytes: limits.window_growth_bytes,
        replay_bytes_max: limits.replay_bytes_max,
        ..Settings::new(service)
    }
}

/// The plainest configuration: these endpoints in both clusters.
pub(super) fn of(plan: &Plan, endpoints: &[usize]) -> Snapshot {
    snapshot(plan, endpoints, endpoints, (1, 1))
}

/// Another one: some endpoints in each cluster, never none at all, and other weights.
pub(super) fn other(plan: &Plan, seed: u64) -> Snapshot {
    let mut random = Random::new(seed);
    let mut some = || {
        let kept = random.between(0, plan.endpoints - 1);
        (0..plan.endpoints)
            .filter(|endpoint| *endpoint == kept || random.chance(60))
            .collect::<Vec<_>>()
    };
    let (a, b) = (some(), some());
    let weights = random.pick(&[(1, 0), (0, 1), (9, 1), (1, 1)]);
    snapshot(plan, &a, &b, weights)
}

/// All endpoints have left the first cluster, the second, or both.
pub(super) fn starved(plan: &Plan, seed: u64) -> Snapshot {
    let mut random = Random::new(seed);
    let all: Vec<_> = (0..plan.endpoints).collect();
    let (a, b) = random.pick(&[(&all[..0], &all[..]), (&all, &[]), (&[], &[])]);
    snapshot(plan, a, b, (1, 1))
}

fn snapshot(plan: &Plan, a: &[usize], b: &[usize], weights: (u32, u32)) -> Snapshot {
    let clusters = [("echo-a", a), ("echo-b", b)]
        .map(|(name, endpoints)| (name.to_owned(), Arc::new(cluster(plan, name, endpoints))));
    Snapshot {
        version: "simulated".to_owned(),
        routes: RouteTable::build(vec![host(&plan.rules, weights)])
            .expect("a valid route table")
            .into(),
        clusters: BTreeMap::from(clusters),
        inbound: listener(),
        outbound: listener(),
        ..Snapshot::default()
    }
}

fn listener() -> ListenerPolicy {
    ListenerPolicy {
        lifetimes: lasting(),
        ..ListenerPolicy::default()
    }
}

/// A world comes to rest when nothing is due: idle and old connections are no troubles here.
fn lasting() -> Lifetimes {
    Lifetimes {
        idle: None,
        age: None,
        ..Lifetimes::default()
    }
}

fn cluster(plan: &Plan, name: &str, endpoints: &[usize]) -> Cluster {
    let default = HealthRules::default();
    let health = HealthRules {
        breaker: default.breaker.filter(|_| plan.rules.breaker),
        outlier: plan.rules.ejection.then(OutlierRules::default),
    };
    let endpoint = |endpoint: &usize| Endpoint::at(sidecar_address(*endpoint));
    Cluster {
        name: name.to_owned(),
        transport: Transport::MutualTls {
            peer: identity("echo"),
        },
        endpoints: endpoints.iter().map(endpoint).collect(),
        policy: ClusterPolicy {
            health,
            limits: Limits {
                calls: plan.rules.calls,
                waiting: plan.rules.waiting,
            },
            lifetimes: lasting(),
            ..ClusterPolicy::default()
        },
        unresolved: None,
        shared: Default::default(),
    }
}

fn host(rules: &RulesPlan, weights: (u32, u32)) -> VirtualHost {
    VirtualHost {
        name: "echo".to_owned(),
        domains: vec!["echo".to_owned(), "grpc/sim.Echo".to_owned()],
        routes: Method::ALL
            .iter()
            .map(|method| route(rules, *method, weights))
            .collect(),
    }
}

fn route(rules: &RulesPlan, method: Method, (a, b): (u32, u32)) -> Route {
    let weighted = |(cluster, weight): (&str, u32)| WeightedCluster {
        cluster: cluster.to_owned(),
        weight,
    };
    let path = match method {
        Method::Fetch => PathMatch::Prefix("/files/".to_owned()),
        grpc => PathMatch::Exact(grpc.path().to_owned()),
    };
    Route {
        name: format!("{method:?}"),
        matches: RouteMatch {
            path,
            ..RouteMatch::default()
        },
        clusters: [("echo-a", a), ("echo-b", b)].map(weighted).into(),
        policy: CallPolicy {
            timeout: rules.timeout.filter(|_| method.is_unary()),
            per_try_timeout: rules.per_try_timeout.filter(|_| method.is_unary()),
            wait_for_ready: rules.wait_for_ready,
            unary: method.is_unary(),
            idempotent: method.is_idempotent(),
            // Half of the calls without a trace context: both ways of making an attempt's span.
            sampling: Sampling::new(500_000).unwrap_or_default(),
            retry: RetryPolicy {
                attempts_max: rules.attempts_max,
                ..RetryPolicy::default()
            },
        },
    }
}
