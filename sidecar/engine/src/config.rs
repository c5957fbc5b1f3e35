//! The engine's configuration: plain data, built off the worker, swapped as one pointer.
//!
//! Knows nothing of documents or xDS; the daemon renders those into this. A cluster that is equal
//! to its predecessor keeps its breakers, latencies and connections over a swap.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use outrider_http2::{self as http2, Budget};
use outrider_identity::SpiffeId;
use outrider_policy::{
    ClusterPolicy, HealthRules, Limits, ListenerPolicy, Locality, RouteTable, Tick,
};

use crate::cluster::shared_state::SharedState;
use crate::ids::Side;

/// Everything the operator said, as of one version.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Content hash of what was accepted; shown by `/config` and in logs.
    pub version: String,
    /// Which call goes to which cluster, under which policy.
    pub routes: Arc<RouteTable>,
    /// Every cluster a route may name, by name.
    pub clusters: BTreeMap<String, Arc<Cluster>>,
    /// What it means that a service is not in `routes`.
    pub discovery: Discovery,
    /// The policy of the connections and calls of other sidecars, and of connections to the local
    /// application.
    pub inbound: ListenerPolicy,
    /// The policy of the connections and calls of the local application.
    pub outbound: ListenerPolicy,
}

/// What a configuration says of services that it does not name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Discovery {
    /// There are no others: a call to one is refused at once. So it is with documents.
    #[default]
    Complete,
    /// Services become known on demand: the first call to one requests it
    /// ([`Action::Want`](crate::Action::Want)), and all wait for a configuration that names it here
    /// or in `routes`.
    OnDemand {
        /// Names that were asked for and that no service has, in the form of `Action::Want`.
        absent: BTreeSet<String>,
    },
}

impl Snapshot {
    /// The policy of what the listener of a side accepts.
    pub(crate) fn listener(&self, side: Side) -> &ListenerPolicy {
        match side {
            Side::Inbound => &self.inbound,
            Side::Outbound => &self.outbound,
        }
    }

    /// Takes over from the version in force the state that is shared by workers (retry budgets, rate
    /// limits), so that a swap does not refill what is spent, and since when each endpoint is known; others are known since
    /// `now`. Equal routes are the same ones, so that a change of endpoints leaves them alone.
    pub fn inherit(&mut self, previous: &Snapshot, now: Tick) {
        if self.routes == previous.routes {
            self.routes = Arc::clone(&previous.routes);
        }
        for cluster in self.clusters.values_mut() {
            let known = previous.clusters.get(&cluster.name);
            Arc::make_mut(cluster).inherit_ages(known.map_or(&[], |it| &it.endpoints), now);
        }
        for (name, cluster) in &mut self.clusters {
            if let Some(old) = previous.clusters.get(name) {
                if **old == **cluster {
                    *cluster = Arc::clone(old);
                } else {
                    let (before, after) = (&old.policy.rate_limits, &cluster.policy.rate_limits);
                    let shared = old.shared.under(before, after);
                    Arc::make_mut(cluster).shared = shared;
                }
            }
        }
    }
}

/// One upstream service and how to reach it.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The service's name; the `service` label of metrics.
    pub name: String,
    /// Plaintext, or mutual TLS with the identity each endpoint must present.
    pub transport: Transport,
    /// Where it runs: resolved addresses, no duplicates, in any order.
    pub endpoints: Vec<Endpoint>,
    /// Host names of endpoints that stand for no address, and why, as one sentence. `None`: there are
    /// none.
    pub unresolved: Option<String>,
    /// Breakers, budgets, ceilings.
    pub policy: ClusterPolicy,
    /// State of these policies, one for all workers.
    pub shared: SharedState,
}

impl Cluster {
    fn inherit_ages(&mut self, known: &[Endpoint], now: Tick) {
        let since = known.iter().map(|it| (it.address, it.known_since));
        let since: BTreeMap<_, _> = since.collect();
        for endpoint in &mut self.endpoints {
            endpoint.known_since = since.get(&endpoint.address).copied().unwrap_or(now);
        }
    }
}

/// Equal in what was configured; state does not count.
impl PartialEq for Cluster {
    fn eq(&self, other: &Cluster) -> bool {
        self.name == other.name
            && self.transport == other.transport
            && self.endpoints == other.endpoints
            && self.unresolved == other.unresolved
            && self.policy == other.policy
    }
}

/// How the hop to an endpoint is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTP/2 with prior knowledge, no TLS.
    Plaintext,
    /// Mutual TLS 1.3.
    MutualTls {
        /// The identity the endpoint must present, compared octet by octet.
        peer: SpiffeId,
    },
}

/// One address of a cluster, and what its source says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// The host and port that were written, if they stand for addresses of both families: one of those
    /// is the fall-back of the other.
    pub two_families: Option<Arc<str>>,
    /// Its share of the calls beside endpoints of the same priority. Default 1; 0 and all that is less than
    /// a hundredth of the largest weight count as that.
    pub weight: u32,
    /// 0 is the best. Those of another are used while all endpoints of better ones are out.
    pub priority: u32,
    /// Where it is. Shown; decides nothing yet.
    pub locality: Locality,
    /// What its source says of its health. Only healthy ones are picked.
    pub health: HealthStatus,
    /// What its source says of it besides. Shown; decides nothing yet.
    pub metadata: BTreeMap<String, String>,
    /// Since when this sidecar has known it without a gap.
    pub known_since: Tick,
}

