//! The stored documents: every text of every version.
//!
//! Knows no rule about documents. Every function blocks for the disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use outrider_documents::DocumentName;
use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::apply_options::{self, Apply};
use super::document_set::{Document, DocumentChange, DocumentSet, Source};
use crate::storage::store::{Store, StoreError, existing};

/// Version to (seconds since 1970-01-01 UTC, author, cause, names of what changed).
const VERSIONS: TableDefinition<'_, u64, (i64, &str, &str, Vec<Name<'static>>)> =
    TableDefinition::new("document_versions");

/// (kind, namespace, name, version) to the text that the version brought, as (file, line, text);
/// the file is empty if it was applied. `None`: it ended with that version.
const TEXTS: TableDefinition<'_, Key<'static>, Option<(&str, u64, &str)>> =
    TableDefinition::new("document_texts");

// What the tables above are made of, so that their lines can be read.
type Name<'a> = (&'a str, &'a str, &'a str);
type Key<'a> = (&'a str, &'a str, &'a str, u64);

/// What made a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its number, from 1.
    pub version: u64,
    /// Seconds since 1970-01-01 UTC.
    pub time_unix: i64,
    /// Who made it.
    pub author: String,
    /// What they did: `apply`, `delete`, `rollback to 3`, `folder`.
    pub cause: String,
    /// Which documents it changed.
    pub changed: Vec<DocumentName>,
}

/// The kept documents.
#[derive(Clone, Debug)]
pub struct VersionTable {
    store: Store,
}

impl VersionTable {
    /// The documents in `store`.
    pub fn new(store: Store) -> VersionTable {
        VersionTable { store }
    }

    /// Adds a version with what it changed, and the apply that made it; durable when it returns.
    pub fn add(
        &self,
        version: &Version,
        changed: &[DocumentChange],
        apply: Option<&Apply>,
    ) -> Result<(), StoreError> {
        self.store.write(|transaction| {
            add(transaction, version, changed)?;
            apply_options::remember(transaction, version.version, apply)
        })
    }

    /// The version that an apply of this id made, and whether it applied the same.
    pub fn find(&self, apply: &Apply) -> Result<Option<(u64, bool)>, StoreError> {
        self.store
            .read(|transaction| apply_options::find(transaction, apply))
    }

    /// The last version. Version 0, empty, before the first.
    pub fn current(&self) -> Result<DocumentSet, StoreError> {
        self.store.read(|transaction| {
            let version = last_version(transaction)?;
            set_at(transaction, version)
        })
    }

    /// The documents as they were at `version`; `None`: there is no such version yet.
    pub fn at(&self, version: u64) -> Result<Option<DocumentSet>, StoreError> {
        self.store.read(|transaction| {
            if version > last_version(transaction)? {
                return Ok(None);
            }
            set_at(transaction, version).map(Some)
        })
    }

    /// At most `limit` versions, newest first.
    pub fn history(&self, limit: usize) -> Result<Vec<Version>, StoreError> {
        self.store.read(|transaction| {
            let Some(versions) = existing(transaction.open_table(VERSIONS))? else {
                return Ok(Vec::new());
            };
            let entries = versions.iter().map_err(redb::Error::from)?;
            let mut found = Vec::new();
            for entry in entries.rev().take(limit) {
                let (version, entry) = entry.map_err(redb::Error::from)?;
                let (time_unix, author, cause, changed) = entry.value();
                found.push(Version {
                    version: version.value(),
                    time_unix,
                    author: author.to_owned(),
                    cause: cause.to_owned(),
                    changed: changed.into_iter().map(name).collect(),
                });
            }
            Ok(found)
        })
    }
}

#[cfg(test)]
impl VersionTable {
    /// Keeps all writes waiting while `work` runs.
    pub fn hold(&self, work: impl FnOnce()) {
        let held = self.store.write(|_| {
            work();
            Ok::<_, StoreError>(())
        });
        held.expect("the store is written");
    }
}

fn add(
    transaction: &WriteTransaction,
    version: &Version,
    changed: &[DocumentChange],
) -> Result<(), redb::Error> {
    let mut versions = transaction.open_table(VERSIONS)?;
    let mut texts = transaction.open_table(TEXTS)?;
    let Version {
        version,
        time_unix,
        author,
        cause,
        changed: names,
    } = version;
    let last = versions.last()?.map_or(0, |(last, _)| last.value());
    if last >= *version {
        forget_from(&mut texts, *version)?;
        versions.retain_in(*version.., |_, _| false)?;
    }
    let names = names.iter().map(parts).collect();
    versions.insert(
        version,
        (*time_unix, author.as_str(), cause.as_str(), names),
    )?;
    for DocumentChange { name, after, .. } in changed {
        let (kind, namespace, name) = parts(name);
        let after = after.as_deref().map(stored);
        texts.insert((kind, namespace, name, *version), after)?;
    }
    Ok(())
}

