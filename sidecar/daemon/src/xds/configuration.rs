//! What was accepted: everything of a snapshot but the addresses behind host names.

use super::cluster::{ClusterParts, Discovery};
use super::domains::ResolvedRoutes;
use super::endpoints::{Host, ListedEndpoint};
use outrider_engine::config::{Cluster, Endpoint, Snapshot};
use outrider_policy::{Family, ListenerPolicy};
use outrider_proto::{OUTBOUND_LISTENER, TRUST_BUNDLE_SECRET};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// A resource in force.
#[derive(Debug, Clone)]
pub(super) struct AcceptedResource<T> {
    pub version: String,
    /// Its place in the set it came with.
    pub index: usize,
    pub value: T,
}

/// The accepted resources. The default is empty: no service is known.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    pub(super) clusters: BTreeMap<String, AcceptedResource<ClusterParts>>,
    pub(super) endpoints: BTreeMap<String, AcceptedResource<Vec<ListedEndpoint>>>,
    pub(super) listeners: BTreeMap<String, AcceptedResource<ListenerPolicy>>,
    pub(super) routes: ResolvedRoutes,
    /// Trust bundles, in PEM.
    pub(super) secrets: BTreeMap<String, AcceptedResource<Vec<u8>>>,
}

impl Configuration {
    /// A hash of the content; equal for equal resources.
    pub fn version(&self) -> String {
        outrider_proto::content_version(self.resources().join("\n").as_bytes())
    }

    /// Every resource in force as `type/name@version`, in order.
    pub fn resources(&self) -> Vec<String> {
        let clusters = self
            .clusters
            .iter()
            .map(|(name, kept)| ("cluster", name, &kept.version));
        let endpoints = self
            .endpoints
            .iter()
            .map(|(name, kept)| ("endpoints", name, &kept.version));
        let listeners = self
            .listeners
            .iter()
            .map(|(name, kept)| ("listener", name, &kept.version));
        let routes = self
            .routes
            .routes
            .iter()
            .map(|(name, kept)| ("routes", name, &kept.version));
        let secrets = self
            .secrets
            .iter()
            .map(|(name, kept)| ("secret", name, &kept.version));
        clusters
            .chain(endpoints)
            .chain(listeners)
            .chain(routes)
            .chain(secrets)
            .map(|(kind, name, version)| format!("{kind}/{name}@{version}"))
            .collect()
    }

    /// The mesh's trust bundle in PEM, if a control plane gave one.
    pub fn trust_bundle(&self) -> Option<&[u8]> {
        let kept = self.secrets.get(TRUST_BUNDLE_SECRET)?;
        Some(&kept.value)
    }

    /// The host names among the endpoints, to be resolved.
    pub fn host_names(&self) -> BTreeSet<String> {
        let clusters = self.clusters.keys();
        clusters
            .flat_map(|cluster| self.host_names_of(cluster))
            .map(str::to_owned)
            .collect()
    }

    /// The host names among the endpoints of one cluster.
    pub fn host_names_of(&self, cluster: &str) -> impl Iterator<Item = &str> {
        let kept = self.clusters.get(cluster);
        let endpoints = kept.map_or(&[][..], |kept| self.endpoints(&kept.value));
        endpoints.iter().filter_map(|it| match &it.address.host {
            Host::Name(name) => Some(name.as_str()),
            Host::Ip(_) => None,
        })
    }

    /// The engine's configuration, with `inbound` as the name of its inbound listener. `resolve` gives
    /// what is known of a host name; a name that stands for nothing contributes no endpoint.
    pub fn snapshot<'a>(
        &'a self,
        inbound: &str,
        resolve: impl Fn(&str) -> &'a [IpAddr],
    ) -> Snapshot {
        let clusters = self.clusters.iter().map(|(name, kept)| {
            let cluster = self.cluster(name, &kept.value, &resolve);
            (name.clone(), Arc::new(cluster))
        });
        let outbound = self.listener(OUTBOUND_LISTENER).cloned();
        let outbound = outbound.unwrap_or_default();
        Snapshot {
            version: self.version(),
            // Where the local service is not known, what the whole mesh says holds.
            inbound: self.listener(inbound).unwrap_or(&outbound).clone(),
            outbound,
            routes: Arc::clone(&self.routes.table),
            clusters: clusters.collect(),
            ..Snapshot::default()
        }
    }

    fn listener(&self, name: &str) -> Option<&ListenerPolicy> {
        self.listeners.get(name).map(|kept| &kept.value)
    }

    fn cluster<'a>(
        &self,
        name: &str,
        parts: &ClusterParts,
        resolve: &impl Fn(&str) -> &'a [IpAddr],
    ) -> Cluster {
        let mut seen = BTreeSet::new();
        let listed = self.endpoints(parts).iter();
        let resolved = listed.flat_map(|listed| endpoints(listed, parts.only_family, resolve));
        let endpoints = resolved.filter(|endpoint| seen.insert(endpoint.address));
        Cluster {
            name: name.to_owned(),
            transport: parts.transport.clone(),
            endpoints: endpoints.collect(),
            policy: parts.policy.clone(),
            unresolved: None,
            shared: Default::default(),
        }
    }

    fn endpoints<'s>(&'s self, parts: &'s ClusterParts) -> &'s [ListedEndpoint] {
        match &parts.discovery {
            Discovery::Inline(endpoints) => endpoints,
            Discovery::Eds(name) => self.endpoints.get(name).map_or(&[], |kept| &kept.value),
        }
    }
}

/// What is listed as one endpoint. Of a name with addresses of both families one is the fall-back of the
/// other.
fn endpoints<'a>(
    listed: &ListedEndpoint,
    only_family: Option<Family>,
    resolve: &impl Fn(&str) -> &'a [IpAddr],
) -> Vec<Endpoint> {
    let port = listed.address.port;
    let name = match &listed.address.host {
        Host::Ip(ip) => return vec![endpoint(listed, SocketAddr::new(*ip, port))],
        Host::Name(name) => name,
    };
    let is_asked_for = |ip: &&IpAddr| only_family.is_none_or(|it| it == Family::of_ip(ip));
    let found = resolve(name).iter().filter(is_asked_for);
    let addresses: Vec<SocketAddr> = found.map(|ip| SocketAddr::new(*ip, port)).collect();
    let has_both =
        addresses.iter().any(SocketAddr::is_ipv4) && addresses.iter().any(SocketAddr::is_ipv6);
    let two_families: Option<Arc<str>> = has_both.then(|| format!("{name}:{port}").into());
    let endpoint = |address| Endpoint {
        two_families: two_families.clone(),
        ..endpoint(listed, address)
    };
    addresses.into_iter().map(endpoint).collect()
}

/// One address of what is listed.
fn endpoint(listed: &ListedEndpoint, address: SocketAddr) -> Endpoint {
    Endpoint {
        weight: listed.weight,
        priority: listed.priority,
        locality: listed.locality.clone(),
        health: listed.health,
        metadata: listed.metadata.clone(),
        ..Endpoint::at(address)
    }
}
