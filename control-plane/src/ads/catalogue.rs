//! What exists, by kind and name, and the part of it that one client may see.
//!
//! Decides what a subscribed name stands for: a resource's name, or `grpc/<service>` for the
//! routes that list that gRPC service. Who may see what is the caller's function.

use std::collections::BTreeMap;
use std::sync::Arc;

use outrider_proto::google::Any;
use outrider_proto::{Kind, Resource, Resources, Versioned, eds_name, pack};

/// A resource as it is sent.
#[derive(Debug, PartialEq)]
pub(super) struct Item {
    pub name: String,
    /// Hash of the content, so that a restart renumbers nothing.
    pub version: String,
    pub body: Any,
    /// Other names a client may ask by; part of the content.
    pub aliases: Vec<String>,
    /// Of a cluster: the EDS resource that must follow it whenever it is sent.
    pub followed_by: Option<String>,
}

/// Everything that exists for one kind of client. The default is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    items: BTreeMap<Kind, BTreeMap<String, Arc<Item>>>,
    /// Routes by alias. Documents refuse a gRPC service that two services list.
    aliases: BTreeMap<String, String>,
}

impl Catalogue {
    /// The resources that documents render to, and the authority's secrets.
    pub fn new(resources: &Resources) -> Catalogue {
        Catalogue::default().after(resources)
    }

    /// What exists next. What is in `self` already, in the same version, is not encoded again,
    /// so that in a large mesh a small change is cheap.
    pub fn after(&self, resources: &Resources) -> Catalogue {
        let Resources {
            clusters,
            endpoints,
            routes,
            secrets,
        } = resources;
        let mut next = Catalogue::default();
        for cluster in clusters {
            let followed_by = || eds_name(&cluster.message).map(str::to_owned);
            let item = self.kept(Kind::Cluster, cluster);
            let item = item.unwrap_or_else(|| item_of(cluster, followed_by()));
            next.insert(Kind::Cluster, item);
        }
        for assignment in endpoints {
            let item = self.kept(Kind::Endpoints, assignment);
            let item = item.unwrap_or_else(|| item_of(assignment, None));
            next.insert(Kind::Endpoints, item);
        }
        for routes in routes {
            let item = self.kept(Kind::Routes, routes);
            let item = item.unwrap_or_else(|| item_of(routes, None));
            next.insert(Kind::Routes, item);
        }
        for secret in secrets {
            let item = self.kept(Kind::Secret, secret);
            let item = item.unwrap_or_else(|| item_of(secret, None));
            next.insert(Kind::Secret, item);
        }
        next
    }

    fn kept<M: Resource>(&self, kind: Kind, resource: &Versioned<M>) -> Option<Arc<Item>> {
        let item = self
            .items
            .get(&kind)?
            .get(resource.message.resource_name())?;
        (item.version == resource.version).then(|| Arc::clone(item))
    }

    fn insert(&mut self, kind: Kind, item: Arc<Item>) {
        for alias in &item.aliases {
            let owner = self.aliases.entry(alias.clone());
            owner.or_insert_with(|| item.name.clone());
        }
        let items = self.items.entry(kind).or_default();
        items.insert(item.name.clone(), item);
    }
}

fn item_of<M: Resource>(resource: &Versioned<M>, followed_by: Option<String>) -> Arc<Item> {
    Arc::new(Item {
        name: resource.message.resource_name().to_owned(),
        version: resource.version.clone(),
        body: pack(&resource.message),
        aliases: resource.message.aliases(),
        followed_by,
    })
}

/// What one client may see of a catalogue. What it may not see does not exist for it.
#[derive(Clone, Copy)]
pub struct View<'v> {
    catalogue: &'v Catalogue,
    sees: &'v dyn Fn(Kind, &str) -> bool,
}

impl<'v> View<'v> {
    /// `sees` says whether the client may see the resource of that kind and name (never an
    /// alias); decide it by the identity in the client's certificate.
    pub fn new(catalogue: &'v Catalogue, sees: &'v dyn Fn(Kind, &str) -> bool) -> View<'v> {
        View { catalogue, sees }
    }

    /// All visible resources of a kind.
    pub(super) fn all(self, kind: Kind) -> impl Iterator<Item = &'v Arc<Item>> {
        let items = self.catalogue.items.get(&kind).into_iter().flatten();
        let visible = items.filter(move |(name, _)| (self.sees)(kind, name));
        visible.map(|(_, item)| item)
    }

    /// The visible resource behind a name or an alias.
    pub(super) fn find(self, kind: Kind, name: &str) -> Option<&'v Arc<Item>> {
        let items = self.catalogue.items.get(&kind)?;
        let alias = || self.catalogue.aliases.get(name);
        let item = match kind {
            Kind::Routes => items.get(name).or_else(|| items.get(alias()?)),
            Kind::Cluster | Kind::Endpoints | Kind::Secret | Kind::Listener => items.get(name),
        };
        item.filter(|item| (self.sees)(kind, &item.name))
    }
}
