//! A worker's state of one cluster: its endpoints' health, latency and connections.
//!
//! Made on a cluster's first use and shared by the calls that use it (`Rc`, one thread). A swap of
//! configuration makes a new [`ClusterState`] around the same [`EndpointState`]s, so calls in flight
//! keep what they hold and nothing learned is lost.

pub(crate) mod atomic_word;
pub(crate) mod lines;
mod lock;
mod shared_budget;
pub(crate) mod shared_limit;
pub(crate) mod shared_state;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use outrider_policy::{
    Admission, Availability, Breaker, Candidate, Class, EndpointHealth, EndpointStatus, Estimate,
    LatencyBaseline, Observation, Priorities, Share, Tick, Turn, Weights,
};

use crate::cluster::lines::ClusterLines;
use crate::config::{Cluster, Endpoint, HealthStatus, INBOUND_STREAMS_DEFAULT, Transport};
use crate::ids::ConnectionId;
use crate::net::families::{self, Families};
use crate::random::Random;
use crate::record::{ClusterGauge, EndpointGauge};

/// Connections per endpoint and worker, where no policy says how many.
const CONNECTIONS_MAX: usize = 16;

/// How long an endpoint without room is left out if nothing is heard of it. Room makes an event; this
/// is for what makes none, the passing of time.
const FULL_FOR: Duration = Duration::from_millis(100);

/// One cluster as this worker sees it.
pub(crate) struct ClusterState {
    pub(crate) config: Arc<Cluster>,
    pub(crate) name: Arc<str>,
    /// Those that may be picked, the best priority first.
    pub(crate) endpoints: Vec<Rc<EndpointState>>,
    /// Of each its place in `config.endpoints`.
    pub(crate) places: Vec<usize>,
    pub(crate) weights: Weights,
    pub(crate) priorities: Priorities,
    /// Of each endpoint, where a name has two; else empty.
    pub(crate) families: Vec<Option<Rc<Families>>>,
    pub(crate) load: Rc<Load>,
    /// The local application behind the inbound listener, not a member of the mesh.
    pub(crate) is_app: bool,
}

/// Calls of a cluster and what they taught, over all versions of its configuration.
#[derive(Default)]
pub(crate) struct Load {
    /// Invariant: `calls <= limits.calls` at admission.
    pub(crate) calls: Cell<u32>,
    /// Calls without a stream, whatever they wait for. Invariant: at most `limits.waiting` when
    /// one more begins to.
    pub(crate) waiting: Cell<u32>,
    /// Of these, all but those that wait for a connection.
    pub(crate) lines: ClusterLines,
    /// Whose turn it is.
    pub(crate) turn: Cell<Turn>,
    /// How long an answer takes here.
    pub(crate) baseline: Cell<LatencyBaseline>,
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
    /// It had no room at the last look, and is asked again then at the latest. Zero: it may have.
    full_until: Cell<Tick>,
    /// Streams that its connections take each, as the last of them said.
    pub(crate) streams_max: Cell<u32>,
    /// Beside a connection that works another could not be made: none is tried until then.
    pub(crate) no_more_until: Cell<Tick>,
    /// How often it called our pings too many.
    pub(crate) ping_complaints: Cell<u8>,
}

/// An endpoint chosen for an attempt.
pub(crate) struct Choice {
    pub(crate) endpoint: Rc<EndpointState>,
    /// It is out and no probe is due, but no other is better.
    pub(crate) panic: bool,
    /// It is to show whether the endpoint is well.
    is_trial: bool,
}

/// What a pick may know of the call.
#[derive(Clone, Copy)]
pub(crate) struct CallView<'c> {
    /// Endpoints that it has tried.
    pub(crate) tried: &'c [SocketAddr],
}

/// Those that their source says are healthy, with their places; the best priority first.
fn may_be_picked(endpoints: &[Endpoint]) -> Vec<(usize, &Endpoint)> {
    let healthy = endpoints.iter().enumerate();
    let healthy = healthy.filter(|(_, it)| it.health == HealthStatus::Healthy);
    let mut healthy: Vec<_> = healthy.collect();
    healthy.sort_by_key(|(_, it)| it.priority);
    healthy
}

fn weights(sorted: &[(usize, &Endpoint)]) -> Weights {
    let groups = sorted.chunk_by(|(_, one), (_, next)| one.priority == next.priority);
    let groups = groups.map(|group| group.iter().map(|(_, it)| it.weight).collect());
    let groups: Vec<Vec<u32>> = groups.collect();
    Weights::of_groups(groups.iter().map(Vec::as_slice))
}

