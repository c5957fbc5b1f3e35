//! The label values that configuration knows; all else is [`OTHER`].
//!
//! What a caller can choose (paths) never becomes a label by itself, or anybody could fill the
//! memory of every Prometheus. Identities are in `peers.rs`.

use std::sync::Arc;

use outrider_engine::config::Snapshot;
use outrider_policy::{PathMatch, Route};
use rustc_hash::{FxHashMap, FxHashSet};

/// The label value for everything configuration does not name.
pub const OTHER: &str = "other";

/// The label value where there is nothing to name: no peer, no route.
pub const NONE: &str = "none";

/// The method label of calls that are not gRPC.
const HTTP: &str = "http";

/// Services and methods of the configuration in force.
#[derive(Clone, Debug)]
pub struct KnownLabels {
    services: FxHashSet<Arc<str>>,
    methods: FxHashSet<Arc<str>>,
    /// By gRPC service, the label of its methods that are not named.
    unnamed: FxHashMap<Box<str>, Arc<str>>,
    other: Arc<str>,
    none: Arc<str>,
    http: Arc<str>,
}

impl KnownLabels {
    /// What `snapshot` names: its clusters, and the methods that a route matches exactly.
    pub fn of(snapshot: &Snapshot) -> KnownLabels {
        let methods = snapshot.routes.routes().iter().filter_map(exact_method);
        let services = snapshot.routes.grpc_services();
        KnownLabels {
            services: snapshot
                .clusters
                .keys()
                .map(|name| Arc::from(name.as_str()))
                .collect(),
            methods: methods.map(Arc::from).collect(),
            unnamed: services
                .map(|name| (Box::from(name), Arc::from(format!("{name}/{OTHER}"))))
                .collect(),
            other: Arc::from(OTHER),
            none: Arc::from(NONE),
            http: Arc::from(HTTP),
        }
    }

    /// A service as a label value.
    pub fn service(&self, name: Option<&str>) -> Arc<str> {
        let Some(name) = name else {
            return Arc::clone(&self.none);
        };
        Arc::clone(self.services.get(name).unwrap_or(&self.other))
    }

    /// The method of a gRPC path: `shop.v1.Orders/Get` when configuration names the method,
    /// `shop.v1.Orders/other` when it names the gRPC service only.
    pub fn method(&self, path: &str) -> Arc<str> {
        let name = path.strip_prefix('/').unwrap_or(path);
        let service = name.split_once('/').map_or(name, |(service, _)| service);
        let known = self.methods.get(name).or_else(|| self.unnamed.get(service));
        Arc::clone(known.unwrap_or(&self.other))
    }

    /// The method label of calls that are not gRPC.
    pub fn http(&self) -> Arc<str> {
        Arc::clone(&self.http)
    }
}

impl Default for KnownLabels {
    fn default() -> KnownLabels {
        KnownLabels::of(&Snapshot::default())
    }
}

/// `shop.v1.Orders/Get` of a route for exactly `/shop.v1.Orders/Get`.
fn exact_method(route: &Route) -> Option<&str> {
    match &route.matches.path {
        PathMatch::Exact(path) => path.strip_prefix('/'),
        PathMatch::Any | PathMatch::Service(_) | PathMatch::Prefix(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outrider_policy::{CallPolicy, RouteMatch, RouteTable, VirtualHost, WeightedCluster};

    fn known() -> KnownLabels {
        let route = |path| Route {
            name: "orders".to_owned(),
            matches: RouteMatch {
                path,
                headers: Vec::new(),
                grpc_only: false,
            },
            clusters: vec![WeightedCluster {
                cluster: "orders".to_owned(),
                weight: 1,
            }],
            policy: CallPolicy::default(),
        };
        let host = VirtualHost {
            name: "orders".to_owned(),
            domains: vec!["orders".to_owned(), "grpc/shop.v1.Orders".to_owned()],
            routes: vec![
                route(PathMatch::Exact("/shop.v1.Orders/Get".to_owned())),
                route(PathMatch::Any),
            ],
        };
        let routes = RouteTable::build(vec![host]).expect("the routes are good");
        KnownLabels::of(&Snapshot {
            routes: routes.into(),
            ..Snapshot::default()
        })
    }

    /// CVE-2025-43915: labels made of request data fill the memory that keeps them.
    #[test]
    fn a_caller_cannot_invent_a_label() {
        let cases = [
            ("/shop.v1.Orders/Get", "shop.v1.Orders/Get"),
            ("/shop.v1.Orders/Invented", "shop.v1.Orders/other"),
            ("/invented.Service/Get", "other"),
            ("not a path", "other"),
        ];
        for (path, expected) in cases {
            assert_eq!(&*known().method(path), expected, "{path}");
        }
        assert_eq!(&*known().service(Some("invented")), "other");
        assert_eq!(&*known().service(None), "none");
    }
}
