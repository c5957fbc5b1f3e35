//! A worker's state of one cluster: its endpoints' health, latency and connections.
//!
//! Made on a cluster's first use and shared by the calls that use it (`Rc`, one thread). A swap of
//! configuration makes a new [`ClusterState`] around the same [`EndpointState`]s, so calls in flight
//! keep what they hold and nothing learned is lost.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use outrider_policy::{
    Access, Admission, Breaker, Candidate, Class, EndpointHealth, Estimate, Observation, Seen,
    Tick, Turn, Usual,
};

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

/// Calls of a cluster and what they taught, over all versions of its configuration.
#[derive(Default)]
pub(crate) struct Load {
    /// Invariant: `calls <= limits.calls_max` at admission.
    pub(crate) calls: Cell<u32>,
    /// Calls without a stream because their connection is being made, or because there is no
    /// endpoint to connect to.
    pub(crate) waiting: Cell<u32>,
    /// Whose turn it is.
    pub(crate) turn: Cell<Turn>,
    /// How long an answer takes here.
    pub(crate) usual: Cell<Usual>,
    /// The newest version.
    newest: RefCell<Weak<ClusterState>>,
}

/// One endpoint as this worker sees it.
pub(crate) struct EndpointState {
    pub(crate) address: SocketAddr,
    pub(crate) health: Cell<EndpointHealth>,
    pub(crate) estimate: Cell<Estimate>,
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
    /// It is out and no probe is due, but no other is better.
    pub(crate) panic: bool,
}

impl ClusterState {
    /// As [`ClusterState::new`]; it is the newest version from now on.
    pub(crate) fn shared(
        config: Arc<Cluster>,
        previous: Option<&ClusterState>,
    ) -> Rc<ClusterState> {
        let state = Rc::new(ClusterState::new(config, previous));
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
    pub(crate) fn new(config: Arc<Cluster>, previous: Option<&ClusterState>) -> ClusterState {
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
                    .unwrap_or_else(|| Rc::new(EndpointState::new(endpoint.address)))
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

    /// Chooses an endpoint: the next in turn, unless another is better. What is better, in order, is
    /// `policy`'s [`Candidate`].
    pub(crate) fn pick(
        &self,
        tried: &[SocketAddr],
        now: Tick,
        random: &mut Random,
    ) -> Option<Pick> {
        let count = self.endpoints.len();
        let (before, usual) = (self.load.turn.get(), self.load.usual.get());
        let mut turn = before;
        let candidate = |index: usize| {
            let found = &self.endpoints[index];
            let seen = Seen {
                tried: tried.contains(&found.address),
                access: found.health.get().access(now),
                in_flight: found.in_flight.get(),
            };
            Candidate::new(seen, &found.estimate.get(), &usual, &before, now)
        };
        let (index, chosen) = turn.pick(count, &mut || random.next_u64(), candidate)?;
        self.load.turn.set(turn);
        let endpoint = Rc::clone(&self.endpoints[index]);
        if chosen.is_trial {
            let estimate = endpoint.estimate.get();
            endpoint.estimate.set(estimate.tried(&turn, count, now));
        }
        let before = endpoint.health.get();
        let panic = matches!(before.access(now), Access::Paused | Access::Probing);
        let (health, admission) = before.admit(&self.config.policy.health, now);
        endpoint.health.set(health);
        Some(Pick {
            endpoint,
            admission,
            panic,
        })
    }

    /// What the end of an attempt as `class` says, for an endpoint's health. Only a
    /// fault may take the endpoint out, so only then the others are counted.
    pub(crate) fn observation(
        &self,
        endpoint: &Rc<EndpointState>,
        admission: Admission,
        class: Class,
        now: Tick,
        random: u64,
    ) -> Observation {
        let mut observation = Observation {
            admission,
            class,
            may_eject: false,
            is_common: false,
            random,
        };
        if matches!(class, Class::EndpointFault | Class::HalfFault) {
            let is_out = |other: &&Rc<EndpointState>| {
                !Rc::ptr_eq(other, endpoint) && other.health.get().is_out(now)
            };
            let (out, total) = (
                self.endpoints.iter().filter(is_out).count(),
                self.endpoints.len(),
            );
            observation.may_eject = self.config.policy.health.may_eject(out, total);
            observation.is_common = 2 * (out + 1) > total;
        }
        observation
    }

    pub(crate) fn gauge(&self, now: Tick) -> ClusterGauge {
        ClusterGauge {
            name: Arc::clone(&self.name),
            endpoints: self
                .endpoints
                .iter()
                .map(|endpoint| endpoint.gauge(&self.load.usual.get(), now))
                .collect(),
        }
    }
}

impl EndpointState {
    fn new(address: SocketAddr) -> EndpointState {
        EndpointState {
            address,
            health: Cell::default(),
            estimate: Cell::default(),
            in_flight: Cell::new(0),
            connections: RefCell::default(),
            ping_complaints: Cell::new(0),
        }
    }

    fn gauge(&self, usual: &Usual, now: Tick) -> EndpointGauge {
        let health = self.health.get();
        EndpointGauge {
            address: self.address,
            in_flight: self.in_flight.get(),
            latency: self.estimate.get().usual_latency(usual),
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
