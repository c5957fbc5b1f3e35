//! Builds the route table and reports everything that is wrong with it.
//!
//! A built table is never checked again. Does not know where a configuration came from, nor whether
//! the clusters that it names exist.

use super::table::{RouteTable, Service, is_everybodys};
use super::{HeaderMatch, Route, VirtualHost};
use crate::path::is_service_name;
use crate::{Authority, ConfigError};

/// Marks a domain that is a gRPC service name: `grpc/shop.v1.Orders`.
pub(super) const GRPC_ALIAS: &str = "grpc/";

impl RouteTable {
    /// Builds the table.
    ///
    /// # Errors
    /// [`ConfigError`] for a domain that two services claim or that is not a lower-case name,
    /// a route without a weighted cluster, a header name in upper case, or a policy that
    /// contradicts itself.
    pub fn build(hosts: Vec<VirtualHost>) -> Result<RouteTable, ConfigError> {
        let mut table = RouteTable::default();
        table.add(hosts).map_err(|(_, error)| error)?;
        Ok(table)
    }

    /// Adds services: all of them or, when one is refused, none.
    ///
    /// # Errors
    /// The place in `hosts` of the first one refused, and what [`RouteTable::build`] says of it.
    pub fn add(&mut self, hosts: Vec<VirtualHost>) -> Result<(), (usize, ConfigError)> {
        let (services, routes) = (self.services.len(), self.routes.len());
        for (index, host) in hosts.into_iter().enumerate() {
            if let Err(error) = self.add_host(host) {
                self.truncate(services, routes);
                return Err((index, error));
            }
        }
        Ok(())
    }

    /// Takes back what was added after there were so many.
    fn truncate(&mut self, services: usize, routes: usize) {
        self.by_host.retain(|_, place| *place < services);
        self.by_grpc_service.retain(|_, place| *place < services);
        self.services.truncate(services);
        self.routes.truncate(routes);
    }

    fn add_host(&mut self, host: VirtualHost) -> Result<(), ConfigError> {
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
        let owner = *names.entry(key.into()).or_insert(place);
        match self.services.get(owner) {
            Some(Service { name, .. }) => Err(format!("\"{domain}\" belongs to \"{name}\"")),
            None => Ok(()),
        }
    }
}

fn grpc_key(service: &str) -> Result<&str, String> {
    if is_everybodys(service) {
        return Err(format!(
            "\"{service}\" is implemented by every server and names none"
        ));
    }
    if !is_service_name(service) {
        return Err(format!("\"{service}\" is not a gRPC service name"));
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{CallPolicy, HeaderValueMatch, RouteMatch, WeightedCluster};

    fn route() -> Route {
        Route {
            name: "all".to_owned(),
            matches: RouteMatch::default(),
            clusters: vec![WeightedCluster {
                cluster: "orders".to_owned(),
                weight: 1,
            }],
            policy: CallPolicy::default(),
        }
    }

    fn host(name: &str, domains: &[&str], route: Route) -> VirtualHost {
        let domains = domains.iter().map(|domain| (*domain).to_owned()).collect();
        VirtualHost {
            name: name.to_owned(),
            domains,
            routes: vec![route],
        }
    }

    /// The field that a configuration of these hosts is refused for.
    fn refused_field(hosts: Vec<VirtualHost>) -> Option<String> {
        RouteTable::build(hosts).err().map(|error| error.field)
    }

    #[test]
    fn a_name_belongs_to_one_service() {
        let claims = [
            ("orders", "orders"),
            ("orders", "orders.mesh"),
            ("orders:1", "orders:2"),
            ("orders", "orders."),
            ("orders.mesh.:1", "orders"),
            ("grpc/shop.v1.Orders", "grpc/shop.v1.Orders"),
        ];
        for (first, second) in claims {
            let hosts = vec![host("a", &[first], route()), host("b", &[second], route())];
            assert_eq!(
                refused_field(hosts).as_deref(),
                Some("domains[0]"),
                "{first} {second}"
            );
        }
        let twice = host("a", &["orders", "orders.mesh", "orders:50051"], route());
        assert_eq!(refused_field(vec![twice]), None);
    }

    #[test]
    fn a_refusal_leaves_the_table_as_it_was() {
        let mut table = RouteTable::build(vec![host("a", &["a"], route())]).expect("a table");
        let before = format!("{table:?}");
        let hosts = vec![
            host("b", &["b", "grpc/shop.v1.B"], route()),
            host("c", &["c", "a.mesh"], route()),
        ];
        let (index, error) = table.add(hosts).expect_err("a conflict");
        let text = "virtual host \"c\": domains[1]: \"a.mesh\" belongs to \"a\"";
        assert_eq!((index, error.to_string().as_str()), (1, text));
        assert_eq!(format!("{table:?}"), before);
    }

    #[test]
    fn a_domain_is_a_lower_case_host_or_a_grpc_service() {
        let domains = [
            "",
            "*",
            "*.mesh",
            "Orders",
            "orders..",
            "localhost",
            "localhost.",
            "127.0.0.1:1",
            "grpc/",
            "grpc/a.B/C",
            "grpc/a-b",
            "grpc/grpc.health.v1.Health",
            "a/b",
        ];
        for domain in domains {
            let refused = refused_field(vec![host("a", &["fine", domain], route())]);
            assert_eq!(refused.as_deref(), Some("domains[1]"), "{domain:?}");
        }
    }

    #[test]
    fn a_route_must_lead_somewhere_and_not_contradict_itself() {
        let weightless = Route {
            clusters: vec![WeightedCluster {
                cluster: "orders".to_owned(),
                weight: 0,
            }],
            ..route()
        };
        let nowhere = Route {
            clusters: vec![],
            ..route()
        };
        let mut upper_case = route();
        upper_case.matches.headers = vec![HeaderMatch {
            name: "X-Tier".to_owned(),
            value: HeaderValueMatch::Present,
            invert: false,
        }];
        let mut longer_try = route();
        longer_try.policy.timeout = Some(Duration::from_secs(1));
        longer_try.policy.per_try_timeout = Some(Duration::from_secs(2));
        let mut no_attempt = route();
        no_attempt.policy.retry.attempts_max = 0;
        let mut six_attempts = route();
        six_attempts.policy.retry.attempts_max = 6;
        let cases = [
            (weightless, "routes[0].clusters"),
            (nowhere, "routes[0].clusters"),
            (upper_case, "routes[0].matches.headers"),
            (longer_try, "routes[0].policy.per_try_timeout"),
            (no_attempt, "routes[0].policy.retry.attempts_max"),
            (six_attempts, "routes[0].policy.retry.attempts_max"),
        ];
        for (route, field) in cases {
            assert_eq!(
                refused_field(vec![host("a", &["a"], route)]).as_deref(),
                Some(field)
            );
        }
    }

    #[test]
    fn an_error_names_the_service_the_field_and_the_problem() {
        let error = RouteTable::build(vec![host("shop", &["*"], route())]).expect_err("a wildcard");
        let text = "virtual host \"shop\": domains[0]: \"*\" is not a host name";
        assert_eq!(error.to_string(), text);
    }
}