/// Removes what is there of versions that were never in force: the disk failed while they were
/// written.
fn forget_from(
    texts: &mut Table<'_, Key<'static>, Option<(&'static str, u64, &'static str)>>,
    version: u64,
) -> Result<(), redb::Error> {
    Ok(texts.retain(|(.., since), _| since < version)?)
}

fn last_version(transaction: &ReadTransaction) -> Result<u64, StoreError> {
    let Some(versions) = existing(transaction.open_table(VERSIONS))? else {
        return Ok(0);
    };
    let last = versions.last().map_err(redb::Error::from)?;
    Ok(last.map_or(0, |(version, _)| version.value()))
}

/// Of each document the last text up to `version`, if it had not ended.
fn set_at(transaction: &ReadTransaction, version: u64) -> Result<DocumentSet, StoreError> {
    let mut documents = BTreeMap::new();
    let Some(texts) = existing(transaction.open_table(TEXTS))? else {
        return Ok(DocumentSet { version, documents });
    };
    for entry in texts.iter().map_err(redb::Error::from)? {
        let (key, text) = entry.map_err(redb::Error::from)?;
        let (kind, namespace, own, since) = key.value();
        // In the order of their versions: a later one replaces an earlier one.
        if since > version {
            continue;
        }
        match text.value() {
            Some(text) => {
                let document = Arc::new(document(since, text));
                documents.insert(name((kind, namespace, own)), document);
            }
            None => drop(documents.remove(&name((kind, namespace, own)))),
        }
    }
    Ok(DocumentSet { version, documents })
}

fn stored(document: &Document) -> (&str, u64, &str) {
    match &document.source {
        Source::Applied => ("", 0, &document.text),
        Source::Folder { file, line } => (file, *line as u64, &document.text),
    }
}

fn document(version: u64, (file, line, text): (&str, u64, &str)) -> Document {
    let source = match file {
        "" => Source::Applied,
        file => Source::Folder {
            file: file.to_owned(),
            line: usize::try_from(line).unwrap_or(1),
        },
    };
    Document {
        text: text.to_owned(),
        version,
        source,
    }
}

fn parts(name: &DocumentName) -> Name<'_> {
    (&name.kind, &name.namespace, &name.name)
}

fn name((kind, namespace, name): Name<'_>) -> DocumentName {
    DocumentName {
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::document_set::changes;
    use super::*;
    use proptest::prelude::*;

    /// One document set to a text, or ended.
    type Step = (u8, Option<u8>);

    fn after(before: &DocumentSet, (document, text): Step) -> DocumentSet {
        let mut next = before.clone();
        next.version += 1;
        let (kind, name) = ("Service".to_owned(), format!("s{document}"));
        let namespace = "default".to_owned();
        let name = DocumentName {
            kind,
            namespace,
            name,
        };
        match text {
            None => drop(next.documents.remove(&name)),
            Some(text) => {
                let text = format!("{text}");
                let version = next.version;
                let source = match document % 2 {
                    0 => Source::Applied,
                    _ => Source::Folder {
                        file: "f.yaml".to_owned(),
                        line: 7,
                    },
                };
                let document = Document {
                    text,
                    version,
                    source,
                };
                next.documents.insert(name, Arc::new(document));
            }
        }
        next
    }

    fn version(set: &DocumentSet, changed: &[DocumentChange]) -> Version {
        Version {
            version: set.version,
            time_unix: 1,
            author: "ada".to_owned(),
            cause: "apply".to_owned(),
            changed: changed.iter().map(|changed| changed.name.clone()).collect(),
        }
    }

    proptest! {
        // Each step waits for the disk.
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn every_version_can_be_read_as_it_was(
            steps in proptest::collection::vec((0..4_u8, proptest::option::of(0..9_u8)), 1..12),
        ) {
            let data = tempfile::tempdir().expect("a temporary folder");
            let table = VersionTable::new(Store::open(data.path()).expect("a store"));
            let (mut sets, mut versions) = (vec![DocumentSet::default()], Vec::new());
            for step in steps {
                let before = &sets[sets.len() - 1];
                let next = after(before, step);
                let changed = changes(before, &next);
                if !changed.is_empty() {
                    versions.insert(0, version(&next, &changed));
                    table.add(&versions[0], &changed, None).expect("it is written");
                    sets.push(next);
                }
            }
            for set in &sets {
                let kept = table.at(set.version).expect("it is readable");
                prop_assert_eq!(kept.as_ref(), Some(set));
            }
            prop_assert_eq!(table.at(sets.len() as u64).expect("it is readable"), None);
            prop_assert_eq!(Some(&table.current().expect("it is readable")), sets.last());
            prop_assert_eq!(table.history(99).expect("it is readable"), versions);
        }
    }
}
