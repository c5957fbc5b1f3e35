//! The document store: takes documents, stores them, and publishes the set in force.
//!
//! Reading order: `document_set` (the documents as values), `change` and `step` (what a change makes of
//! them; pure), `refusal` (why not), `version_table` (where they are kept), `startup` (the start), `watch_folder`
//! (the watched folder), `apply_options` (what an apply may ask). Here a change is checked, written, published
//! and only then answered. Knows no caller and no sidecar.

mod apply_options;
mod author;
mod change;
mod document_set;
mod refusal;
mod startup;
mod step;
#[cfg(test)]
mod tests;
mod version_table;
mod watch_folder;

use std::path::PathBuf;
use std::sync::Arc;

use outrider_documents::{DocumentName, Documents};
use outrider_host::folder::Files;
use serde::Serialize;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::task::{JoinError, spawn_blocking};

use self::apply_options::Apply;
use self::author::Action;
use self::change::Change;
use self::version_table::VersionTable;
use crate::storage::journal::{EventKind, Journal};
use crate::storage::store::{Store, StoreError};

pub use self::apply_options::ApplyOptions;
pub use self::author::Author;
pub use self::document_set::{Document, DocumentChange, DocumentSet, Source};
pub use self::refusal::Refusal;
pub use self::startup::DocumentStoreInputs;
pub use self::step::NextSet;
pub use self::version_table::Version;

/// The last version that `store` keeps; 0 before the first. Blocks for the disk.
///
/// # Errors
/// The store cannot be read.
pub fn kept_version(store: &Store) -> Result<u64, StoreError> {
    Ok(VersionTable::new(store.clone()).current()?.version)
}

/// The documents in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// All documents, checked together.
    pub documents: Documents,
    /// Grows by one with every change. 0: there has never been a document.
    pub version: u64,
}

/// The result of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The version in force.
    pub version: u64,
    /// The documents that changed. Empty: none, and there is no new version.
    pub changed: Vec<DocumentChange>,
}

/// The status of the document store, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DocumentStoreStatus {
    /// The version in force.
    pub version: u64,
    /// The watched folder.
    pub folder: Option<PathBuf>,
    /// Why the present contents of the folder are not in force.
    pub folder_refused: Option<String>,
}

/// Why a request to the document store failed.
#[derive(Debug, thiserror::Error)]
pub enum DocumentStoreError {
    /// It was refused, and nothing has changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed, and nothing has changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The work was interrupted: the process ends, or a defect.
    #[error("the change was given up")]
    Ended(#[from] JoinError),
}

/// The document store; clones are the same one.
#[derive(Clone, Debug)]
pub struct DocumentStore {
    versions: VersionTable,
    journal: Journal,
    folder: Option<PathBuf>,
    trust_domain: Arc<str>,
    // Held for the whole of a change: one at a time.
    set: Arc<Mutex<DocumentSet>>,
    desired: watch::Sender<Arc<Desired>>,
    folder_refused: watch::Sender<Option<Refusal>>,
}

impl DocumentStore {
    /// The documents in force, now and after each change.
    pub fn desired(&self) -> watch::Receiver<Arc<Desired>> {
        self.desired.subscribe()
    }

    /// Applies documents, given as (file name, text), in addition to those in force.
    ///
    /// # Errors
    /// See [`DocumentStoreError`]; all files or none are taken.
    pub async fn apply(
        &self,
        files: Files,
        author: impl Into<Author>,
        options: ApplyOptions,
    ) -> Result<Applied, DocumentStoreError> {
        let action = Action {
            author: author.into(),
            cause: "apply".to_owned(),
        };
        self.change(action, options.change(files), options).await
    }

    /// What [`DocumentStore::apply`] would do; changes nothing.
    ///
    /// # Errors
    /// See [`DocumentStoreError`].
    pub async fn check(
        &self,
        files: Files,
        options: ApplyOptions,
    ) -> Result<Applied, DocumentStoreError> {
        let set = self.set.lock().await.clone();
        let store = self.clone();
        let checked = spawn_blocking(move || {
            options.check(set.version)?;
            let next = step::step(Some(&store.trust_domain), &set, options.change(files))?;
            Ok(Applied {
                version: set.version,
                changed: next.changed,
            })
        });
        checked.await?
    }

    /// Deletes documents: all of these or none.
    ///
    /// # Errors
    /// See [`DocumentStoreError`].
    pub async fn delete(
        &self,
        names: Vec<DocumentName>,
        author: impl Into<Author>,
    ) -> Result<Applied, DocumentStoreError> {
        let action = Action {
            author: author.into(),
            cause: "delete".to_owned(),
        };
        self.change(action, Change::Delete(names), ApplyOptions::default())
            .await
    }

    /// Brings back the documents of `version`, as a new version.
    ///
    /// # Errors
    /// See [`DocumentStoreError`].
    pub async fn rollback(
        &self,
        version: u64,
        author: impl Into<Author>,
    ) -> Result<Applied, DocumentStoreError> {
        let action = Action {
            author: author.into(),
            cause: format!("rollback to {version}"),
        };
        let target = self.documents(Some(version)).await?;
        self.change(action, Change::Rollback(target), ApplyOptions::default())
            .await
    }

