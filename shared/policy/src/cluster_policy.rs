//! What one cluster wants of its calls and connections, already effective.

use std::time::Duration;

use crate::{BudgetRules, Family, HealthRules, Lifetimes, Limits, RateLimit};

/// What holds for all calls to a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterPolicy {
    /// Retries allowed as a share of calls. Default 20 % or 3/s, whichever is larger.
    pub budget: BudgetRules,
    /// Breaker (on by default) and ejection (off unless set) of each endpoint, and their ceiling.
    pub health: HealthRules,
    /// Ceilings on calls in flight and waiting.
    pub limits: Limits,
    /// How many calls may come in a period; a call needs a permit of each, in this order. Names differ.
    pub rate_limits: Vec<RateLimit>,
    /// Connections that a worker may have to each endpoint, 1 or more. Default 16; between sidecars
    /// as many as `limits` may need, if that is more.
    pub connections_max: Option<u32>,
    /// Longest wait for a TCP connection and TLS handshake. Default 1 s; Envoy's is 5 s, too long beside a
    /// retry.
    pub connect_timeout: Duration,
    /// How long connections to its endpoints live.
    pub lifetimes: Lifetimes,
    /// Of a name with addresses of both families, the one that is tried first. Default IPv6 (RFC 8305,
    /// RFC 6724).
    pub first_family: Family,
}

impl Default for ClusterPolicy {
    fn default() -> ClusterPolicy {
        ClusterPolicy {
            budget: BudgetRules::default(),
            health: HealthRules::default(),
            limits: Limits::default(),
            rate_limits: Vec::new(),
            connections_max: None,
            connect_timeout: Duration::from_secs(1),
            lifetimes: Lifetimes::default(),
            first_family: Family::Ipv6,
        }
    }
}