fn priorities(sorted: &[(usize, &Endpoint)]) -> Priorities {
    let priorities: Vec<u32> = sorted.iter().map(|(_, it)| it.priority).collect();
    Priorities::of_sorted(&priorities)
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
        let picked = may_be_picked(&config.endpoints);
        let endpoints = picked.iter().map(|(_, endpoint)| {
            known(endpoint.address).unwrap_or_else(|| Rc::new(EndpointState::new(endpoint.address)))
        });
        let load = previous.map(|old| Rc::clone(&old.load)).unwrap_or_default();
        ClusterState {
            name: Arc::from(config.name.as_str()),
            endpoints: endpoints.collect(),
            places: picked.iter().map(|(place, _)| *place).collect(),
            weights: weights(&picked),
            priorities: priorities(&picked),
            families: families::of_cluster(&picked, config.policy.first_family, previous),
            config,
            load,
            is_app: false,
        }
    }

    pub(crate) fn is_secured(&self) -> bool {
        matches!(self.config.transport, Transport::MutualTls { .. })
    }

    /// Connections that each endpoint may have. Between sidecars as many as `limits.calls` may need,
    /// so that no second ceiling stands below that one.
    pub(crate) fn connections_max(&self) -> usize {
        let policy = &self.config.policy;
        let needed = policy.limits.calls.div_ceil(INBOUND_STREAMS_DEFAULT) as usize;
        match policy.connections_max {
            Some(most) => most as usize,
            None if self.is_secured() => needed.max(CONNECTIONS_MAX),
            None => CONNECTIONS_MAX,
        }
    }

    /// Chooses an endpoint that has room: the next in turn, unless another is better. What is better,
    /// in order, is `policy`'s [`Candidate`]. `None`: there is no endpoint, or none has
    /// room that is worth more than a moment's wait for a good one.
    pub(crate) fn choose(
        &self,
        call: CallView<'_>,
        now: Tick,
        random: &mut Random,
    ) -> Option<Choice> {
        let is_used = |index: usize| {
            !self.endpoints[index].health.get().is_out(now) && !self.stands_back(index)
        };
        let count = self.priorities.reach(self.endpoints.len(), is_used);
        let (before, baseline) = (self.load.turn.get(), self.load.baseline.get());
        let mut turn = before;
        let candidate = |index: usize, share: Share| {
            let found = &self.endpoints[index];
            let status = EndpointStatus {
                tried: call.tried.contains(&found.address),
                availability: found.health.get().availability(now),
                in_flight: found.in_flight.get(),
                share,
            };
            Candidate::new(status, &found.estimate.get(), &baseline, &before, now)
        };
        let has_room = |index: usize| self.endpoints[index].full_until.get() <= now;
        let mut random = || random.next_u64();
        let (index, chosen) = turn.pick(&self.weights, count, &mut random, |index, share| {
            (has_room(index) && !self.stands_back(index)).then(|| candidate(index, share))
        })?;
        let availability = |index: usize| self.endpoints[index].health.get().availability(now);
        let is_in = |index: usize| availability(index) == Availability::InRotation;
        let may_have_room = |other: usize| !self.stands_back(other) && !has_room(other);
        if !is_in(index) && (0..count).any(|other| may_have_room(other) && is_in(other)) {
            return None;
        }
        self.load.turn.set(turn);
        Some(Choice {
            endpoint: Rc::clone(&self.endpoints[index]),
            panic: matches!(
                availability(index),
                Availability::Paused | Availability::Probing
            ),
            is_trial: chosen.is_trial,
        })
    }

    /// An attempt goes to the choice: what its health says goes back to it when the attempt ends.
    pub(crate) fn admit(&self, choice: &Choice, now: Tick) -> Admission {
        let endpoint = &choice.endpoint;
        if choice.is_trial {
            let (estimate, turn) = (endpoint.estimate.get(), self.load.turn.get());
            let tried = estimate.tried(&turn, now);
            endpoint.estimate.set(tried);
        }
        let (health, admission) = endpoint.health.get().admit(&self.config.policy.health, now);
        endpoint.health.set(health);
        admission
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

    /// `room`: the streams that may be opened on a connection now.
    pub(crate) fn gauge(&self, now: Tick, room: impl Fn(ConnectionId) -> usize) -> ClusterGauge {
        let listed = self
            .places
            .iter()
            .map(|place| &self.config.endpoints[*place]);
        let endpoints = self.endpoints.iter().zip(listed);
        let baseline = self.load.baseline.get();
        ClusterGauge {
            name: Arc::clone(&self.name),
            endpoints: endpoints
                .map(|(endpoint, listed)| endpoint.gauge(listed, &baseline, now, &room))
                .collect(),
            in_line: self.load.lines.room.len(),
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
            full_until: Cell::new(Tick::ZERO),
            streams_max: Cell::new(u32::MAX),
            no_more_until: Cell::new(Tick::ZERO),
            ping_complaints: Cell::new(0),
        }
    }

    /// No connection to it has room, and none may be added.
    pub(crate) fn note_full(&self, now: Tick) {
        self.full_until.set(now + FULL_FOR);
    }

    /// Something changed. `true`: it was full before.
    pub(crate) fn note_room(&self) -> bool {
        self.full_until.replace(Tick::ZERO) > Tick::ZERO
    }

    pub(crate) fn was_full(&self) -> bool {
        self.full_until.get() > Tick::ZERO
    }

    /// Does a connection beside those it has help? Not while its connections take no stream at all,
    /// which is a pause, or when the last one could not be made.
    pub(crate) fn takes_more(&self, now: Tick) -> bool {
        self.streams_max.get() > 0 && self.no_more_until.get() <= now
    }

    fn gauge(
        &self,
        listed: &Endpoint,
        baseline: &LatencyBaseline,
        now: Tick,
        room: impl Fn(ConnectionId) -> usize,
    ) -> EndpointGauge {
        let health = self.health.get();
        let connections = self.connections.borrow();
        EndpointGauge {
            address: self.address,
            listed: listed.clone(),
            known_for: now.since(listed.known_since),
            in_flight: self.in_flight.get(),
            latency: self.estimate.get().mean_latency(baseline),
            out: health.is_out(now),
            breaker: match health.breaker() {
                Breaker::Closed { .. } => "closed",
                Breaker::Open { .. } => "open",
                Breaker::HalfOpen { .. } => "half_open",
            },
            connections: u32::try_from(connections.len()).unwrap_or(u32::MAX),
            room: connections.iter().map(|id| room(*id)).sum(),
        }
    }
}
