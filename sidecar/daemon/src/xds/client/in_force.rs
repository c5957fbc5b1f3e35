//! What is in force: good resources that are complete. The old ones serve until then.
//!
//! A cluster waits for its endpoints, a route for its clusters; endpoints that are held already
//! count, so a changed cluster never waits for what it had. What nobody will answer any more
//! is not waited for: then only what depends on it fails. A trust bundle gives way to another
//! one alone: that there is none cannot mean to trust nobody.

use std::collections::{BTreeMap, BTreeSet};

use outrider_proto::envoy::cluster::Cluster;
use outrider_proto::envoy::endpoint::ClusterLoadAssignment;
use outrider_proto::envoy::listener::Listener;
use outrider_proto::envoy::route::RouteConfiguration;
use outrider_proto::envoy::tls::Secret;
use outrider_proto::{Kind, Resource, Resources, Versioned, eds_name};

use super::resource_cache::ResourceCache;
use super::subscriptions::{Subscriptions, clusters_of};

/// The resources in force.
#[derive(Debug, Default, PartialEq)]
pub(super) struct InForce {
    listeners: BTreeMap<String, Versioned<Listener>>,
    routes: BTreeMap<String, Versioned<RouteConfiguration>>,
    clusters: BTreeMap<String, Versioned<Cluster>>,
    endpoints: BTreeMap<String, Versioned<ClusterLoadAssignment>>,
    secrets: BTreeMap<String, Versioned<Secret>>,
}

impl InForce {
    /// What was in force when it was stored.
    pub fn restored(resources: &Resources) -> InForce {
        let Resources {
            clusters,
            endpoints,
            listeners,
            routes,
            secrets,
        } = resources;
        InForce {
            listeners: by_name(listeners),
            routes: by_name(routes),
            clusters: by_name(clusters),
            endpoints: by_name(endpoints),
            secrets: by_name(secrets),
        }
    }

    /// What is in force next, after `self`.
    pub fn next(&self, cache: &ResourceCache, subscriptions: &Subscriptions) -> InForce {
        let mut next = InForce::default();
        for (name, routes) in cache.routes.all_good(subscriptions.of(Kind::Routes)) {
            let clusters = clusters_of(&routes.message);
            let warm = |cluster: &&str| {
                self.cluster(cache, subscriptions, cluster).is_some()
                    || is_hopeless(cache, subscriptions, cluster)
            };
            let chosen = if clusters.iter().all(warm) {
                Some(routes)
            } else {
                self.routes.get(name)
            };
            let chosen = chosen.map(|routes| (name.clone(), routes.clone()));
            next.routes.extend(chosen);
        }
        for name in next.cluster_names() {
            let cluster = self.cluster(cache, subscriptions, &name).cloned();
            next.clusters.extend(cluster.map(|cluster| (name, cluster)));
        }
        for name in next.endpoint_names() {
            let endpoints = cache.endpoints.good(&name).cloned();
            next.endpoints.extend(endpoints.map(|found| (name, found)));
        }
        let listeners = cache.listeners.all_good(subscriptions.of(Kind::Listener));
        let listeners = listeners.map(|(name, listener)| (name.clone(), listener.clone()));
        next.listeners.extend(listeners);
        next.secrets.clone_from(&self.secrets);
        let secrets = cache.secrets.all_good(subscriptions.of(Kind::Secret));
        let secrets = secrets.map(|(name, secret)| (name.clone(), secret.clone()));
        next.secrets.extend(secrets);
        next
    }

    /// The new cluster if it is warm, else the one in force.
    fn cluster<'c>(
        &'c self,
        cache: &'c ResourceCache,
        subscriptions: &Subscriptions,
        name: &str,
    ) -> Option<&'c Versioned<Cluster>> {
        let good = cache.clusters.good(name)?;
        let warm = eds_name(&good.message).is_none_or(|eds| {
            cache.endpoints.good(eds).is_some() || is_answered(subscriptions, Kind::Endpoints, eds)
        });
        if warm {
            Some(good)
        } else {
            self.clusters.get(name)
        }
    }

    pub fn cluster_names(&self) -> BTreeSet<String> {
        let routes = self.routes.values();
        let names = routes.flat_map(|routes| clusters_of(&routes.message));
        names.map(str::to_owned).collect()
    }

    pub fn endpoint_names(&self) -> BTreeSet<String> {
        let clusters = self.clusters.values();
        let names = clusters.filter_map(|cluster| eds_name(&cluster.message));
        names.map(str::to_owned).collect()
    }

    pub fn resources(&self) -> Resources {
        Resources {
            clusters: self.clusters.values().cloned().collect(),
            endpoints: self.endpoints.values().cloned().collect(),
            listeners: self.listeners.values().cloned().collect(),
            routes: self.routes.values().cloned().collect(),
            secrets: self.secrets.values().cloned().collect(),
        }
    }
}

/// Under the version that its content has here.
fn by_name<M: Resource + Clone>(resources: &[Versioned<M>]) -> BTreeMap<String, Versioned<M>> {
    let messages = resources.iter().map(|resource| resource.message.clone());
    let named = messages.map(|message| (message.resource_name().to_owned(), message));
    named
        .map(|(name, message)| (name, Versioned::new(message)))
        .collect()
}

/// Was a name wanted, and is there no more to wait for?
fn is_answered(subscriptions: &Subscriptions, kind: Kind, name: &str) -> bool {
    subscriptions.has(kind, name) && subscriptions.is_over(kind, name)
}

/// Nothing good is there and nothing will come.
fn is_hopeless(cache: &ResourceCache, subscriptions: &Subscriptions, cluster: &str) -> bool {
    cache.clusters.good(cluster).is_none() && is_answered(subscriptions, Kind::Cluster, cluster)
}
