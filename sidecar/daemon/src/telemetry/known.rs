//! The label values that configuration knows; all else is [`OTHER`].
//!
//! What a caller can choose (paths, identities) never becomes a label by itself, or anybody could
//! fill the memory of every Prometheus.

use std::sync::Arc;

use outrider_engine::config::Snapshot;
use outrider_policy::{GrpcPath, PathMatch, Route};
use rustc_hash::FxHashSet;

/// The label value for everything configuration does not name.
pub const OTHER: &str = "other";

/// The label value where there is nothing to name: no peer, no route.
pub const NONE: &str = "none";

/// The method label of calls that are not gRPC.
pub const HTTP: &str = "http";

/// Services and methods of the configuration in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    services: FxHashSet<Arc<str>>,
    methods: FxHashSet<Arc<str>>,
    others: FxHashSet<Arc<str>>,
}

impl Known {
    /// What `snapshot` names: its clusters, and the methods that a route matches exactly.
    pub fn of(snapshot: &Snapshot) -> Known {
        let methods = snapshot.routes.routes().iter().filter_map(exact_method);
        let others = snapshot
            .routes
            .grpc_services()
            .map(|service| format!("{service}/{OTHER}"));
        Known {
            services: snapshot
                .clusters
                .keys()
                .map(|name| Arc::from(name.as_str()))
                .collect(),
            methods: methods.map(Arc::from).collect(),
            others: others.map(Arc::from).collect(),
        }
    }

    /// A service as a label value.
    pub fn service(&self, name: Option<&str>) -> Arc<str> {
        match name {
            None => Arc::from(NONE),
            Some(name) => self
                .services
                .get(name)
                .cloned()
                .unwrap_or_else(|| Arc::from(OTHER)),
        }
    }

    /// The method of a gRPC path: `shop.v1.Orders/Get` when configuration names the method,
    /// `shop.v1.Orders/other` when it names the gRPC service only.
    pub fn method(&self, path: &str) -> Arc<str> {
        let name = path.strip_prefix('/').unwrap_or(path);
        self.methods
            .get(name)
            .cloned()
            .or_else(|| self.service_of(path))
            .unwrap_or_else(|| Arc::from(OTHER))
    }

    fn service_of(&self, path: &str) -> Option<Arc<str>> {
        let path = GrpcPath::parse(path.as_bytes()).ok()?;
        self.others
            .get(format!("{}/{OTHER}", path.service).as_str())
            .cloned()
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

    fn known() -> Known {
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
        Known::of(&Snapshot {
            routes,
            ..Snapshot::default()
        })
    }

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
