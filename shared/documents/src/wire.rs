//! The documents as they are written: the shape, nothing checked.
//!
//! Fields and their order are the operator's reference (`docs/CONFIG.md`, which a
//! test keeps complete against these structs). Fields that the Gateway API has and
//! the mesh does not enforce yet are [`Unenforced`], so that they are refused by name instead
//! of being taken for a typo.

mod authorization;

pub(crate) use authorization::{
    Action, AuthorizationPolicySpec, AuthorizationRule, Condition, From, Operation, Source, Texts,
    To,
};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// Present or not; where it stands is all that is kept.
pub(crate) type Unenforced = Option<Spanned<IgnoredAny>>;

/// What every document begins with; read leniently, to find out what it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Head {
    pub api_version: Option<Spanned<String>>,
    pub kind: Option<Spanned<String>>,
}

/// A whole document of a known kind.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Document<Spec> {
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    pub metadata: Metadata,
    pub spec: Spec,
    /// Written by controllers on Kubernetes; says nothing about what is wanted.
    #[serde(default, rename = "status")]
    _status: IgnoredAny,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Metadata {
    pub name: Spanned<String>,
    pub namespace: Option<Spanned<String>>,
    #[serde(default, rename = "labels")]
    _labels: BTreeMap<String, String>,
    #[serde(default, rename = "annotations")]
    _annotations: BTreeMap<String, String>,
}

