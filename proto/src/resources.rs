//! A set of xDS resources: what a sidecar is told, by documents or by ADS.
//!
//! A resource's version is a hash of its content, so that a restarted control
//! plane does not renumber what did not change.

use crate::envoy::cluster::Cluster;
use crate::envoy::endpoint::ClusterLoadAssignment;
use crate::envoy::listener::Listener;
use crate::envoy::route::RouteConfiguration;
use crate::envoy::tls::Secret;
use prost::{Message, Name};

/// A message of xDS that is a resource of its own: it has a name.
pub trait Resource: Message + Name + Default {
    /// The name clients subscribe to.
    fn resource_name(&self) -> &str;

    /// Other names that clients may ask by. Routes have their domains `grpc/<gRPC service>`.
    fn aliases(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Resource for Cluster {
    fn resource_name(&self) -> &str {
        &self.name
    }
}

impl Resource for ClusterLoadAssignment {
    fn resource_name(&self) -> &str {
        &self.cluster_name
    }
}

impl Resource for Listener {
    fn resource_name(&self) -> &str {
        &self.name
    }
}

impl Resource for RouteConfiguration {
    fn resource_name(&self) -> &str {
        &self.name
    }

    fn aliases(&self) -> Vec<String> {
        let domains = self.virtual_hosts.iter().flat_map(|host| &host.domains);
        let aliases = domains.filter(|domain| domain.starts_with("grpc/"));
        aliases.cloned().collect()
    }
}

impl Resource for Secret {
    fn resource_name(&self) -> &str {
        &self.name
    }
}

/// The name under which a cluster's endpoints are asked for, if they come by EDS.
pub fn eds_name(cluster: &Cluster) -> Option<&str> {
    let eds = cluster.eds_cluster_config.as_ref()?;
    let name = Some(&eds.service_name).filter(|name| !name.is_empty());
    Some(name.unwrap_or(&cluster.name))
}

/// A resource and the version of its content.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned<M> {
    /// 16 hexadecimal digits; equal for equal content.
    pub version: String,
    /// The resource itself.
    pub message: M,
}

impl<M: Resource> Versioned<M> {
    /// Computes the version. Map fields with more than one entry have no fixed
    /// encoding: keep to one entry where a stable version matters.
    pub fn new(message: M) -> Versioned<M> {
        Versioned {
            version: content_version(&message.encode_to_vec()),
            message,
        }
    }
}

/// A version that depends on the content alone: 16 hexadecimal digits.
pub fn content_version(content: &[u8]) -> String {
    format!("{:016x}", content_hash(content))
}

/// The number behind [`content_version`].
// FNV-1a, 64 bit: stable across builds and machines. It is no defence against an
// adversary, who could only make two versions of his own resource look the same.
pub fn content_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The whole state of the world: what is not in it does not exist.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resources {
    /// CDS, ordered by name.
    pub clusters: Vec<Versioned<Cluster>>,
    /// EDS, ordered by name: the endpoints of the clusters of type EDS.
    pub endpoints: Vec<Versioned<ClusterLoadAssignment>>,
    /// LDS, ordered by name: the inbound one of each service, and the outbound one.
    pub listeners: Vec<Versioned<Listener>>,
    /// RDS, ordered by name: one for each service.
    pub routes: Vec<Versioned<RouteConfiguration>>,
    /// SDS, ordered by name: the trust bundle. Documents have none; an authority has.
    pub secrets: Vec<Versioned<Secret>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Versioned<Cluster> {
        Versioned::new(Cluster {
            name: name.to_owned(),
            ..Cluster::default()
        })
    }

    #[test]
    fn equal_content_has_an_equal_version() {
        assert_eq!(named("a").version, named("a").version);
        assert_ne!(named("a").version, named("b").version);
    }

    // Test vectors of the reference page of Fowler, Noll and Vo (public domain).
    #[test]
    fn the_hash_is_content_hash() {
        assert_eq!(content_hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(content_hash(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
