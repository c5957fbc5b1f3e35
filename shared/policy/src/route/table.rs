//! The route table: from who was addressed to the first rule that matches.
//!
//! Built once from configuration, then only read and shared between workers. Keys come from
//! configuration alone, so a plain hash cannot be flooded by peers. A lookup allocates
//! nothing (`tests/allocation.rs`): names are lower-cased on the stack, and a found route is an
//! index.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::Route;
use crate::Authority;
use crate::authority::HOST_OCTETS_MAX;

/// Place of a route in its table, dense from zero over the whole table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteIndex(u32);

impl RouteIndex {
    /// The place as an index into a slice of [`RouteTable::len`] items.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

/// Whom a call addresses.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The authority it named.
    pub authority: &'a Authority<'a>,
    /// The gRPC service in its path; `None` for plain HTTP/2.
    pub grpc_service: Option<&'a str>,
}

/// Why no route was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoRoute {
    /// No service answers to this authority.
    UnknownAuthority,
    /// The authority is loopback, and no service lists this gRPC service.
    UnknownGrpcService,
    /// The authority is loopback, and every service implements this gRPC service (health, reflection).
    EverybodysService,
    /// The authority is loopback, and the path of plain HTTP/2 tells no service.
    NamesNoService,
    /// The service is known and none of its rules matches.
    NoMatchingRule,
}

/// All routes of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteTable {
    pub(super) by_host: FxHashMap<Box<str>, usize>,
    pub(super) by_grpc_service: FxHashMap<Box<str>, usize>,
    pub(super) services: Vec<Service>,
    pub(super) routes: Vec<Route>,
}

/// The routes of a service are `routes[first..end]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) first: u32,
    pub(super) end: u32,
}

impl RouteTable {
    /// The first route that matches.
    ///
    /// `headers` gives the value of a header by its lower-case name; of a repeated header all
    /// values, joined with commas. `is_grpc` is decided by method and content type.
    ///
    /// # Errors
    /// [`NoRoute`] says how far the search came.
    pub fn find<'h>(
        &self,
        target: Target<'_>,
        path: &[u8],
        is_grpc: bool,
        headers: impl Fn(&str) -> Option<Cow<'h, [u8]>>,
    ) -> Result<RouteIndex, NoRoute> {
        let service = self.find_service(target)?;
        let mut candidates = (service.first..).zip(self.routes_of(service));
        candidates
            .find(|(_, route)| route.matches.matches(path, is_grpc, &headers))
            .map(|(index, _)| RouteIndex(index))
            .ok_or(NoRoute::NoMatchingRule)
    }

    /// The route at `index`.
    ///
    /// # Panics
    /// If `index` came from a larger table.
    pub fn route(&self, index: RouteIndex) -> &Route {
        &self.routes[index.as_usize()]
    }

    /// Name of the service that the route at `index` belongs to.
    pub fn service(&self, index: RouteIndex) -> &str {
        let place = self
            .services
            .partition_point(|service| service.end <= index.0);
        self.services.get(place).map_or("", |service| &service.name)
    }

    /// All routes, service by service, each in its order of precedence.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The gRPC services that can be reached by their name, in no particular order.
    pub fn grpc_services(&self) -> impl Iterator<Item = &str> {
        self.by_grpc_service.keys().map(|name| &**name)
    }

    /// Number of routes of all services.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Is there no route at all?
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    fn find_service(&self, target: Target<'_>) -> Result<&Service, NoRoute> {
        if !target.authority.is_loopback() {
            let place = lowered(target.authority.service_host(), |host| {
                self.by_host.get(host)
            });
            return self.service_at(place).ok_or(NoRoute::UnknownAuthority);
        }
        match target.grpc_service {
            Some(name) if is_everybodys(name) => Err(NoRoute::EverybodysService),
            Some(name) => self
                .service_at(self.by_grpc_service.get(name))
                .ok_or(NoRoute::UnknownGrpcService),
            None => Err(NoRoute::NamesNoService),
        }
    }

    fn service_at(&self, place: Option<&usize>) -> Option<&Service> {
        self.services.get(*place?)
    }

    fn routes_of(&self, service: &Service) -> &[Route] {
        self.routes
            .get(service.first as usize..service.end as usize)
            .unwrap_or_default()
    }
}

/// Services of gRPC's own that every server may carry, so that they identify none.
pub(super) fn is_everybodys(grpc_service: &str) -> bool {
    grpc_service.starts_with("grpc.health.") || grpc_service.starts_with("grpc.reflection.")
}

