//! Who may see what, by the identity in the certificate.
//!
//! Every member sees the routes, clusters and endpoints of the mesh; which calls are allowed is not
//! decided here. What belongs to one service is visible to no other, whatever its name.

use outrider_proto::{Kind, OUTBOUND_LISTENER, TRUST_BUNDLE_SECRET, inbound_listener};

use crate::members::caller::Workload;

/// What one member may see.
#[derive(Debug)]
pub struct Visibility {
    inbound_listener: String,
}

impl Visibility {
    /// What this member may see.
    pub fn of(workload: &Workload) -> Visibility {
        Visibility {
            inbound_listener: inbound_listener(&workload.namespace, &workload.service),
        }
    }

    /// May it see the resource of that kind and name?
    ///
    /// The only secret that anybody may see is the trust bundle: keys never leave the sidecar that
    /// made them. Of the inbound listeners a member sees that of its service.
    pub fn includes(&self, kind: Kind, name: &str) -> bool {
        match kind {
            Kind::Cluster | Kind::Endpoints | Kind::Routes => true,
            Kind::Secret => name == TRUST_BUNDLE_SECRET,
            Kind::Listener => name == OUTBOUND_LISTENER || name == self.inbound_listener,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_sees_the_mesh_and_what_belongs_to_its_own_service() {
        let visibility = Visibility {
            inbound_listener: inbound_listener("shop", "cart"),
        };
        let cases = [
            (Kind::Cluster, "orders", true),
            (Kind::Endpoints, "orders", true),
            (Kind::Routes, "orders", true),
            (Kind::Secret, "trust-bundle", true),
            (Kind::Secret, "identity", false),
            (Kind::Secret, "orders", false),
            (Kind::Listener, "outbound", true),
            (Kind::Listener, "inbound/cart/shop", true),
            (Kind::Listener, "inbound/cart/default", false),
            (Kind::Listener, "inbound/orders/shop", false),
            (Kind::Listener, "orders", false),
        ];
        for (kind, name, expected) in cases {
            assert_eq!(visibility.includes(kind, name), expected, "{kind:?} {name}");
        }
    }
}
