//! A worker's state of one cluster: its endpoints' health, latency and connections.
//!
//! Made on a cluster's first use and shared by the calls that use it (`Rc`, one thread). A swap of
//! configuration makes a new [`ClusterState`] around the same [`EndpointState`]s, so calls in flight
//! keep what they hold and nothing learned is lost.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use outrider_policy::{Admission, Breaker, EndpointHealth, EwmaRules, PeakEwma, Tick, pick_p2c};

use crate::config::{Cluster, Transport};
use crate::contract::ConnectionId;
use crate::random::Random;
use crate::record::{ClusterGauge, EndpointGauge};

/// One cluster as this worker sees it.
pub(crate) struct ClusterState {
    pub(crate) config: Arc<Cluster>,
    pub(crate) name: Arc<str>,
    pub(crate) endpoints: Vec<Rc<EndpointState>>,
    pub(crate) load: Rc<Load>,
    /// The own application behind the inbound listener, not a member of the mesh.
    pub(crate) is_app: bool,
}

/// Calls of a cluster, over all versions of its configuration.
#[derive(Default)]
pub(crate) struct Load {
    /// Invariant: `calls <= limits.calls_max` at admission.
    pub(crate) calls: Cell<u32>,
    /// Calls without a stream because their connection is being made, or because there is no
    /// endpoint to connect to.
    pub(crate) waiting: Cell<u32>,
    /// The newest version.
    newest: RefCell<Weak<ClusterState>>,
}

/// One endpoint as this worker sees it.
pub(crate) struct EndpointState {
    pub(crate) address: SocketAddr,
    pub(crate) health: Cell<EndpointHealth>,
    pub(crate) latency: Cell<PeakEwma>,
    pub(crate) in_flight: Cell<u32>,
    /// Connections that may still get streams, oldest first.
    pub(crate) connections: RefCell<Vec<ConnectionId>>,
    /// How often it called our pings too many.
    pub(crate) ping_complaints: Cell<u8>,
}

/// An endpoint chosen for an attempt.
pub(crate) struct Pick {
    pub(crate) endpoint: Rc<EndpointState>,
    /// What its health said; goes back to it when the attempt ends.
    pub(crate) admission: Admission,
    /// Every endpoint was out; this is the least bad.
    pub(crate) panic: bool,
}

impl ClusterState {
    /// As [`ClusterState::new`]; it is the newest version from now on.
    pub(crate) fn shared(
        config: Arc<Cluster>,
        previous: Option<&ClusterState>,
        now: Tick,
    ) -> Rc<ClusterState> {
        let state = Rc::new(ClusterState::new(config, previous, now));
        state.load.newest.replace(Rc::downgrade(&state));
        state
    }

    /// What is in force for the endpoints now: a call keeps the version it began with, and may end
    /// long after that was replaced.
    pub(crate) fn newest(self: &Rc<ClusterState>) -> Rc<ClusterState> {
        let newest = self.load.newest.borrow().upgrade();
        newest.unwrap_or_else(|| Rc::clone(self))
    }

    /// State for `config`, taking over what `previous` knew of the same endpoints.
    pub(crate) fn new(
        config: Arc<Cluster>,
        previous: Option<&ClusterState>,
        now: Tick,
    ) -> ClusterState {
        let kept = previous.filter(|old| old.config.transport == config.transport);
        let known = |address| {
            kept.and_then(|old| {
                old.endpoints
                    .iter()
                    .find(|known| known.address == address)
                    .cloned()
            })
        };
        let endpoints = config
            .endpoints
            .iter()
            .map(|endpoint| {
                known(endpoint.address)
                    .unwrap_or_else(|| Rc::new(EndpointState::new(endpoint.address, now)))
            })
            .collect();
        let load = previous.map(|old| Rc::clone(&old.load)).unwrap_or_default();
        ClusterState {
            name: Arc::from(config.name.as_str()),
            config,
            endpoints,
            load,
            is_app: false,
        }
    }

    pub(crate) fn is_secured(&self) -> bool {
        matches!(self.config.transport, Transport::MutualTls { .. })
    }

    /// Chooses an endpoint: power of two choices by peak EWMA among those in rotation and not in
    /// `tried`; then among those in rotation; then the least bad of all.
    pub(crate) fn pick(
        &self,
        tried: &[SocketAddr],
        now: Tick,
        random: &mut Random,
    ) -> Option<Pick> {
        let count = self.endpoints.len();
        let cost = |index: usize| self.endpoints[index].cost(now);
        let is_in = |index: usize| {
            self.endpoints[index].health.get().would_admit(now) != Admission::Refused
        };
        let is_fresh = |index: usize| !tried.contains(&self.endpoints[index].address);
        let mut draw = || random.next_u64();
        let chosen = pick_p2c(
            count,
            &mut draw,
            |index| is_in(index) && is_fresh(index),
            cost,
        )
        .or_else(|| pick_p2c(count, &mut draw, is_in, cost))
        .map(|index| (index, false))
        .or_else(|| pick_p2c(count, &mut draw, is_fresh, cost).map(|index| (index, true)))
        .or_else(|| pick_p2c(count, &mut draw, |_| true, cost).map(|index| (index, true)));
        let (index, panic) = chosen?;
        let endpoint = Rc::clone(&self.endpoints[index]);
        let (health, admission) = endpoint.health.get().admit(&self.config.policy.health, now);
        endpoint.health.set(health);
        Some(Pick {
            endpoint,
            admission,
            panic,
        })
    }

    /// May one more endpoint be taken out of rotation?
    pub(crate) fn may_eject(&self, now: Tick) -> bool {
        let out = self
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.health.get().is_out(now))
            .count();
        self.config
            .policy
            .health
            .may_eject(out, self.endpoints.len())
    }

    pub(crate) fn gauge(&self, now: Tick) -> ClusterGauge {
        ClusterGauge {
            name: Arc::clone(&self.name),
            endpoints: self
                .endpoints
                .iter()
                .map(|endpoint| endpoint.gauge(now))
                .collect(),
        }
    }
}

impl EndpointState {
    fn new(address: SocketAddr, now: Tick) -> EndpointState {
        EndpointState {
            address,
            health: Cell::default(),
            latency: Cell::new(PeakEwma::new(&EwmaRules::default(), now)),
            in_flight: Cell::new(0),
            connections: RefCell::default(),
            ping_complaints: Cell::new(0),
        }
    }

    fn cost(&self, now: Tick) -> f64 {
        self.latency
            .get()
            .cost(&EwmaRules::default(), now, self.in_flight.get())
    }

    fn gauge(&self, now: Tick) -> EndpointGauge {
        let health = self.health.get();
        EndpointGauge {
            address: self.address,
            in_flight: self.in_flight.get(),
            latency: self.latency.get().usual_latency(),
            out: health.is_out(now),
            breaker: match health.breaker() {
                Breaker::Closed { .. } => "closed",
                Breaker::Open { .. } => "open",
                Breaker::HalfOpen { .. } => "half_open",
            },
            connections: u32::try_from(self.connections.borrow().len()).unwrap_or(u32::MAX),
        }
    }
}
