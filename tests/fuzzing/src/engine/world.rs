//! The loop around the engine: sockets that take what they like, a clock, two configurations.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use outrider_engine::config::{Cluster, Discovery, Endpoint, Settings, Snapshot, Transport};
use outrider_engine::{Action, CloseCause, ConnectFailure, ConnectionId, Engine, Side};
use outrider_identity::SpiffeId;
use outrider_policy::{
    CallPolicy, ClusterPolicy, PathMatch, Route, RouteMatch, RouteTable, Tick, VirtualHost,
    WeightedCluster,
};

use super::wire::Wire;
use crate::input::Input;

/// Connections that may be accepted in one run.
const ACCEPTED_MAX: usize = 6;

/// Actions of one event; more mean that the engine does not come to rest.
const ACTIONS_MAX: usize = 100_000;

pub(super) struct World {
    engine: Engine,
    now: Tick,
    wires: Vec<Wire>,
    accepted: usize,
    /// Connections that the engine asked for and that are not decided yet.
    asked: Vec<ConnectionId>,
}

impl World {
    pub(super) fn new() -> World {
        let settings = Settings {
            app: Some(SocketAddr::from(([127, 0, 0, 1], 9_000))),
            identity: SpiffeId::parse(b"spiffe://fuzz.test/ns/default/svc/orders").ok(),
            inbound_streams_max: 8,
            outbound_streams_max: 8,
            ..Settings::new("orders")
        };
        let mut world = World {
            engine: Engine::new(settings, 7),
            now: Tick::from_nanos(10_000_000_000),
            wires: Vec::new(),
            accepted: 0,
            asked: Vec::new(),
        };
        world.configure(3);
        world
    }

    pub(super) fn accept(&mut self, side: Side) {
        if self.accepted == ACCEPTED_MAX {
            return;
        }
        self.accepted += 1;
        let address = SocketAddr::from(([127, 0, 0, 1], 40_000));
        let caller = SpiffeId::parse(b"spiffe://fuzz.test/ns/default/svc/caller").ok();
        let caller = caller.filter(|_| side == Side::Inbound);
        let id = self.engine.accepted_as(self.now, side, address, caller);
        self.wires.push(Wire::of_client(id));
    }

    pub(super) fn call(&mut self, input: &mut Input<'_>) {
        if self.accepted == 0 {
            self.accept(Side::Outbound);
        }
        self.peer(input, |wire, input| wire.call(input));
    }

    /// The peer of some wire does something.
    pub(super) fn peer(&mut self, input: &mut Input<'_>, does: impl Fn(&mut Wire, &mut Input<'_>)) {
        if let Some(at) = self.some_wire(input) {
            does(&mut self.wires[at], input);
        }
    }

    fn some_wire(&self, input: &mut Input<'_>) -> Option<usize> {
        let at = input.below(8);
        let count = self.wires.len();
        (count > 0).then(|| at % count)
    }

    /// Octets of the fuzzer, as if the peer had sent them; also to connections that are gone.
    pub(super) fn raw(&mut self, input: &mut Input<'_>) {
        let Some(at) = self.some_wire(input) else {
            return;
        };
        let length = input.below(64);
        self.wires[at].taint();
        let id = self.wires[at].id;
        self.engine.received(self.now, id, input.take(length));
    }

    /// Some octets each way on one wire.
    pub(super) fn exchange(&mut self, input: &mut Input<'_>) {
        let Some(at) = self.some_wire(input) else {
            return;
        };
        let (there, back) = (input.number(), input.number());
        self.write(at, there);
        self.read(at, back);
    }

    fn write(&mut self, at: usize, most: usize) -> bool {
        let wire = &mut self.wires[at];
        let output = self.engine.output(wire.id);
        if !wire.is_open || output.is_empty() || most == 0 {
            return false;
        }
        let output = output[..most.min(output.len())].to_vec();
        self.engine.written(self.now, wire.id, output.len());
        wire.hear(Duration::from_nanos(self.now.as_nanos()), &output);
        true
    }

    fn read(&mut self, at: usize, most: usize) -> bool {
        let wire = &mut self.wires[at];
        if !wire.is_open || !wire.is_read {
            return false;
        }
        let said = wire.said(most);
        if said.is_empty() {
            return false;
        }
        self.engine.received(self.now, wire.id, &said);
        true
    }

    /// Everything is delivered until nobody has anything to say.
    pub(super) fn settle(&mut self) {
        self.resolve(true);
        let mut turns = 0;
        let mut is_busy = true;
        while is_busy {
            is_busy = false;
            for at in 0..self.wires.len() {
                is_busy |= self.read(at, 1 << 20);
                self.act();
                is_busy |= self.write(at, 1 << 20);
                self.act();
            }
            turns += 1;
            assert!(turns < ACTIONS_MAX, "the wires never fall silent");
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.engine.tick(self.now);
    }

    pub(super) fn close(&mut self, at: usize, cause: CloseCause) {
        if let Some(wire) = self.wires.get_mut(at) {
            wire.is_open = false;
            self.engine.closed(self.now, wire.id, cause);
        }
    }

    /// Connections that were asked for come up, or do not.
    pub(super) fn resolve(&mut self, is_up: bool) {
        for id in std::mem::take(&mut self.asked) {
            if is_up {
                self.engine.connected(self.now, id);
                self.wires.push(Wire::of_server(id));
            } else {
                self.engine
                    .connect_failed(self.now, id, ConnectFailure::Refused);
            }
        }
    }

    pub(super) fn configure(&mut self, which: usize) {
        self.engine.configure(self.now, snapshot(which));
    }

    pub(super) fn drain(&mut self, seconds: u8) {
        let deadline = self.now + Duration::from_secs(seconds.into());
        self.engine.drain(self.now, deadline);
    }

    /// Does what the engine asks for, until it asks for nothing.
    pub(super) fn act(&mut self) {
        for _ in 0..ACTIONS_MAX {
            let Some(action) = self.engine.next_action() else {
                return;
            };
            match action {
                Action::Connect { id, .. } => self.asked.push(id),
                Action::Close(id) => self.each(id, |wire| wire.is_open = false),
                Action::Read { id, on } => self.each(id, |wire| wire.is_read = on),
                Action::Write(_) | Action::Record(_) | Action::Want(_) => {}
                // Contained or not, it is a finding; the hook has said where.
                Action::Foreign { .. } => {}
                Action::Contained(what) => panic!("a panic was contained: {what:?}"),
            }
        }
        panic!("the engine does not come to rest");
    }

    fn each(&mut self, id: ConnectionId, does: impl Fn(&mut Wire)) {
        self.asked.retain(|asked| *asked != id);
        self.wires
            .iter_mut()
            .filter(|wire| wire.id == id)
            .for_each(does);
    }

    /// All connections go, all timers fire: nothing may be left.
    pub(super) fn end(mut self) {
        for turn in 0.. {
            assert!(turn < 100, "connections without end");
            (0..self.wires.len()).for_each(|at| self.close(at, CloseCause::Reset));
            self.act();
            self.resolve(false);
            self.act();
            let due = self.engine.wake_at();
            self.now = due.unwrap_or(self.now).max(self.now);
            self.engine.tick(self.now);
            self.act();
            if self.engine.wake_at().is_none() && self.asked.is_empty() {
                break;
            }
        }
        let gauges = self.engine.gauges();
        assert_eq!((gauges.calls, gauges.timers), (0, 0), "left behind");
        assert_eq!((gauges.downstream, gauges.upstream), ([0, 0], 0));
        let endpoints = gauges
            .clusters
            .iter()
            .flat_map(|cluster| &cluster.endpoints);
        let in_flight: u32 = endpoints.map(|endpoint| endpoint.in_flight).sum();
        assert_eq!(in_flight, 0, "an endpoint still counts a call");
    }
}

