//! What exists, by kind and name, and the part of it that one client may see.
//!
//! Decides what a subscribed name stands for: a resource's name, or `grpc/<service>` for the
//! routes that list that gRPC service. Who may see what is the caller's function.

use std::collections::BTreeMap;
use std::sync::Arc;

use outrider_proto::envoy::cluster::Cluster;
use outrider_proto::envoy::listener::Listener;
use outrider_proto::envoy::tls::Secret;
use outrider_proto::google::Any;
use outrider_proto::{
    Kind, Resource, Resources, Versioned, content_hash, eds_name, inbound_listeners, pack,
};
use rpds::RedBlackTreeMapSync;

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

/// Everything that exists for one kind of client. The default is empty. A copy costs nothing, and the
/// next state costs what differs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    items: BTreeMap<Kind, RedBlackTreeMapSync<String, Arc<Item>>>,
    /// Routes by alias. Documents refuse a gRPC service that two services list.
    aliases: RedBlackTreeMapSync<String, String>,
    /// The sum of what [`digest`] makes of each item, so that it does not depend on their order.
    sum: u64,
}

impl Catalogue {
    /// The resources that documents render to, and the authority's secrets.
    pub fn new(resources: &Resources) -> Catalogue {
        let mut catalogue = Catalogue::default();
        for cluster in &resources.clusters {
            catalogue.put(Kind::Cluster, cluster, follower(cluster));
        }
        for assignment in &resources.endpoints {
            catalogue.put(Kind::Endpoints, assignment, None);
        }
        for listener in &resources.listeners {
            catalogue.put(Kind::Listener, listener, None);
        }
        for routes in &resources.routes {
            catalogue.put(Kind::Routes, routes, None);
        }
        for secret in &resources.secrets {
            catalogue.set_secret(secret);
        }
        catalogue
    }

    /// From now on the service of that name has these resources, of each kind at most one, and no
    /// others. One that exists in the same version is not encoded again.
    pub fn set_service(&mut self, name: &str, resources: &Resources) {
        match resources.clusters.first() {
            Some(cluster) => self.put(Kind::Cluster, cluster, follower(cluster)),
            None => self.take(Kind::Cluster, name),
        }
        match resources.endpoints.first() {
            Some(assignment) => self.put(Kind::Endpoints, assignment, None),
            None => self.take(Kind::Endpoints, name),
        }
        self.take_listeners(name, &resources.listeners);
        for listener in &resources.listeners {
            self.put(Kind::Listener, listener, None);
        }
        match resources.routes.first() {
            Some(routes) => self.put(Kind::Routes, routes, None),
            None => self.take(Kind::Routes, name),
        }
    }

    /// From now on there is this secret in place of what had its name.
    pub fn set_secret(&mut self, secret: &Versioned<Secret>) {
        self.put(Kind::Secret, secret, None);
    }

    /// 16 hexadecimal digits, of the content alone: the same after a restart.
    pub fn version(&self) -> String {
        format!("{:016x}", self.sum)
    }

    /// Takes away the listeners of the service that are not among `kept`: its namespace is part of
    /// their name.
    fn take_listeners(&mut self, service: &str, kept: &[Versioned<Listener>]) {
        let prefix = inbound_listeners(service);
        let listeners = self.items.get(&Kind::Listener).into_iter();
        let known = listeners.flat_map(|items| items.range(prefix.clone()..));
        let names = known.map(|(name, _)| name);
        let of_service = names.take_while(|name| name.starts_with(&prefix));
        let is_kept = |name: &&String| kept.iter().any(|it| it.message.name == **name);
        let gone: Vec<String> = of_service.filter(|name| !is_kept(name)).cloned().collect();
        for name in gone {
            self.take(Kind::Listener, &name);
        }
    }

    fn put<M: Resource>(
        &mut self,
        kind: Kind,
        resource: &Versioned<M>,
        followed_by: Option<String>,
    ) {
        let name = resource.message.resource_name();
        let before = self.items.get(&kind).and_then(|items| items.get(name));
        if before.is_some_and(|before| before.version == resource.version) {
            return;
        }
        self.take(kind, name);
        let item = item_of(resource, followed_by);
        for alias in &item.aliases {
            self.aliases.insert_mut(alias.clone(), item.name.clone());
        }
        self.sum = self.sum.wrapping_add(digest(kind, &item));
        let items = self.items.entry(kind).or_default();
        items.insert_mut(item.name.clone(), item);
    }

    fn take(&mut self, kind: Kind, name: &str) {
        let Some(items) = self.items.get_mut(&kind) else {
            return;
        };
        let Some(item) = items.get(name).cloned() else {
            return;
        };
        items.remove_mut(name);
        if items.is_empty() {
            self.items.remove(&kind);
        }
        for alias in &item.aliases {
            // Another service may list it from now on.
            if self.aliases.get(alias) == Some(&item.name) {
                self.aliases.remove_mut(alias);
            }
        }
        self.sum = self.sum.wrapping_sub(digest(kind, &item));
    }
}

/// A number that depends on all that names a resource and on its version. A sum of such numbers tells
/// states apart only if their bits are mixed: the last step is the finaliser of SplitMix64.
fn digest(kind: Kind, item: &Item) -> u64 {
    let line = format!("{} {} {}", kind.type_url(), item.name, item.version);
    let mut hash = content_hash(line.as_bytes());
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

fn follower(cluster: &Versioned<Cluster>) -> Option<String> {
    eds_name(&cluster.message).map(str::to_owned)
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

    /// All visible resources of a kind that a client may have without naming them. Listeners are
    /// none of those: they have no address, and only our sidecars know what to do with them.
    pub(super) fn all(self, kind: Kind) -> impl Iterator<Item = &'v Arc<Item>> {
        let items = self
            .catalogue
            .items
            .get(&kind)
            .into_iter()
            .flat_map(|items| items.iter());
        let is_offered = kind != Kind::Listener;
        let visible = items.filter(move |(name, _)| is_offered && (self.sees)(kind, name));
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
