//! A caller's sidecar and some instances of `orders`, each a sidecar and an application.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use outrider_engine::config::{Cluster, Endpoint, Settings, Snapshot, Transport};
use outrider_engine::{Engine, Outcome, Side, TlsMaterial};
use outrider_identity::SpiffeId;
use outrider_policy::{
    CallPolicy, ClusterPolicy, Code, PathMatch, Route, RouteMatch, RouteTable, Tick, VirtualHost,
    WeightedCluster,
};

use super::{Authority, Peer, World};

pub const FIND: &str = "/shop.v1.Orders/Find";
/// Unary, not to be repeated, with 500 ms for each try.
pub const WRITE: &str = "/shop.v1.Orders/Write";
pub const GET: &str = "/shop.v1.Orders/Get";
pub const FRONTEND: &str = "spiffe://outrider.local/ns/default/svc/frontend";
pub const ORDERS: &str = "spiffe://outrider.local/ns/default/svc/orders";

pub fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
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

fn idempotent() -> CallPolicy {
    CallPolicy {
        unary: true,
        idempotent: true,
        ..CallPolicy::default()
    }
}

/// `Get` and `Find` are unary and idempotent, `Find` with 500 ms for each try, [`WRITE`] is what it says;
/// everything else is undeclared.
pub fn snapshot(endpoints: &[SocketAddr], transport: Transport) -> Arc<Snapshot> {
    let routes = RouteTable::build(vec![VirtualHost {
        name: "orders".to_owned(),
        domains: vec!["orders".to_owned(), "grpc/shop.v1.Orders".to_owned()],
        routes: vec![
            route(PathMatch::Exact(GET.to_owned()), idempotent()),
            route(
                PathMatch::Exact(FIND.to_owned()),
                CallPolicy {
                    per_try_timeout: Some(Duration::from_millis(500)),
                    ..idempotent()
                },
            ),
            route(
                PathMatch::Exact(WRITE.to_owned()),
                CallPolicy {
                    per_try_timeout: Some(Duration::from_millis(500)),
                    unary: true,
                    ..CallPolicy::default()
                },
            ),
            route(PathMatch::Any, CallPolicy::default()),
        ],
    }]);
    let cluster = Cluster {
        name: "orders".to_owned(),
        transport,
        endpoints: endpoints
            .iter()
            .map(|address| Endpoint::at(*address))
            .collect(),
        policy: ClusterPolicy::default(),
        unresolved: None,
        shared: Default::default(),
    };
    Arc::new(Snapshot {
        version: "1".to_owned(),
        routes: routes.expect("a good table").into(),
        clusters: [("orders".to_owned(), Arc::new(cluster))].into(),
        ..Snapshot::default()
    })
}

/// A caller's sidecar and `count` instances of orders, each a sidecar and an application.
pub struct Mesh {
    pub world: World,
    pub client: usize,
}

/// When the world begins: late enough that nothing can be measured from zero by mistake.
const STARTED: Tick = Tick::from_nanos(10_000_000_000);

/// The caller's engine in [`Mesh`].
pub const CALLER: usize = 0;

impl Mesh {
    pub fn new(count: u16) -> Mesh {
        let authority = Authority::new();
        let caller = authority.issue(&[FRONTEND]).expect("material");
        Mesh::of(count, &authority, caller)
    }

    /// A mesh of `authority` in which the caller proves itself with `own`.
    pub fn of(count: u16, authority: &Authority, own: Arc<TlsMaterial>) -> Mesh {
        let mut world = World {
            now: STARTED,
            ..World::default()
        };
        let caller = world.engine(Engine::new(Settings::new("frontend"), 1));
        world.engines[caller].identity(world.now, own);
        let addresses: Vec<_> = (0..count)
            .map(|n| address(&format!("10.0.0.1:{}", 1000 + n)))
            .collect();
        for (n, inbound) in addresses.iter().enumerate() {
            let app = address(&format!("127.0.0.1:{}", 2000 + n));
            let settings = Settings {
                app: Some(app),
                ..Settings::new("orders")
            };
            let engine = world.engine(Engine::new(settings, 2));
            world.engines[engine]
                .identity(world.now, authority.issue(&[ORDERS]).expect("material"));
            world.listen(*inbound, engine);
            world.serve(app);
        }
        let peer = SpiffeId::parse(ORDERS.as_bytes()).expect("an id");
        world.engines[caller].configure(
            world.now,
            snapshot(&addresses, Transport::MutualTls { peer }),
        );
        let client = world.connect(caller);
        Mesh { world, client }
    }

    /// The caller's sidecar gets this configuration.
    pub fn configure(&mut self, snapshot: Snapshot) {
        let now = self.world.now;
        self.world.engines[CALLER].configure(now, Arc::new(snapshot));
        self.world.settle();
    }

    pub fn client(&mut self) -> &mut Peer {
        &mut self.world.peers[self.client]
    }

    /// Applications that saw a request, in order of connection.
    pub fn servers(&self) -> Vec<usize> {
        (0..self.world.peers.len())
            .filter(|peer| *peer != self.client)
            .collect()
    }

    pub fn outcome(&self, side: Side) -> Vec<(Outcome, Code)> {
        let of_side = self
            .world
            .records
            .iter()
            .filter(|record| record.side == side);
        of_side
            .map(|record| (record.outcome, record.code))
            .collect()
    }

    pub fn assert_quiet(&self) {
        for engine in &self.world.engines {
            let gauges = engine.gauges();
            assert_eq!(gauges.calls, 0, "a call is left");
            assert_eq!(gauges.waiting, [0; 6], "a wait is left");
            let in_flight: u32 = gauges
                .clusters
                .iter()
                .flat_map(|c| &c.endpoints)
                .map(|e| e.in_flight)
                .sum();
            assert_eq!(in_flight, 0, "an endpoint still counts a call");
        }
    }
}
