//! The kinds of xDS resources that Outrider speaks, in the order in which they are sent.
//!
//! What the protocol says of a kind as such; who needs whom is said here, once.
//! Reference: the xDS protocol, "Eventual consistency considerations".

use crate::envoy::cluster::Cluster;
use crate::envoy::endpoint::ClusterLoadAssignment;
use crate::envoy::listener::Listener;
use crate::envoy::route::RouteConfiguration;
use crate::envoy::tls::Secret;
use prost::Name;

/// A kind of resource. The order is that of sending: what is needed comes before what needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// CDS.
    Cluster,
    /// EDS.
    Endpoints,
    /// SDS.
    Secret,
    /// LDS.
    Listener,
    /// RDS.
    Routes,
}

impl Kind {
    /// All, in the order of sending.
    pub const ALL: [Kind; 5] = [
        Kind::Cluster,
        Kind::Endpoints,
        Kind::Secret,
        Kind::Listener,
        Kind::Routes,
    ];

    /// The type URL of its resources.
    pub fn type_url(self) -> String {
        match self {
            Kind::Cluster => Cluster::type_url(),
            Kind::Endpoints => ClusterLoadAssignment::type_url(),
            Kind::Secret => Secret::type_url(),
            Kind::Listener => Listener::type_url(),
            Kind::Routes => RouteConfiguration::type_url(),
        }
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Cluster => "cluster",
            Kind::Endpoints => "endpoints",
            Kind::Secret => "secret",
            Kind::Listener => "listener",
            Kind::Routes => "routes",
        }
    }

    /// The kind of a type URL; `None` for those that Outrider does not speak.
    pub fn of_type_url(type_url: &str) -> Option<Kind> {
        Kind::ALL
            .into_iter()
            .find(|kind| kind.type_url() == type_url)
    }

    /// Listeners and clusters: a client may ask for all of them (`*`), and a state-of-the-world
    /// response carries all that the client shall have. Of the others it carries what changed.
    pub fn is_whole(self) -> bool {
        match self {
            Kind::Cluster | Kind::Listener => true,
            Kind::Endpoints | Kind::Secret | Kind::Routes => false,
        }
    }

    /// What must be in place at the client before this one is sent: traffic is never led to
    /// what is not there yet.
    pub fn needs(self) -> &'static [Kind] {
        match self {
            // Envoy answers CDS only when the clusters are warm, which takes EDS and SDS.
            Kind::Cluster | Kind::Endpoints | Kind::Secret => &[],
            Kind::Listener | Kind::Routes => &[Kind::Cluster, Kind::Endpoints],
        }
    }

    /// Who may refer to it: it is taken away only after they have been brought up to date.
    pub fn referrers(self) -> &'static [Kind] {
        match self {
            Kind::Cluster => &[Kind::Listener, Kind::Routes],
            Kind::Endpoints => &[Kind::Cluster],
            Kind::Secret => &[Kind::Cluster, Kind::Listener],
            Kind::Listener => &[],
            Kind::Routes => &[Kind::Listener],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_url_leads_back_to_its_kind() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of_type_url(&kind.type_url()), Some(kind));
        }
        assert_eq!(Kind::of_type_url("type.googleapis.com/a.B"), None);
    }

    #[test]
    fn nobody_needs_what_is_sent_later() {
        for kind in Kind::ALL {
            assert!(kind.needs().iter().all(|needed| *needed < kind), "{kind:?}");
        }
    }
}
