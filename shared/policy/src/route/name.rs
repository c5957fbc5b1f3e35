//! The name by which the mesh is asked for a service: what on-demand discovery subscribes to.
//!
//! Either the service's own, as its document has it, or `grpc/` and a gRPC service that its
//! document lists. A name that cannot be either is never asked for.

use super::build::GRPC_ALIAS;
use super::table::{RouteTable, Target, is_everybodys};

/// Longest DNS label (RFC 1035 2.3.4), so longest name of a service. Octets.
const LABEL_OCTETS_MAX: usize = 63;

/// Longest name of a gRPC service that a document may list. Octets.
const GRPC_SERVICE_OCTETS_MAX: usize = 255;

impl Target<'_> {
    /// The name to ask for, in the form of [`super::VirtualHost`]'s domains: lower-case `orders`
    /// for `Orders.mesh:80`; `grpc/shop.v1.Orders` for a loopback authority. `None`: no service
    /// can have this name, or the call needs a named authority.
    pub fn name(&self) -> Option<String> {
        if !self.authority.is_loopback() {
            let name = self.authority.service_host().to_ascii_lowercase();
            return is_label(&name).then_some(name);
        }
        let service = self.grpc_service?;
        let fits = !is_everybodys(service) && service.len() <= GRPC_SERVICE_OCTETS_MAX;
        fits.then(|| format!("{GRPC_ALIAS}{service}"))
    }
}

impl RouteTable {
    /// Does a service answer to this name (see [`Target::name`])?
    pub fn knows(&self, name: &str) -> bool {
        match name.strip_prefix(GRPC_ALIAS) {
            Some(service) => self.by_grpc_service.contains_key(service),
            None => self.by_host.contains_key(name),
        }
    }
}

/// A DNS label (RFC 1123 2.1) in lower case, as a document's `metadata.name` must be.
fn is_label(name: &str) -> bool {
    let legal = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
    (1..=LABEL_OCTETS_MAX).contains(&name.len())
        && name.bytes().all(legal)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Authority, VirtualHost};

    fn name(authority: &str, grpc_service: Option<&str>) -> Option<String> {
        let authority = Authority::parse(authority.as_bytes()).expect("a good authority");
        let target = Target {
            authority: &authority,
            grpc_service,
        };
        target.name()
    }

    #[test]
    fn a_service_is_asked_for_by_its_own_name() {
        let long = "a".repeat(LABEL_OCTETS_MAX);
        let cases = [
            ("orders", Some("orders")),
            ("ORDERS.Mesh:80", Some("orders")),
            ("orders.mesh.:", Some("orders")),
            ("shop-2", Some("shop-2")),
            (&long, Some(&*long)),
            ("orders.shop", None),
            ("10.0.0.1:80", None),
            ("[2001:db8::1]", None),
            ("or_ders", None),
            ("-orders", None),
            ("orders-", None),
            (&format!("{long}a"), None),
        ];
        for (authority, expected) in cases {
            // What the path names does not matter here.
            let found = name(authority, Some("shop.v1.Other"));
            assert_eq!(found.as_deref(), expected, "{authority}");
        }
    }

    #[test]
    fn behind_a_loopback_authority_the_grpc_service_is_asked_for() {
        let long = "A".repeat(GRPC_SERVICE_OCTETS_MAX + 1);
        let cases = [
            (Some("shop.v1.Orders"), Some("grpc/shop.v1.Orders")),
            (Some("grpc.health.v1.Health"), None),
            (Some(&*long), None),
            (None, None),
        ];
        for (service, expected) in cases {
            let found = name("localhost:15001", service);
            assert_eq!(found.as_deref(), expected, "{service:?}");
        }
    }

    #[test]
    fn a_table_knows_what_was_asked_for() {
        let host = VirtualHost {
            name: "orders".to_owned(),
            domains: vec!["orders.mesh".to_owned(), "grpc/shop.v1.Orders".to_owned()],
            routes: Vec::new(),
        };
        let table = RouteTable::build(vec![host]).expect("a good table");
        for name in [name("Orders", None), name("[::1]", Some("shop.v1.Orders"))] {
            assert!(name.is_some_and(|name| table.knows(&name)));
        }
        assert!(!table.knows("shop.v1.Orders") && !table.knows("grpc/orders"));
    }
}
