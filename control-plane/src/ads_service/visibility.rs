//! Who may see what, by the identity in the certificate.
//!
//! Every member sees the routes, clusters and endpoints of the mesh; which calls are allowed is not
//! decided here. What belongs to one workload is visible to no other, whatever its name.

use outrider_proto::{Kind, TRUST_BUNDLE_SECRET};

/// May a member of the mesh see the resource of that kind and name?
///
/// The only secret that is anybody's to see is the trust bundle: keys never leave the sidecar
/// that made them. Listeners are a sidecar's own business; there are none.
pub fn sees(kind: Kind, name: &str) -> bool {
    match kind {
        Kind::Cluster | Kind::Endpoints | Kind::Routes => true,
        Kind::Secret => name == TRUST_BUNDLE_SECRET,
        Kind::Listener => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_see_the_mesh_and_nothing_that_is_somebodys() {
        let cases = [
            (Kind::Cluster, "orders", true),
            (Kind::Endpoints, "orders", true),
            (Kind::Routes, "orders", true),
            (Kind::Secret, "trust-bundle", true),
            (Kind::Secret, "identity", false),
            (Kind::Secret, "orders", false),
            (Kind::Listener, "orders", false),
        ];
        for (kind, name, expected) in cases {
            assert_eq!(sees(kind, name), expected, "{kind:?} {name}");
        }
    }
}
