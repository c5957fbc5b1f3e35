//! The route table: from who was addressed to the first rule that matches.
//!
//! Built once from configuration, then only read and shared between workers. Keys come from
//! configuration alone, so a plain hash cannot be flooded by peers. A lookup allocates
//! nothing: names are lower-cased on the stack, and a found route is an index.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::{HeaderMatch, RouteMatch, WeightedCluster};
use crate::authority::HOST_OCTETS_MAX;
use crate::{Authority, CallPolicy, ConfigError};

/// Marks a domain that is a gRPC service name: `grpc/shop.v1.Orders`.
const GRPC_ALIAS: &str = "grpc/";

/// The routes of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualHost {
    /// Name of the service.
    pub name: String,
    /// Names it answers to, lower case: hosts (`orders`, `orders.mesh`; a port is ignored), and
    /// gRPC services as `grpc/shop.v1.Orders`. No wildcards.
    pub domains: Vec<String>,
    /// The first that matches wins; their order is the renderer's duty.
    pub routes: Vec<Route>,
}

/// One rule and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Name for records and metrics.
    pub name: String,
    /// What it wants of a request.
    pub matches: RouteMatch,
    /// Where matching calls go, by weight. At least one weight is above zero.
    pub clusters: Vec<WeightedCluster>,
    /// How matching calls are treated.
    pub policy: CallPolicy,
}

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
    /// The authority is loopback, and the path cannot tell the service: plain HTTP/2, or a
    /// gRPC service that everybody implements (health, reflection).
    NeedsNamedAuthority,
    /// The service is known and none of its rules matches.
    NoMatchingRule,
}

/// All routes of a configuration.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    by_host: FxHashMap<Box<str>, usize>,
    by_grpc_service: FxHashMap<Box<str>, usize>,
    services: Vec<Service>,
    routes: Vec<Route>,
}

/// The routes of a service are `routes[first..end]`.
#[derive(Clone, Debug)]
struct Service {
    name: String,
    first: u32,
    end: u32,
}

impl RouteTable {
    /// Builds the table.
    ///
    /// # Errors
    /// [`ConfigError`] for a domain that two services claim or that is not a lower-case name,
    /// a route without a weighted cluster, a header name in upper case, or a policy that
    /// contradicts itself.
    pub fn build(hosts: Vec<VirtualHost>) -> Result<RouteTable, ConfigError> {
        let mut table = RouteTable::default();
        for host in hosts {
            table.add(host)?;
        }
        Ok(table)
    }

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
            Some(name) if !is_everybodys(name) => self
                .service_at(self.by_grpc_service.get(name))
                .ok_or(NoRoute::UnknownGrpcService),
            Some(_) | None => Err(NoRoute::NeedsNamedAuthority),
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

    fn add(&mut self, host: VirtualHost) -> Result<(), ConfigError> {
        let VirtualHost {
            name,
            domains,
            routes,
        } = host;
        let error = |field: String, problem: String| ConfigError {
            resource: format!("virtual host \"{name}\""),
            field,
            problem,
        };
        for (index, domain) in domains.iter().enumerate() {
            self.add_domain(domain)
                .map_err(|problem| error(format!("domains[{index}]"), problem))?;
        }
        for (index, route) in routes.iter().enumerate() {
            check_route(route)
                .map_err(|(field, problem)| error(format!("routes[{index}].{field}"), problem))?;
        }
        let place = |length: usize| {
            u32::try_from(length).map_err(|_| error("routes".to_owned(), "too many".to_owned()))
        };
        let first = place(self.routes.len())?;
        let end = place(self.routes.len() + routes.len())?;
        self.routes.extend(routes);
        self.services.push(Service { name, first, end });
        Ok(())
    }

    /// Registers a name for the service that will be added next.
    fn add_domain(&mut self, domain: &str) -> Result<(), String> {
        let place = self.services.len();
        let (names, key) = match domain.strip_prefix(GRPC_ALIAS) {
            Some(service) => (&mut self.by_grpc_service, grpc_key(service)?),
            None => (&mut self.by_host, host_key(domain)?),
        };
        match names.insert(key.into(), place) {
            Some(other) if other != place => Err(format!("\"{key}\" belongs to another service")),
            Some(_) | None => Ok(()),
        }
    }
}

fn grpc_key(service: &str) -> Result<&str, String> {
    if is_everybodys(service) {
        return Err(format!(
            "\"{service}\" is implemented by every server and names none"
        ));
    }
    Ok(service)
}

fn host_key(domain: &str) -> Result<&str, String> {
    let authority = Authority::parse(domain.as_bytes())
        .map_err(|_| format!("\"{domain}\" is not a host name"))?;
    let host = authority.service_host();
    if host.bytes().any(|octet| octet.is_ascii_uppercase()) {
        return Err(format!("\"{domain}\" is not in lower case"));
    }
    if authority.is_loopback() {
        return Err(format!(
            "\"{domain}\" is loopback: calls to it go by their gRPC service"
        ));
    }
    Ok(host)
}

fn check_route(route: &Route) -> Result<(), (String, String)> {
    let fail = |field: &str, problem: &str| Err((field.to_owned(), problem.to_owned()));
    if route.clusters.iter().all(|cluster| cluster.weight == 0) {
        return fail("clusters", "no cluster has a weight above zero");
    }
    let has_upper = |rule: &HeaderMatch| rule.name.bytes().any(|octet| octet.is_ascii_uppercase());
    if route.matches.headers.iter().any(has_upper) {
        return fail("matches.headers", "a header name is not in lower case");
    }
    match route.policy.problem() {
        Some((field, problem)) => fail(&format!("policy.{field}"), problem),
        None => Ok(()),
    }
}

/// Services of gRPC's own that every server may carry, so that they identify none.
fn is_everybodys(grpc_service: &str) -> bool {
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
