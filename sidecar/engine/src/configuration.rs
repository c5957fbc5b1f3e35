//! The swap of configuration, and what is made of it on first use.
//!
//! A swap replaces one pointer. Where the routes have changed, those made from the old ones are thrown away; where
//! only endpoints have, all stay but those that lead to them. Clusters in use are
//! renewed around the endpoints they keep. Calls hold what they started with; endpoints and connections
//! live on by the new rules, as the table in `docs/CONFIG.md` says ("When a change holds").

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use outrider_policy::{
    CallPolicy, HealthRules, Route, RouteIndex, RouteMatch, Tick, WeightedCluster,
};

use crate::cluster::{ClusterState, EndpointState};
use crate::config::{Cluster, Endpoint, Snapshot, Transport, app_policy};
use crate::engine::Engine;
use crate::ids::{ConnectionId, Scope};

/// A route on first use, with the clusters it leads to.
pub(crate) struct RouteState {
    pub(crate) route: Route,
    pub(crate) name: Arc<str>,
    /// By position of `route.clusters`; `None` where the configuration names no such cluster.
    pub(crate) clusters: Vec<Option<Rc<ClusterState>>>,
}

/// The configuration in force, and what is made of it on first use.
pub(crate) struct Configuration {
    pub(crate) snapshot: Arc<Snapshot>,
    /// By route index of the snapshot.
    routes: Vec<Option<Rc<RouteState>>>,
    /// The one route of the inbound listener, to the local application.
    pub(crate) app_route: Option<Rc<RouteState>>,
    /// Clusters in use, by name.
    pub(crate) clusters: FxHashMap<Arc<str>, Rc<ClusterState>>,
}

/// What a swap leaves to do.
struct Swapped {
    before: Arc<Snapshot>,
    /// Connections to endpoints that the new configuration no longer names.
    removed: Vec<ConnectionId>,
}

impl Engine {
    /// New configuration. Calls that waited for something in it go on; all others keep the policy they
    /// started with; endpoints, breakers and connections whose cluster did not change survive.
    pub fn configure(&mut self, now: Tick, snapshot: Arc<Snapshot>) {
        self.now = now;
        self.scope = Scope::None;
        self.guarded(|engine| engine.swap(snapshot));
    }

    fn swap(&mut self, snapshot: Arc<Snapshot>) {
        let Swapped { before, removed } = self.configuration.swap(snapshot, self.now);
        self.apply_lifetimes(&before);
        // Last, because calls that waited for one of these go where the new configuration says.
        for id in removed {
            self.in_scope(Scope::Connection(id), |engine| engine.retire(id));
        }
        self.configured_lines();
        self.resume_discovered();
    }
}

impl Configuration {
    /// No services; with an application, its route.
    pub(crate) fn new(app: Option<SocketAddr>) -> Configuration {
        Configuration {
            snapshot: Arc::default(),
            routes: Vec::new(),
            app_route: app.map(|app| Rc::new(app_route(app))),
            clusters: FxHashMap::default(),
        }
    }

    /// All that could fail is made beside what is in force; after that nothing is half of each.
    fn swap(&mut self, snapshot: Arc<Snapshot>, now: Tick) -> Swapped {
        let mut removed = Vec::new();
        let mut clusters = FxHashMap::default();
        for (name, known) in &self.clusters {
            let next = snapshot
                .clusters
                .get(&**name)
                .map(|config| renewed(known, config, now));
            removed.extend(removed_connections(known, next.as_deref()));
            if let Some(next) = next {
                clusters.insert(Arc::clone(name), next);
            }
        }
        self.clusters = clusters;
        if Arc::ptr_eq(&self.snapshot.routes, &snapshot.routes) {
            self.forget_routes_to_changed_clusters(&snapshot);
        } else {
            self.routes.clear();
            self.routes.resize_with(snapshot.routes.len(), || None);
        }
        let before = std::mem::replace(&mut self.snapshot, snapshot);
        Swapped { before, removed }
    }