/// 0, 1 and 2: two endpoints, another two, none. 3: two, and other services on demand. 4: no
/// service is known, and one is known not to exist.
fn snapshot(which: usize) -> Arc<Snapshot> {
    let discovery = match which {
        0..3 => Discovery::Complete,
        _ => Discovery::OnDemand {
            absent: (which == 4)
                .then(|| "nobody".to_owned())
                .into_iter()
                .collect(),
        },
    };
    let known = Snapshot {
        version: which.to_string(),
        discovery,
        ..Snapshot::default()
    };
    if which == 4 {
        return Arc::new(known);
    }
    let endpoints: &[u8] = [&[1, 2][..], &[2, 3], &[], &[1, 2]][which];
    let endpoint = |last: &u8| Endpoint::at(SocketAddr::from(([10, 0, 0, *last], 1_000)));
    let cluster = Cluster {
        name: "orders".to_owned(),
        transport: Transport::Plaintext,
        endpoints: endpoints.iter().map(endpoint).collect(),
        policy: ClusterPolicy::default(),
        unresolved: None,
        shared: Default::default(),
    };
    Arc::new(Snapshot {
        routes: routes().into(),
        clusters: [("orders".to_owned(), Arc::new(cluster))].into(),
        ..known
    })
}

/// `Get` and `Find` may be tried again.
fn routes() -> RouteTable {
    let again = CallPolicy {
        unary: true,
        idempotent: true,
        ..CallPolicy::default()
    };
    let hurried = CallPolicy {
        per_try_timeout: Some(Duration::from_millis(100)),
        ..again
    };
    let exact = |path: &str| PathMatch::Exact(path.to_owned());
    let orders = VirtualHost {
        name: "orders".to_owned(),
        domains: vec!["orders".to_owned(), "grpc/shop.v1.Orders".to_owned()],
        routes: vec![
            route(exact("/shop.v1.Orders/Get"), again),
            route(exact("/shop.v1.Orders/Find"), hurried),
            route(PathMatch::Any, CallPolicy::default()),
        ],
    };
    RouteTable::build(vec![orders]).expect("a good table")
}

fn route(path: PathMatch, policy: CallPolicy) -> Route {
    Route {
        name: "orders".to_owned(),
        matches: RouteMatch {
            path,
            ..RouteMatch::default()
        },
        clusters: vec![WeightedCluster {
            cluster: "orders".to_owned(),
            weight: 1,
        }],
        policy,
    }
}
