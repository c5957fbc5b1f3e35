//! Received resources, validated one by one; the last good version of each is kept.
//!
//! [`accept`] validates them, as it does documents. A resource that is cached only because the server
//! still sends it, and is not wanted, is not validated, so that it cannot conflict with a wanted one.
//! Decides nothing about what is wanted or in force.

use std::collections::BTreeSet;

use outrider_policy::Tick;
use outrider_proto::envoy::cluster::Cluster;
use outrider_proto::envoy::endpoint::ClusterLoadAssignment;
use outrider_proto::envoy::listener::Listener;
use outrider_proto::envoy::route::RouteConfiguration;
use outrider_proto::envoy::tls::Secret;
use outrider_proto::{Kind, Resource, Resources, unpack};

use super::kind_cache::KindCache;
use super::rejections::Rejections;
use super::subscriptions::Subscriptions;
use super::update::{ReceivedResource, Removed, Update};
use crate::xds::{Configuration, FieldError, Rejection, accept};

/// Everything received that is still subscribed to.
#[derive(Debug, Default)]
pub(super) struct ResourceCache {
    pub clusters: KindCache<Cluster>,
    pub endpoints: KindCache<ClusterLoadAssignment>,
    pub listeners: KindCache<Listener>,
    pub routes: KindCache<RouteConfiguration>,
    pub secrets: KindCache<Secret>,
    pub rejections: Rejections,
    validated: Configuration,
    /// Refused before and valid now; the server does not know yet.
    pub recovered: Vec<(Kind, String)>,
}

impl ResourceCache {
    /// What was stored is the server's last word. Its version is computed again from what is left
    /// of it: if that is still the server's, nothing was lost on the way (a field that an older
    /// build did not know), and only then does the server send nothing.
    pub fn restored(resources: &Resources) -> ResourceCache {
        let Resources {
            clusters,
            endpoints,
            listeners,
            routes,
            secrets,
        } = resources;
        let mut cache = ResourceCache::default();
        for cluster in clusters {
            cache.clusters.put("", &[], cluster.message.clone());
        }
        for assignment in endpoints {
            cache.endpoints.put("", &[], assignment.message.clone());
        }
        for listener in listeners {
            cache.listeners.put("", &[], listener.message.clone());
        }
        for routes in routes {
            let aliases = routes.message.aliases();
            cache.routes.put("", &aliases, routes.message.clone());
        }
        for secret in secrets {
            cache.secrets.put("", &[], secret.message.clone());
        }
        cache
    }

    /// Takes in a response; gives what of it was refused. What is not asked for (any more) is
    /// left aside.
    pub fn apply(
        &mut self,
        now: Tick,
        update: &Update,
        subscriptions: &Subscriptions,
        is_asked: impl Fn(&str) -> bool,
    ) -> Vec<Rejection> {
        let mut rejected = Vec::new();
        let arrived = match update.kind {
            Kind::Cluster => arrive(&mut self.clusters, update, &is_asked, &mut rejected),
            Kind::Endpoints => arrive(&mut self.endpoints, update, &is_asked, &mut rejected),
            Kind::Routes => arrive(&mut self.routes, update, &is_asked, &mut rejected),
            Kind::Secret => arrive(&mut self.secrets, update, &is_asked, &mut rejected),
            Kind::Listener => arrive(&mut self.listeners, update, &is_asked, &mut rejected),
        };
        self.rejections
            .note_undecodable(now, update, &arrived, &rejected);
        // An alias may have moved: drop what is no longer subscribed to.
        self.keep(update.kind, is_asked);
        let type_url = update.kind.type_url();
        for mut rejection in self.validate(now, subscriptions) {
            let index = arrived.iter().position(|name| *name == rejection.name);
            if let Some(index) = index.filter(|_| rejection.type_url == type_url) {
                rejection.index = index;
                rejected.push(rejection);
            }
        }
        rejected
    }