impl Metadata {
    /// The namespace that is written, or the one that holds where none is.
    pub fn namespace(&self) -> &str {
        let written = self.namespace.as_ref();
        written.map_or("default", |namespace| &namespace.value)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MeshSpec {
    pub trust_domain: Option<Spanned<String>>,
    pub tracing: Option<Tracing>,
    pub registration: Option<Registration>,
    pub connections: Option<Connections>,
    pub authorization: Option<Authorization>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Authorization {
    pub default: Option<Spanned<AuthorizationDefault>>,
}

/// What becomes of a call to a service that has no ALLOW policy, when no DENY policy matches it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum AuthorizationDefault {
    #[default]
    Allow,
    Deny,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Connections {
    pub handshake_timeout: Option<Spanned<String>>,
    pub header_timeout: Option<Spanned<String>>,
    pub stalled_timeout: Option<Spanned<String>>,
    pub idle_timeout: Option<Spanned<String>>,
    pub max_age: Option<Spanned<String>>,
    pub keepalive: Option<Keepalive>,
    pub foreign_keepalive: Option<Keepalive>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Keepalive {
    pub interval: Option<Spanned<String>>,
    pub timeout: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Registration {
    pub verify: Option<Spanned<Verify>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Verify {
    #[default]
    Warn,
    Require,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Tracing {
    pub sample_percent: Option<Spanned<f64>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ServiceSpec {
    #[serde(default)]
    pub grpc_services: Vec<Spanned<String>>,
    /// Absent: mesh.
    pub tls: Option<Spanned<Tls>>,
    /// Absent: registered.
    pub endpoints: Option<Spanned<Endpoints>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Tls {
    #[default]
    Mesh,
    None,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Endpoints {
    #[serde(rename = "static")]
    pub fixed: Option<Spanned<Vec<StaticEndpoint>>>,
    pub registered: Option<Spanned<Registered>>,
    pub address_family: Option<Spanned<AddressFamily>>,
}

/// Which addresses of the names in `static` count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum AddressFamily {
    #[default]
    Any,
    Ipv4First,
    Ipv4,
    Ipv6,
}

/// Says all by being there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Registered {}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StaticEndpoint {
    pub address: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GrpcRouteSpec {
    pub parent_refs: Spanned<Vec<Reference>>,
    pub hostnames: Unenforced,
    pub rules: Spanned<Vec<Rule>>,
}

/// A reference to a Service, in any of the places where the Gateway API has one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Reference {
    pub group: Option<Spanned<String>>,
    pub kind: Option<Spanned<String>>,
    pub name: Spanned<String>,
    pub namespace: Option<Spanned<String>>,
    pub port: Unenforced,
    pub section_name: Unenforced,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Rule {
    pub name: Option<Spanned<String>>,
    #[serde(default)]
    pub matches: Vec<Match>,
    pub filters: Unenforced,
    pub backend_refs: Spanned<Vec<BackendRef>>,
    pub session_persistence: Unenforced,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Match {
    pub method: Option<Spanned<MethodMatch>>,
    #[serde(default)]
    pub headers: Vec<HeaderMatch>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MethodMatch {
    #[serde(rename = "type")]
    pub match_type: Option<Spanned<MatchType>>,
    pub service: Option<Spanned<String>>,
    pub method: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct HeaderMatch {
    #[serde(rename = "type")]
    pub match_type: Option<Spanned<MatchType>>,
    pub name: Spanned<String>,
    pub value: Spanned<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum MatchType {
    Exact,
    RegularExpression,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BackendRef {
    pub group: Option<Spanned<String>>,
    pub kind: Option<Spanned<String>>,
    pub name: Spanned<String>,
    pub namespace: Option<Spanned<String>>,
    pub port: Unenforced,
    pub weight: Option<Spanned<u32>>,
    pub filters: Unenforced,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TrafficPolicySpec {
    pub target_refs: Spanned<Vec<Reference>>,
    pub timeout: Option<Spanned<String>>,
    pub connect_timeout: Option<Spanned<String>>,
    pub max_connection_age: Option<Spanned<String>>,
    pub max_connections_per_endpoint: Option<Spanned<u32>>,
    pub wait_for_ready: Option<Spanned<String>>,
    pub retry: Option<Retry>,
    pub breaker: Option<Breaker>,
    pub outlier_detection: Option<OutlierDetection>,
    pub limits: Option<Limits>,
    pub rate_limits: Option<Spanned<Vec<RateLimit>>>,
    #[serde(default)]
    pub methods: Vec<Method>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Retry {
    pub attempts: Option<Spanned<u32>>,
    pub per_try_timeout: Option<Spanned<String>>,
    pub on: Option<Vec<Spanned<String>>>,
    pub budget: Option<Budget>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Budget {
    pub percent: Option<Spanned<u32>>,
    pub min_per_second: Option<Spanned<u32>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Breaker {
    pub failure_percent: Option<Spanned<u32>>,
    pub window: Option<Spanned<String>>,
    pub min_calls: Option<Spanned<u32>>,
    pub consecutive_failures: Option<Spanned<u32>>,
    pub open_time: Option<Spanned<String>>,
    pub max_open_time: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OutlierDetection {
    pub consecutive_failures: Option<Spanned<u32>>,
    pub base_ejection_time: Option<Spanned<String>>,
    pub max_ejection_percent: Option<Spanned<u32>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Limits {
    pub calls: Option<Spanned<u32>>,
    pub waiting: Option<Spanned<u32>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RateLimit {
    pub name: Spanned<String>,
    pub algorithm: Option<RateAlgorithm>,
    pub limit: Spanned<u32>,
    pub period: Option<Spanned<String>>,
    pub burst: Option<Spanned<u32>>,
    pub max_wait: Option<Spanned<String>>,
    pub warm_up: Option<Spanned<String>>,
    pub per: Option<Spanned<Per>>,
    pub header: Option<Spanned<String>>,
    pub max_keys: Option<Spanned<u32>>,
    #[serde(default)]
    pub response_headers: bool,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RateAlgorithm {
    TokenBucket,
    LeakyBucket,
    SlidingWindow,
    FixedWindow,
}

/// What a rate limit counts by itself.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Per {
    #[default]
    Service,
    Method,
    Caller,
    Header,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Method {
    pub name: Spanned<String>,
    #[serde(default)]
    pub unary: bool,
    #[serde(default)]
    pub idempotent: bool,
    pub timeout: Option<Spanned<String>>,
    pub per_try_timeout: Option<Spanned<String>>,
    pub wait_for_ready: Option<Spanned<String>>,
}