    /// The routes are the same; those whose clusters are too stay.
    fn forget_routes_to_changed_clusters(&mut self, next: &Snapshot) {
        let clusters = &self.clusters;
        let is_same = |name: &str, known: &Option<Rc<ClusterState>>| match known {
            Some(known) => clusters
                .get(name)
                .is_some_and(|next| Rc::ptr_eq(next, known)),
            None => !next.clusters.contains_key(name),
        };
        for slot in &mut self.routes {
            slot.take_if(|state| {
                let clusters = state.route.clusters.iter().zip(&state.clusters);
                !clusters
                    .into_iter()
                    .all(|(weighted, known)| is_same(&weighted.cluster, known))
            });
        }
    }

    /// The state of a route, made on its first use.
    pub(crate) fn route_state(&mut self, index: RouteIndex) -> Rc<RouteState> {
        let place = index.as_usize();
        if let Some(Some(known)) = self.routes.get(place) {
            return Rc::clone(known);
        }
        let route = self.snapshot.routes.route(index).clone();
        let clusters = route
            .clusters
            .iter()
            .map(|weighted| self.cluster_state(&weighted.cluster))
            .collect();
        let name = Arc::from(route.name.as_str());
        let state = Rc::new(RouteState {
            route,
            name,
            clusters,
        });
        if let Some(entry) = self.routes.get_mut(place) {
            *entry = Some(Rc::clone(&state));
        }
        state
    }

    /// The newest state of a cluster, made on its first use; `None` if no such is configured.
    pub(crate) fn cluster_state(&mut self, name: &str) -> Option<Rc<ClusterState>> {
        if let Some(known) = self.clusters.get(name) {
            return Some(Rc::clone(known));
        }
        let config = Arc::clone(self.snapshot.clusters.get(name)?);
        let state = ClusterState::shared(config, None);
        self.clusters
            .insert(Arc::clone(&state.name), Rc::clone(&state));
        Some(state)
    }
}

/// Connections to endpoints of `known` that the new configuration no longer names.
fn removed_connections(known: &ClusterState, next: Option<&ClusterState>) -> Vec<ConnectionId> {
    let kept = |endpoint: &Rc<EndpointState>| {
        next.is_some_and(|next| {
            next.endpoints
                .iter()
                .any(|other| Rc::ptr_eq(other, endpoint))
        })
    };
    let removed = known.endpoints.iter().filter(|endpoint| !kept(endpoint));
    removed
        .flat_map(|endpoint| endpoint.connections.borrow().clone())
        .collect()
}

/// A cluster's state under its new configuration; the same object if nothing changed.
fn renewed(known: &Rc<ClusterState>, config: &Arc<Cluster>, now: Tick) -> Rc<ClusterState> {
    if *known.config == **config {
        return Rc::clone(known);
    }
    let next = ClusterState::shared(Arc::clone(config), Some(known));
    apply_health_rules(&next, &known.config.policy.health, now);
    // What was full may have more connections now: calls in line ask at once.
    for endpoint in &next.endpoints {
        endpoint.note_room();
    }
    next
}

/// Endpoints that are out by rules that have changed come back by the new ones. Of those over a lower
/// ceiling the ones come back at once whose time was the next to be over.
fn apply_health_rules(next: &ClusterState, before: &HealthRules, now: Tick) {
    let rules = &next.config.policy.health;
    if rules == before {
        return;
    }
    for endpoint in &next.endpoints {
        let health = endpoint.health.get().follow(before, rules, now);
        endpoint.health.set(health);
    }
    let health = |endpoint: &&Rc<EndpointState>| endpoint.health.get();
    let out = next.endpoints.iter().filter(|it| health(it).is_out(now));
    let surplus = out
        .count()
        .saturating_sub(rules.out_max(next.endpoints.len()));
    let ejected = next
        .endpoints
        .iter()
        .filter(|it| health(it).ejection().is_out(now));
    let mut ejected: Vec<_> = ejected.collect();
    ejected.sort_by_key(|it| health(it).ejection().until());
    for endpoint in ejected.into_iter().take(surplus) {
        endpoint.health.set(endpoint.health.get().returned(now));
    }
}