    /// The documents of a version; `None`: of the one in force.
    ///
    /// # Errors
    /// There is no such version, or the store cannot be read.
    pub async fn documents(&self, version: Option<u64>) -> Result<DocumentSet, DocumentStoreError> {
        let Some(version) = version else {
            return Ok(self.set.lock().await.clone());
        };
        let versions = self.versions.clone();
        let set = spawn_blocking(move || versions.at(version)).await??;
        let set = set.ok_or(Refusal::NoVersion(version))?;
        Ok(match self.folder {
            Some(_) => set,
            None => set.without_folder(),
        })
    }

    /// The documents that differ between two versions; `None`: the one in force.
    ///
    /// # Errors
    /// There is no such version, or the store cannot be read.
    pub async fn diff(
        &self,
        from: u64,
        to: Option<u64>,
    ) -> Result<Vec<DocumentChange>, DocumentStoreError> {
        let from = self.documents(Some(from)).await?;
        let to = self.documents(to).await?;
        Ok(document_set::changes(&from, &to))
    }

    /// At most `limit` versions, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn history(&self, limit: usize) -> Result<Vec<Version>, DocumentStoreError> {
        let versions = self.versions.clone();
        Ok(spawn_blocking(move || versions.history(limit)).await??)
    }

    /// The status.
    pub fn status(&self) -> DocumentStoreStatus {
        let refused = self.folder_refused.borrow();
        DocumentStoreStatus {
            version: self.desired.borrow().version,
            folder: self.folder.clone(),
            folder_refused: refused.as_ref().map(Refusal::to_string),
        }
    }

    async fn change(
        &self,
        action: Action,
        change: Change,
        options: ApplyOptions,
    ) -> Result<Applied, DocumentStoreError> {
        let what = action.to_string();
        let outcome = self.commit(action, change, options).await;
        if let Err(DocumentStoreError::Refused(refusal)) = &outcome {
            let summary = refusal.summary();
            tracing::warn!(change = what, problem = summary, "documents refused");
            self.journal.record(EventKind::Rejected, &what, &summary);
        }
        outcome
    }

    // On a blocking thread, which is never cancelled: a change completes even if its caller goes away.
    async fn commit(
        &self,
        action: Action,
        change: Change,
        options: ApplyOptions,
    ) -> Result<Applied, DocumentStoreError> {
        let set = Arc::clone(&self.set).lock_owned().await;
        let store = self.clone();
        spawn_blocking(move || store.commit_blocking(set, &action, change, &options)).await?
    }

    /// The result of an earlier apply of the same id and content, if there was one.
    fn repeated(&self, apply: &Apply) -> Result<Option<Applied>, DocumentStoreError> {
        // A later version was never in force: the disk failed while it was written.
        let in_force = self.desired.borrow().version;
        let found = self.versions.find(apply)?;
        let Some((version, is_same)) = found.filter(|(version, _)| *version <= in_force) else {
            return Ok(None);
        };
        if !is_same {
            let id = apply.id.clone();
            return Err(Refusal::UsedId { id, version }.into());
        }
        let at =
            |version| Ok::<_, DocumentStoreError>(self.versions.at(version)?.unwrap_or_default());
        let changed = document_set::changes(&at(version - 1)?, &at(version)?);
        Ok(Some(Applied { version, changed }))
    }

    fn commit_blocking(
        &self,
        mut set: OwnedMutexGuard<DocumentSet>,
        action: &Action,
        change: Change,
        options: &ApplyOptions,
    ) -> Result<Applied, DocumentStoreError> {
        let apply = options.apply(change.files())?;
        let before = apply.as_ref().map(|apply| self.repeated(apply));
        if let Some(applied) = before.transpose()?.flatten() {
            return Ok(applied);
        }
        options.check(set.version)?;
        let next = step::step(Some(&self.trust_domain), &set, change)?;
        if !next.changed.is_empty() {
            let version = action.version().of(&next);
            self.versions.add(&version, &next.changed, apply.as_ref())?;
            announce(&self.journal, action, &version, &next.changed);
            self.desired.send_replace(Arc::new(Desired {
                documents: next.documents,
                version: next.set.version,
            }));
        }
        *set = next.set;
        Ok(Applied {
            version: set.version,
            changed: next.changed,
        })
    }
}

/// Most documents that the summary of a change names; more are counted.
const NAMED_MAX: usize = 3;

fn announce(journal: &Journal, action: &Action, version: &Version, changed: &[DocumentChange]) {
    let Version { version, .. } = version;
    let Action { author, cause } = action;
    let changed = summary(changed);
    tracing::info!(version, cause, %author, changed, "documents changed");
    let detail = format!("{action}: {changed}");
    journal.record(EventKind::Applied, &format!("version {version}"), &detail);
}

/// "Service/default/orders", or "900 documents: 1 created, 899 changed".
fn summary(changed: &[DocumentChange]) -> String {
    if changed.len() <= NAMED_MAX {
        let names: Vec<String> = changed.iter().map(|it| it.name.to_string()).collect();
        return names.join(", ");
    }
    let kinds = ["created", "deleted", "changed"].map(|word| {
        let count = changed
            .iter()
            .filter(|changed| changed.word() == word)
            .count();
        (count, word)
    });
    let kinds = kinds.into_iter().filter(|(count, _)| *count > 0);
    let kinds: Vec<String> = kinds
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    format!("{} documents: {}", changed.len(), kinds.join(", "))
}

impl Version {
    fn of(self, next: &NextSet) -> Version {
        let changed = next.changed.iter().map(|changed| changed.name.clone());
        Version {
            version: next.set.version,
            changed: changed.collect(),
            ..self
        }
    }
}
