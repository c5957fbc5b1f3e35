//! The documents after all checks: one configuration, references resolved.
//!
//! Only [`crate::load`] makes one, so it is not checked again.

use crate::names::Address;
use crate::wire::{AddressFamily, AuthorizationDefault, Tls, Verify};
use outrider_policy::{AuthorizationPolicy, Code, RateLimit, RetryPolicy};
use std::net::SocketAddr;
use std::time::Duration;

/// A set of documents that hold together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documents {
    pub(crate) mesh: Mesh,
    /// Ordered by name.
    pub(crate) services: Vec<Service>,
}

impl Documents {
    /// The trust domain of the mesh.
    pub fn trust_domain(&self) -> &str {
        &self.mesh.trust_domain
    }

    /// May every member call each service that has no ALLOW AuthorizationPolicy?
    pub fn allows_by_default(&self) -> bool {
        self.mesh.authorization_default == AuthorizationDefault::Allow
    }

    /// Is an address that registers taken only when it is proven to be the member's?
    pub fn requires_proof(&self) -> bool {
        self.mesh.verify == Verify::Require
    }

    /// The names of all services, in order.
    pub fn service_names(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(|service| service.name.as_str())
    }

    /// The namespace of a service; `None` if there is no such service.
    pub fn namespace_of(&self, service: &str) -> Option<&str> {
        Some(&self.service(service)?.namespace)
    }

    /// The service that says that it implements a gRPC service.
    pub fn implementer_of(&self, grpc_service: &str) -> Option<&str> {
        let mut services = self.services.iter();
        let found = services.find(|it| it.grpc_services.iter().any(|name| name == grpc_service));
        Some(&found?.name)
    }

    /// The service of that name.
    pub(crate) fn service(&self, name: &str) -> Option<&Service> {
        let found = (self.services).binary_search_by(|known| known.name.as_str().cmp(name));
        Some(&self.services[found.ok()?])
    }

    /// The names of the services whose endpoints are those that register, in order. Only a
    /// control plane knows these.
    pub fn registered_service_names(&self) -> impl Iterator<Item = &str> {
        let services = self.services.iter();
        let registered = services.filter(|service| match service.endpoints {
            Endpoints::Registered(_) => true,
            Endpoints::Static(..) => false,
        });
        registered.map(|service| service.name.as_str())
    }
}

/// What holds for all services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mesh {
    pub trust_domain: String,
    /// Traces recorded of those that begin in the mesh. Parts per million; absent: the sidecar's
    /// default.
    pub sampled_per_million: Option<u32>,
    /// What becomes of an address that is not proven to be its member's.
    pub verify: Verify,
    pub connections: Connections,
    pub authorization_default: AuthorizationDefault,
}

/// How long connections live; absent values take the sidecar's defaults, zero turns off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Connections {
    pub handshake_timeout: Option<Duration>,
    pub header_timeout: Option<Duration>,
    pub stalled_timeout: Option<Duration>,
    pub idle_timeout: Option<Duration>,
    pub max_age: Option<Duration>,
    pub keepalive: Option<Keepalive>,
    pub foreign_keepalive: Option<Keepalive>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keepalive {
    pub interval: Option<Duration>,
    pub timeout: Option<Duration>,
}

/// A service with everything that was said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    pub name: String,
    pub namespace: String,
    pub grpc_services: Vec<String>,
    pub tls: Tls,
    pub endpoints: Endpoints,
    pub policy: TrafficPolicy,
    /// In order of precedence. Empty: no GRPCRoute, everything goes to the service.
    pub rules: Vec<RouteRule>,
    /// Who may call it, in the order of the policies' names.
    pub authorization: Vec<AuthorizationPolicy>,
}

/// Where a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoints {
    /// As written; at least one. The family is of names.
    Static(Vec<Address>, AddressFamily),
    /// Those that register; empty in a document alone.
    Registered(Vec<SocketAddr>),
}

/// One match of one rule of a GRPCRoute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteRule {
    pub name: String,
    pub target: MethodTarget,
    pub headers: Vec<(String, String)>,
    pub backends: Vec<Backend>,
}

/// Which calls a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MethodTarget {
    Any,
    Service(String),
    Method(MethodName),
}

/// A full method name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MethodName {
    pub service: String,
    pub method: String,
}

impl std::fmt::Display for MethodName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.service, self.method)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Backend {
    pub service: String,
    pub weight: u32,
}

/// How the calls to a service are treated; absent values take the sidecar's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrafficPolicy {
    pub connect_timeout: Option<Duration>,
    /// Instead of the Mesh's; zero: only before a certificate ends.
    pub max_connection_age: Option<Duration>,
    /// 1 or more.
    pub max_connections_per_endpoint: Option<u32>,
    /// Of the methods that are not in `methods`.
    pub wait_for_ready: Option<Duration>,
    /// In the range of `RetryPolicy::ATTEMPTS`.
    pub attempts: u32,
    /// Codes that are retried for idempotent methods.
    pub on: Vec<Code>,
    pub budget: Option<Budget>,
    pub breaker: Option<Breaker>,
    pub outlier: Option<OutlierDetection>,
    pub limits: Limits,
    pub rate_limits: Vec<RateLimit>,
    pub methods: Vec<Method>,
}

impl Default for TrafficPolicy {
    fn default() -> TrafficPolicy {
        let retry = RetryPolicy::default();
        let on = Code::ALL
            .into_iter()
            .filter(|code| retry.on.contains(*code));
        TrafficPolicy {
            connect_timeout: None,
            max_connection_age: None,
            max_connections_per_endpoint: None,
            wait_for_ready: None,
            attempts: u32::from(retry.attempts_max),
            on: on.collect(),
            budget: None,
            breaker: None,
            outlier: None,
            limits: Limits::default(),
            rate_limits: Vec::new(),
            methods: Vec::new(),
        }
    }
}

/// A method with what holds for it; a service-level timeout is already in it if it
/// is unary, and how long it waits for an endpoint whatever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Method {
    pub name: MethodName,
    pub unary: bool,
    pub idempotent: bool,
    pub timeout: Option<Duration>,
    pub per_try_timeout: Option<Duration>,
    pub wait_for_ready: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    pub percent: Option<u32>,
    pub min_per_second: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Breaker {
    pub failure_percent: Option<u32>,
    pub window: Option<Duration>,
    pub min_calls: Option<u32>,
    pub consecutive_failures: Option<u32>,
    pub open_time: Option<Duration>,
    pub max_open_time: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutlierDetection {
    pub consecutive_failures: Option<u32>,
    pub base_ejection_time: Option<Duration>,
    pub max_ejection_percent: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub calls: Option<u32>,
    pub waiting: Option<u32>,
}
