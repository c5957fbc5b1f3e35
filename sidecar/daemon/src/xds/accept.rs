//! A set of resources and what was good before, to what is good now.

use super::configuration::{AcceptedResource, Configuration};
use super::fields::Fields;
use super::rejection::Rejection;
use super::{cluster, domains, endpoints, listener, route, secret};
use outrider_proto::{Resource, Resources, Versioned};
use std::collections::BTreeMap;

/// What came of a set of resources.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// What is in force now, and the `last_good` of the next call.
    pub configuration: Configuration,
    /// The resources that were not taken.
    pub rejected: Vec<Rejection>,
}

/// Judges the whole state of the world. What `resources` does not name is gone; a bad
/// resource keeps its version from `last_good`, if it has one there.
pub fn accept(resources: &Resources, last_good: &Configuration) -> Accepted {
    let Resources {
        clusters,
        endpoints,
        listeners,
        routes,
        secrets,
    } = resources;
    let mut rejected = Vec::new();
    let clusters = take(clusters, &last_good.clusters, cluster::parse, &mut rejected);
    let endpoints = take(
        endpoints,
        &last_good.endpoints,
        endpoints::parse,
        &mut rejected,
    );
    let listeners = take(
        listeners,
        &last_good.listeners,
        listener::parse,
        &mut rejected,
    );
    let last_routes = &last_good.routes.routes;
    let taken = take(routes, last_routes, route::parse, &mut rejected);
    let secrets = take(secrets, &last_good.secrets, secret::parse, &mut rejected);
    let routes = domains::resolve_conflicts(taken, last_routes, &mut rejected);
    Accepted {
        configuration: Configuration {
            clusters,
            endpoints,
            listeners,
            routes,
            secrets,
        },
        rejected,
    }
}

/// Takes the resources of one type, each alone.
fn take<M: Resource, T: Clone>(
    incoming: &[Versioned<M>],
    last_good: &BTreeMap<String, AcceptedResource<T>>,
    parse: impl Fn(&M, &mut Fields<'_>) -> Option<T>,
    rejected: &mut Vec<Rejection>,
) -> BTreeMap<String, AcceptedResource<T>> {
    let mut taken = BTreeMap::new();
    for (index, Versioned { version, message }) in incoming.iter().enumerate() {
        let name = message.resource_name();
        let mut errors = Vec::new();
        let mut fields = Fields::root(&mut errors);
        if taken.contains_key(name) {
            fields.refuse("name", "listed twice");
        }
        let last = last_good.get(name);
        let value = match last.filter(|last| last.version == *version) {
            Some(unchanged) => Some(unchanged.value.clone()),
            None => parse(message, &mut fields),
        };
        match value.filter(|_| errors.is_empty()) {
            Some(value) => {
                let version = version.clone();
                taken.insert(
                    name.to_owned(),
                    AcceptedResource {
                        version,
                        index,
                        value,
                    },
                );
            }
            None => {
                let type_url = M::type_url();
                let name = name.to_owned();
                if let Some(last) = last.filter(|_| !taken.contains_key(&name)) {
                    taken.insert(name.clone(), last.clone());
                }
                rejected.push(Rejection {
                    type_url,
                    index,
                    name,
                    errors,
                });
            }
        }
    }
    taken
}