/// Calls `look_up` with `host` in lower case, kept on the stack.
fn lowered<T>(host: &str, look_up: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    if !host.bytes().any(|octet| octet.is_ascii_uppercase()) {
        return look_up(host);
    }
    let mut octets = [0; HOST_OCTETS_MAX];
    let lower = octets.get_mut(..host.len())?;
    lower.copy_from_slice(host.as_bytes());
    lower.make_ascii_lowercase();
    look_up(std::str::from_utf8(lower).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        CallPolicy, HeaderMatch, HeaderValueMatch, PathMatch, RouteMatch, VirtualHost,
        WeightedCluster,
    };

    fn route(name: &str, path: PathMatch) -> Route {
        Route {
            name: name.to_owned(),
            matches: RouteMatch {
                path,
                ..RouteMatch::default()
            },
            clusters: vec![WeightedCluster {
                cluster: name.to_owned(),
                weight: 1,
            }],
            policy: CallPolicy::default(),
        }
    }

    fn host(name: &str, domains: &[&str], routes: Vec<Route>) -> VirtualHost {
        let domains = domains.iter().map(|domain| (*domain).to_owned()).collect();
        VirtualHost {
            name: name.to_owned(),
            domains,
            routes,
        }
    }

    fn shop() -> RouteTable {
        let get = PathMatch::Exact("/shop.v1.Orders/Get".to_owned());
        let mut canary = route("canary", PathMatch::Any);
        canary.matches.headers = vec![HeaderMatch {
            name: "x-canary".to_owned(),
            value: HeaderValueMatch::Exact("a,b".to_owned()),
            invert: false,
        }];
        let mut grpc = route("payments", PathMatch::Any);
        grpc.matches.grpc_only = true;
        let orders = vec![canary, route("get", get), route("orders", PathMatch::Any)];
        RouteTable::build(vec![
            host(
                "orders",
                &["orders", "orders.mesh", "grpc/shop.v1.Orders"],
                orders,
            ),
            host("empty", &["empty"], vec![]),
            host(
                "payments",
                &["payments", "grpc/shop.v1.Payments"],
                vec![grpc],
            ),
        ])
        .expect("a good configuration")
    }

    fn find(authority: &str, path: &str, is_grpc: bool) -> Result<String, NoRoute> {
        let table = shop();
        let authority = Authority::parse(authority.as_bytes()).expect("a good authority");
        let grpc_path = crate::GrpcPath::parse(path.as_bytes())
            .ok()
            .filter(|_| is_grpc);
        let target = Target {
            authority: &authority,
            grpc_service: grpc_path.map(|path| path.service),
        };
        let index = table.find(target, path.as_bytes(), is_grpc, |_| None)?;
        Ok(format!(
            "{}/{}",
            table.service(index),
            table.route(index).name
        ))
    }

    #[test]
    fn authority_then_grpc_service_then_the_first_rule() {
        let found = |name: &str| Ok(name.to_owned());
        let get = "/shop.v1.Orders/Get";
        #[rustfmt::skip] // A table: one case a line.
        let cases = [
            ("by name", "orders", get, found("orders/get")),
            ("by name, port, suffix, case", "ORDERS.mesh:50051", get, found("orders/get")),
            ("by absolute name", "orders.mesh.:50051", get, found("orders/get")),
            ("by gRPC service", "localhost.", get, found("orders/get")),
            ("next rule", "orders", "/shop.v1.Orders/List", found("orders/orders")),
            ("the authority wins over the path", "payments", get, found("payments/payments")),
            ("by gRPC service", "localhost:15001", get, found("orders/get")),
            ("by gRPC service", "127.0.0.1", "/shop.v1.Payments/Pay", found("payments/payments")),
            ("unknown host", "orderz", get, Err(NoRoute::UnknownAuthority)),
            ("a service is not a host", "shop.v1.orders", get, Err(NoRoute::UnknownAuthority)),
            ("unknown service", "localhost", "/x.Y/Z", Err(NoRoute::UnknownGrpcService)),
            ("case counts", "localhost", "/shop.v1.orders/Get", Err(NoRoute::UnknownGrpcService)),
            ("health is everybody's", "localhost", "/grpc.health.v1.Health/Check", Err(NoRoute::EverybodysService)),
            ("reflection is everybody's", "[::1]:1", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Err(NoRoute::EverybodysService)),
            ("health by name", "orders", "/grpc.health.v1.Health/Check", found("orders/orders")),
            ("no rules", "empty", get, Err(NoRoute::NoMatchingRule)),
        ];
        for (rule, authority, path, expected) in cases {
            assert_eq!(find(authority, path, true), expected, "{rule}");
        }
    }

    #[test]
    fn plain_http_needs_a_named_authority_and_a_rule_for_it() {
        assert_eq!(
            find("localhost", "/a.B/C", false),
            Err(NoRoute::NamesNoService)
        );
        assert_eq!(
            find("orders", "/index.html", false),
            Ok("orders/orders".to_owned())
        );
        assert_eq!(find("payments", "/", false), Err(NoRoute::NoMatchingRule));
    }

    #[test]
    fn a_repeated_header_is_judged_as_one_joined_value() {
        let table = shop();
        let authority = Authority::parse(b"orders").expect("a host");
        let target = Target {
            authority: &authority,
            grpc_service: None,
        };
        let headers = |name: &str| {
            let values: [&[u8]; 2] = [b"a", b"b"];
            (name == "x-canary").then(|| Cow::Owned(values.join(&b','))) as Option<Cow<'_, [u8]>>
        };
        let index = table
            .find(target, b"/", false, headers)
            .expect("the canary");
        assert_eq!(table.route(index).name, "canary");
    }

    #[test]
    fn indices_are_dense_over_the_whole_table() {
        let table = shop();
        let names: Vec<_> = (0..4)
            .map(RouteIndex)
            .map(|index| {
                (
                    index.as_usize(),
                    table.service(index),
                    &*table.route(index).name,
                )
            })
            .collect();
        let expected = [
            (0, "orders", "canary"),
            (1, "orders", "get"),
            (2, "orders", "orders"),
            (3, "payments", "payments"),
        ];
        assert_eq!(names, expected);
        assert_eq!(table.len(), 4);
        assert!(RouteTable::default().is_empty());
    }

    #[test]
    fn workers_share_a_table() {
        fn is_shared<T: Send + Sync>(_: &T) {}
        is_shared(&shop());
    }
}
