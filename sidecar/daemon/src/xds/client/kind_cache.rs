//! Resources of one kind: the latest received version of each, and the last valid one.

use std::collections::{BTreeMap, BTreeSet};

use outrider_proto::{Resource, Versioned};

/// A resource and the version that the server gave it.
#[derive(Debug, Clone)]
struct Received<M> {
    version: String,
    resource: Versioned<M>,
}

#[derive(Debug)]
struct Entry<M> {
    /// The server's last word, good or bad. A bad one is validated again when others change:
    /// what was wrong may have been a domain that another gives up.
    latest: Received<M>,
    good: Option<Received<M>>,
    refused: bool,
    aliases: BTreeSet<String>,
}

impl<M> Entry<M> {
    /// Is its name or an alias of it in a set?
    fn is_in(&self, name: &str, set: impl Fn(&str) -> bool) -> bool {
        set(name) || self.aliases.iter().any(|alias| set(alias))
    }
}

/// The resources of one kind, by name.
#[derive(Debug)]
pub(super) struct KindCache<M>(BTreeMap<String, Entry<M>>);

impl<M> Default for KindCache<M> {
    fn default() -> KindCache<M> {
        KindCache(BTreeMap::new())
    }
}

impl<M: Resource + Clone> KindCache<M> {
    /// The server's word. An alias belongs to who named it last. Without a version of the
    /// server's, the content's serves.
    pub fn put(&mut self, version: &str, aliases: &[String], message: M) {
        for alias in aliases {
            self.drop_alias(alias);
        }
        let resource = Versioned::new(message);
        let version = Some(version).filter(|version| !version.is_empty());
        let latest = Received {
            version: version.unwrap_or(&resource.version).to_owned(),
            resource,
        };
        let name = latest.resource.message.resource_name().to_owned();
        let good = self.0.remove(&name).and_then(|entry| entry.good);
        let entry = Entry {
            latest,
            good,
            refused: false,
            aliases: aliases.iter().cloned().collect(),
        };
        self.0.insert(name, entry);
    }

    /// The server says that nothing has this name or alias.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
        self.drop_alias(name);
    }

    fn drop_alias(&mut self, alias: &str) {
        for entry in self.0.values_mut() {
            entry.aliases.remove(alias);
        }
    }

    /// Keeps what is asked for by name or alias.
    pub fn keep(&mut self, is_asked: impl Fn(&str) -> bool) {
        self.0.retain(|name, entry| entry.is_in(name, &is_asked));
    }

    /// Records which cached resources passed validation. Returns the names and aliases of those
    /// that were refused before and are valid now.
    pub fn validate(
        &mut self,
        is_wanted: impl Fn(&str) -> bool,
        is_rejected: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let mut recovered = Vec::new();
        let entries = self.0.iter_mut();
        for (name, entry) in entries.filter(|(name, entry)| entry.is_in(name, &is_wanted)) {
            let refused = is_rejected(name);
            let before = std::mem::replace(&mut entry.refused, refused);
            if !refused {
                entry.good = Some(entry.latest.clone());
            }
            if before && !refused {
                recovered.push(name.clone());
                recovered.extend(entry.aliases.iter().cloned());
            }
        }
        recovered
    }

    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// The latest versions of the wanted resources.
    pub fn latest(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<Versioned<M>> {
        let entries = self.0.iter();
        let wanted = entries.filter(|(name, entry)| entry.is_in(name, &is_wanted));
        wanted
            .map(|(_, entry)| entry.latest.resource.clone())
            .collect()
    }

    pub fn good(&self, name: &str) -> Option<&Versioned<M>> {
        Some(&self.0.get(name)?.good.as_ref()?.resource)
    }

    /// What is wanted and good.
    pub fn all_good(
        &self,
        is_wanted: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = (&String, &Versioned<M>)> {
        let entries = self.0.iter();
        let wanted = entries.filter(move |(name, entry)| entry.is_in(name, &is_wanted));
        wanted.filter_map(|(name, entry)| Some((name, &entry.good.as_ref()?.resource)))
    }

    /// Has the server sent a resource under this name or alias?
    pub fn has(&self, name: &str) -> bool {
        let by_alias = |entry: &Entry<M>| entry.aliases.contains(name);
        self.0.contains_key(name) || self.0.values().any(by_alias)
    }

    /// Was all that the server ever said under this name or alias refused?
    pub fn is_only_bad(&self, name: &str) -> bool {
        let mut entries = self.0.iter();
        let entry = entries.find(|(own, entry)| entry.is_in(own, |known_as| known_as == name));
        entry.is_some_and(|(_, entry)| entry.refused && entry.good.is_none())
    }

    /// What is held, for a server to send only the difference: the good ones, so that what was
    /// refused comes again.
    pub fn versions(&self) -> Vec<(String, String)> {
        let entries = self.0.iter();
        let held = entries
            .filter_map(|(name, entry)| Some((name.clone(), entry.good.as_ref()?.version.clone())));
        held.collect()
    }
}