/// The inbound side's only route: everything to the local application, in plaintext on loopback.
fn app_route(address: SocketAddr) -> RouteState {
    let name = "app".to_owned();
    let config = Cluster {
        name: name.clone(),
        transport: Transport::Plaintext,
        endpoints: vec![Endpoint::at(address)],
        policy: app_policy(),
        unresolved: None,
        shared: Default::default(),
    };
    let cluster = ClusterState {
        is_app: true,
        ..ClusterState::new(Arc::new(config), None)
    };
    let route = Route {
        name: name.clone(),
        matches: RouteMatch::default(),
        clusters: vec![WeightedCluster {
            cluster: name,
            weight: 1,
        }],
        policy: CallPolicy::default(),
    };
    RouteState {
        route,
        name: Arc::from("app"),
        clusters: vec![Some(Rc::new(cluster))],
    }
}

#[cfg(test)]
mod tests {
    use outrider_policy::{Authority, RouteTable, Target, VirtualHost};

    use super::*;

    /// Services, each at these ports.
    fn snapshot(services: &[(&str, &[u16])]) -> Snapshot {
        let route = |name: &str| Route {
            name: name.to_owned(),
            matches: RouteMatch::default(),
            clusters: vec![WeightedCluster {
                cluster: name.to_owned(),
                weight: 1,
            }],
            policy: CallPolicy::default(),
        };
        let host = |(name, _): &(&str, &[u16])| VirtualHost {
            name: (*name).to_owned(),
            domains: vec![(*name).to_owned()],
            routes: vec![route(name)],
        };
        let at = |port: &u16| Endpoint::at(SocketAddr::from(([10, 0, 0, 1], *port)));
        let cluster = |(name, ports): &(&str, &[u16])| {
            let cluster = Cluster {
                name: (*name).to_owned(),
                transport: Transport::Plaintext,
                endpoints: ports.iter().map(at).collect(),
                policy: outrider_policy::ClusterPolicy::default(),
                unresolved: None,
                shared: Default::default(),
            };
            ((*name).to_owned(), Arc::new(cluster))
        };
        let routes = RouteTable::build(services.iter().map(host).collect());
        Snapshot {
            routes: routes.expect("a good table").into(),
            clusters: services.iter().map(cluster).collect(),
            ..Snapshot::default()
        }
    }

    #[test]
    fn a_change_of_endpoints_leaves_the_routes_to_other_services_alone() {
        let mut configuration = Configuration::new(None);
        configuration.swap(
            Arc::new(snapshot(&[("orders", &[1]), ("stock", &[1])])),
            Tick::ZERO,
        );
        let routes = |configuration: &mut Configuration| {
            let routes = Arc::clone(&configuration.snapshot.routes);
            ["orders", "stock"].map(|host| {
                let target = Target {
                    authority: &Authority::parse(host.as_bytes()).expect("an authority"),
                    grpc_service: None,
                };
                let index = routes.find(target, b"/", false, |_| None);
                configuration.route_state(index.expect("a route"))
            })
        };
        let before = routes(&mut configuration);
        let mut next = snapshot(&[("orders", &[1, 2]), ("stock", &[1])]);
        next.inherit(&configuration.snapshot, Tick::ZERO);
        configuration.swap(Arc::new(next), Tick::ZERO);
        let after = routes(&mut configuration);
        for (before, after) in before.iter().zip(&after) {
            let is_same = Rc::ptr_eq(before, after);
            assert_eq!(is_same, *before.name == *"stock", "{}", before.name);
            assert_eq!(before.route, after.route);
        }
        let orders = after.iter().find(|state| *state.name == *"orders");
        let cluster = orders.and_then(|state| state.clusters[0].as_ref());
        assert_eq!(cluster.map(|cluster| cluster.endpoints.len()), Some(2));
    }
}