impl Endpoint {
    /// A healthy address that has no fall-back, of weight 1 and the best priority.
    pub fn at(address: SocketAddr) -> Endpoint {
        Endpoint {
            address,
            two_families: None,
            weight: 1,
            priority: 0,
            locality: Locality::default(),
            health: HealthStatus::Healthy,
            metadata: BTreeMap::new(),
            known_since: Tick::ZERO,
        }
    }
}

/// The health of an endpoint as its source knows it; what calls teach is `policy`'s `EndpointHealth`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HealthStatus {
    /// Takes calls, as far as the source knows.
    #[default]
    Healthy,
    /// Does not.
    Unhealthy,
    /// Finishes what it has and takes nothing new.
    Draining,
}

/// As [`ClusterPolicy::connect_timeout`], for the local application. 20 s, the least that gRPC's libraries give
/// a connection (gRPC "Connection Backoff Protocol", MIN_CONNECT_TIMEOUT): on one machine a connection that is
/// not refused is to an application that is busy, as with its start, and there is no other.
const APP_CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// The policy of the local application behind the inbound listener: there is no other endpoint to go to,
/// so no breaker takes it out, and the caller's sidecar holds the ceiling on calls in flight.
pub(crate) fn app_policy() -> ClusterPolicy {
    ClusterPolicy {
        health: HealthRules {
            breaker: None,
            outlier: None,
        },
        limits: Limits {
            calls: u32::MAX,
            ..Limits::default()
        },
        connect_timeout: APP_CONNECT_TIMEOUT,
        ..ClusterPolicy::default()
    }
}

/// Default for [`Settings::outbound_streams_max`]. An application's own library lets calls above it
/// wait, where nobody sees them: so it is more than an ordinary burst on one connection. Each stream
/// costs some 1.5 KiB.
pub const OUTBOUND_STREAMS_DEFAULT: u32 = 8_000;

/// Default for [`Settings::inbound_streams_max`]. A caller makes another connection when one is full.
pub const INBOUND_STREAMS_DEFAULT: u32 = 1_000;

/// Default for [`Settings::discovery_wait`].
pub const DISCOVERY_WAIT_DEFAULT: Duration = Duration::from_secs(15);

/// Fixed for the life of the process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The service this sidecar stands beside; names the hop in refusals.
    pub service: String,
    /// The own identity, put into `x-forwarded-client-cert` as `By`. `None` without certificates.
    pub identity: Option<SpiffeId>,
    /// Where the inbound listener sends calls. `None`: a client-only sidecar, inbound is refused.
    pub app: Option<SocketAddr>,
    /// Streams a downstream connection of the local application may have open. Default 8,000.
    pub outbound_streams_max: u32,
    /// Streams a connection from another sidecar may have open. Default 1,000.
    pub inbound_streams_max: u32,
    /// What the peer of any connection may do. Streams and trust are set for each by what it is.
    pub http2: http2::Config,
    /// Inbound TLS handshakes under way at once; one more ends one of them. Default 2,048.
    pub handshakes_max: usize,
    /// Window growth shared by all connections of a worker. Bytes; default 8 MiB.
    pub window_growth_bytes: usize,
    /// Request bytes kept for retries by all calls of a worker. Bytes; default 8 MiB.
    pub replay_bytes_max: usize,
    /// Longest time a call waits, within its deadline, for a service that is not known yet or for
    /// a cluster's first endpoint. Default 15 s, Envoy's `initial_fetch_timeout`; 0 refuses at once
    /// what a start in the wrong order would mend a second later.
    pub discovery_wait: Duration,
}

impl Settings {
    /// The defaults, for a service of this name.
    pub fn new(service: &str) -> Settings {
        Settings {
            service: service.to_owned(),
            identity: None,
            app: None,
            outbound_streams_max: OUTBOUND_STREAMS_DEFAULT,
            inbound_streams_max: INBOUND_STREAMS_DEFAULT,
            http2: http2::Config::default(),
            handshakes_max: 2_048,
            window_growth_bytes: 8 << 20,
            replay_bytes_max: 8 << 20,
            discovery_wait: DISCOVERY_WAIT_DEFAULT,
        }
    }

    /// What callers of this side may do on one connection.
    pub(crate) fn downstream(&self, side: Side) -> http2::Config {
        let (streams, resets) = match side {
            Side::Outbound => (self.outbound_streams_max, self.http2.resets),
            Side::Inbound => (
                self.inbound_streams_max,
                of_member(
                    self.http2.resets,
                    self.inbound_streams_max.min(BURST_OF_MEMBER),
                ),
            ),
        };
        http2::Config {
            max_concurrent_streams: Some(streams),
            peer_is_trusted: side == Side::Inbound,
            resets,
            ..self.http2.clone()
        }
    }
}

/// Streams that another sidecar cancels at once, as far as its budget counts them. Not all that it may have:
/// over the budget its next calls are held until they are 10 ms old, and none is refused, while each that is
/// counted here reaches the application to be taken back.
const BURST_OF_MEMBER: u32 = 100;

/// Who proved to be a member of the mesh is refused when it resets too much, never closed. It cancels
/// for all its callers, and for every deadline: twice both at the same time, and again every tenth of
/// a second.
fn of_member(resets: Budget, streams: u32) -> Budget {
    Budget {
        burst: resets.burst.max(streams.saturating_mul(4)),
        refill_per_second: resets.refill_per_second.max(streams.saturating_mul(10)),
    }
}