    /// Judges the server's last word on everything that is wanted.
    pub fn validate(&mut self, now: Tick, subscriptions: &Subscriptions) -> Vec<Rejection> {
        let resources = Resources {
            clusters: self.clusters.latest(subscriptions.of(Kind::Cluster)),
            endpoints: self.endpoints.latest(subscriptions.of(Kind::Endpoints)),
            listeners: self.listeners.latest(subscriptions.of(Kind::Listener)),
            routes: self.routes.latest(subscriptions.of(Kind::Routes)),
            secrets: self.secrets.latest(subscriptions.of(Kind::Secret)),
        };
        let accepted = accept(&resources, &self.validated);
        self.validated = accepted.configuration;
        self.rejections.validated(now, &accepted.rejected);
        let rejected = accepted.rejected.iter();
        let rejected: BTreeSet<_> = rejected
            .map(|r| (r.type_url.as_str(), r.name.as_str()))
            .collect();
        for kind in Kind::ALL {
            let type_url = kind.type_url();
            let is_rejected = |name: &str| rejected.contains(&(type_url.as_str(), name));
            let is_wanted = subscriptions.of(kind);
            let recovered = match kind {
                Kind::Cluster => self.clusters.validate(is_wanted, is_rejected),
                Kind::Endpoints => self.endpoints.validate(is_wanted, is_rejected),
                Kind::Routes => self.routes.validate(is_wanted, is_rejected),
                Kind::Secret => self.secrets.validate(is_wanted, is_rejected),
                Kind::Listener => self.listeners.validate(is_wanted, is_rejected),
            };
            let recovered = recovered.into_iter().map(|name| (kind, name));
            self.recovered.extend(recovered);
        }
        accepted.rejected
    }

    /// Has the server sent a resource under this name?
    pub fn has(&self, kind: Kind, name: &str) -> bool {
        match kind {
            Kind::Cluster => self.clusters.has(name),
            Kind::Endpoints => self.endpoints.has(name),
            Kind::Routes => self.routes.has(name),
            Kind::Secret => self.secrets.has(name),
            Kind::Listener => self.listeners.has(name),
        }
    }

    pub fn keep(&mut self, kind: Kind, is_asked: impl Fn(&str) -> bool) {
        self.rejections.keep(kind, &is_asked);
        match kind {
            Kind::Cluster => self.clusters.keep(is_asked),
            Kind::Endpoints => self.endpoints.keep(is_asked),
            Kind::Routes => self.routes.keep(is_asked),
            Kind::Secret => self.secrets.keep(is_asked),
            Kind::Listener => self.listeners.keep(is_asked),
        }
    }

    pub fn versions(&self, kind: Kind) -> Vec<(String, String)> {
        match kind {
            Kind::Cluster => self.clusters.versions(),
            Kind::Endpoints => self.endpoints.versions(),
            Kind::Routes => self.routes.versions(),
            Kind::Secret => self.secrets.versions(),
            Kind::Listener => self.listeners.versions(),
        }
    }
}

/// Puts what arrived into its cache; gives the names in the order of the response.
/// Aliases are what the server says and what the resource itself says: over state of the world
/// one that was asked for by its name comes without them.
fn arrive<M: Resource + Clone>(
    cache: &mut KindCache<M>,
    update: &Update,
    is_asked: impl Fn(&str) -> bool,
    rejected: &mut Vec<Rejection>,
) -> Vec<String> {
    let mut names = Vec::new();
    for (index, arrival) in update.arrived.iter().enumerate() {
        match decode::<M>(arrival) {
            Ok(message) => {
                names.push(message.resource_name().to_owned());
                let aliases = [arrival.aliases.clone(), message.aliases()].concat();
                let mut known_as = aliases.iter().map(String::as_str);
                if is_asked(message.resource_name()) || known_as.any(&is_asked) {
                    cache.put(&arrival.version, &aliases, message);
                }
            }
            Err(error) => {
                names.push(arrival.name.clone());
                rejected.push(Rejection {
                    type_url: update.kind.type_url(),
                    index,
                    name: arrival.name.clone(),
                    errors: vec![error],
                });
            }
        }
    }
    let gone: Vec<String> = match &update.gone {
        Removed::Named(gone) => gone.clone(),
        Removed::AllOthers => {
            let others = cache.names().filter(|name| !names.contains(name));
            others.cloned().collect()
        }
    };
    for name in gone {
        cache.remove(&name);
    }
    names
}

fn decode<M: Resource>(arrival: &ReceivedResource) -> Result<M, FieldError> {
    let message = unpack::<M>(&arrival.body).map_err(|error| FieldError {
        path: "resource".to_owned(),
        problem: error.to_string(),
    })?;
    let name = message.resource_name();
    if arrival.name.is_empty() || arrival.name == name {
        return Ok(message);
    }
    Err(FieldError {
        path: "name".to_owned(),
        problem: format!("is `{name}`, and the response calls it `{}`", arrival.name),
    })
}
