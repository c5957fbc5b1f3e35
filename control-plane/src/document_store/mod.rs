//! The desk: where documents come in, are kept, and become what is desired of the mesh.
//!
//! Reading order: `document_set` (the documents as values), `change` and `step` (what a change makes of
//! them; pure), `refusal` (why not), `version_table` (where they are kept), `open` (the start), `follow`
//! (the watched folder), `terms` (what an apply may ask). Here the steps meet the store: a change is checked, written, published and
//! only then answered. Knows no caller and no sidecar.

mod change;
mod document_set;
mod follow;
mod open;
mod refusal;
mod step;
mod terms;
#[cfg(test)]
mod tests;
mod version_table;

use std::path::PathBuf;
use std::sync::Arc;

use outrider_documents::{DocumentName, Documents};
use outrider_host::folder::Files;
use serde::Serialize;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::task::{JoinError, spawn_blocking};

use self::change::Change;
use self::terms::Apply;
use self::version_table::Shelf;
use crate::clock;
use crate::storage::journal::{EventKind, Journal};
use crate::storage::store::{Store, StoreError};

pub use self::document_set::{Changed, Document, Set, Source};
pub use self::open::Opening;
pub use self::refusal::Refusal;
pub use self::step::Next;
pub use self::terms::Terms;
pub use self::version_table::Version;

/// Longest name of an author that is kept. Bytes; 256: a person and a pipeline fit.
const AUTHOR_BYTES_MAX: usize = 256;

/// The last version that `store` keeps; 0 before the first. Blocks for the disk.
///
/// # Errors
/// The store cannot be read.
pub fn kept_version(store: &Store) -> Result<u64, StoreError> {
    Ok(Shelf::new(store.clone()).current()?.version)
}

/// What is desired of the mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// All documents, checked together.
    pub documents: Documents,
    /// Grows by one with every change of them. 0: nothing was ever desired.
    pub version: u64,
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The version in force.
    pub version: u64,
    /// What became of which document. Empty: nothing changed, and there is no new version.
    pub changed: Vec<Changed>,
}

/// How the desk is, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeskStatus {
    /// The version in force.
    pub version: u64,
    /// The watched folder.
    pub folder: Option<PathBuf>,
    /// Why what the folder says now is not in force.
    pub folder_refused: Option<String>,
}

/// Why a request to the desk failed.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// It was refused, and nothing has changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is not written, and nothing has changed that anybody was told of.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The work was given up: the process ends, or a defect.
    #[error("the change was given up")]
    Ended(#[from] JoinError),
}

/// The desk; clones are the same one.
#[derive(Clone, Debug)]
pub struct Desk {
    shelf: Shelf,
    journal: Journal,
    folder: Option<PathBuf>,
    trust_domain: Arc<str>,
    // Held for the whole of a change: one at a time.
    set: Arc<Mutex<Set>>,
    desired: watch::Sender<Arc<Desired>>,
    folder_refused: watch::Sender<Option<Refusal>>,
}

/// Who changes, and what they call it.
struct By<'a> {
    author: &'a str,
    cause: String,
}

impl Desk {
    /// What is desired, now and from now on.
    pub fn desired(&self) -> watch::Receiver<Arc<Desired>> {
        self.desired.subscribe()
    }

    /// Takes documents, given as (file name, text), beside those that are there.
    ///
    /// # Errors
    /// See [`DeskError`]; all files or none are taken.
    pub async fn apply(
        &self,
        files: Files,
        author: &str,
        terms: Terms,
    ) -> Result<Applied, DeskError> {
        let by = By::new(author, "apply");
        self.change(by, terms.change(files), terms).await
    }

    /// What [`Desk::apply`] would do; changes nothing.
    ///
    /// # Errors
    /// See [`DeskError`].
    pub async fn check(&self, files: Files, terms: Terms) -> Result<Applied, DeskError> {
        let set = self.set.lock().await.clone();
        let desk = self.clone();
        let checked = spawn_blocking(move || {
            terms.check(set.version)?;
            let next = step::step(Some(&desk.trust_domain), &set, terms.change(files))?;
            Ok(Applied {
                version: set.version,
                changed: next.changed,
            })
        });
        checked.await?
    }

    /// Ends documents: all of these or none.
    ///
    /// # Errors
    /// See [`DeskError`].
    pub async fn delete(
        &self,
        names: Vec<DocumentName>,
        author: &str,
    ) -> Result<Applied, DeskError> {
        let by = By::new(author, "delete");
        self.change(by, Change::Delete(names), Terms::default())
            .await
    }

    /// Brings back the documents of `version`, as a new version.
    ///
    /// # Errors
    /// See [`DeskError`].
    pub async fn rollback(&self, version: u64, author: &str) -> Result<Applied, DeskError> {
        let by = By::new(author, &format!("rollback to {version}"));
        let target = self.documents(Some(version)).await?;
        self.change(by, Change::Rollback(target), Terms::default())
            .await
    }

    /// The documents of a version; `None`: of the one in force.
    ///
    /// # Errors
    /// There is no such version, or the store cannot be read.
    pub async fn documents(&self, version: Option<u64>) -> Result<Set, DeskError> {
        let Some(version) = version else {
            return Ok(self.set.lock().await.clone());
        };
        let shelf = self.shelf.clone();
        let set = spawn_blocking(move || shelf.at(version)).await??;
        let set = set.ok_or(Refusal::NoVersion(version))?;
        Ok(match self.folder {
            Some(_) => set,
            None => set.without_folder(),
        })
    }

    /// What became of the documents from one version to another; `None`: to the one in force.
    ///
    /// # Errors
    /// There is no such version, or the store cannot be read.
    pub async fn diff(&self, from: u64, to: Option<u64>) -> Result<Vec<Changed>, DeskError> {
        let from = self.documents(Some(from)).await?;
        let to = self.documents(to).await?;
        Ok(document_set::changes(&from, &to))
    }

    /// At most `limit` versions, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn history(&self, limit: usize) -> Result<Vec<Version>, DeskError> {
        let shelf = self.shelf.clone();
        Ok(spawn_blocking(move || shelf.history(limit)).await??)
    }

    /// How the desk is.
    pub fn status(&self) -> DeskStatus {
        let refused = self.folder_refused.borrow();
        DeskStatus {
            version: self.desired.borrow().version,
            folder: self.folder.clone(),
            folder_refused: refused.as_ref().map(Refusal::to_string),
        }
    }

    async fn change(&self, by: By<'_>, change: Change, terms: Terms) -> Result<Applied, DeskError> {
        let what = format!("{} by {}", by.cause, by.author);
        let outcome = self.commit(by, change, terms).await;
        if let Err(DeskError::Refused(refusal)) = &outcome {
            let summary = refusal.summary();
            tracing::warn!(change = what, problem = summary, "documents refused");
            self.journal.record(EventKind::Rejected, &what, &summary);
        }
        outcome
    }

    // On a thread that nobody cancels: a caller that goes away leaves a whole change behind.
    async fn commit(&self, by: By<'_>, change: Change, terms: Terms) -> Result<Applied, DeskError> {
        let version = by.version();
        let set = Arc::clone(&self.set).lock_owned().await;
        let desk = self.clone();
        spawn_blocking(move || desk.commit_blocking(set, version, change, &terms)).await?
    }

    /// What an apply of the same id and content came to, if there was one.
    fn repeated(&self, apply: &Apply) -> Result<Option<Applied>, DeskError> {
        // A later one was never in force: the disk failed while it was written.
        let in_force = self.desired.borrow().version;
        let found = self.shelf.find(apply)?;
        let Some((version, is_same)) = found.filter(|(version, _)| *version <= in_force) else {
            return Ok(None);
        };
        if !is_same {
            let id = apply.id.clone();
            return Err(Refusal::UsedId { id, version }.into());
        }
        let at = |version| Ok::<_, DeskError>(self.shelf.at(version)?.unwrap_or_default());
        let changed = document_set::changes(&at(version - 1)?, &at(version)?);
        Ok(Some(Applied { version, changed }))
    }

    fn commit_blocking(
        &self,
        mut set: OwnedMutexGuard<Set>,
        version: Version,
        change: Change,
        terms: &Terms,
    ) -> Result<Applied, DeskError> {
        let apply = terms.apply(change.files())?;
        let before = apply.as_ref().map(|apply| self.repeated(apply));
        if let Some(applied) = before.transpose()?.flatten() {
            return Ok(applied);
        }
        terms.check(set.version)?;
        let next = step::step(Some(&self.trust_domain), &set, change)?;
        if !next.changed.is_empty() {
            let version = version.of(&next);
            self.shelf.add(&version, &next.changed, apply.as_ref())?;
            announce(&self.journal, &version, &next.changed);
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

/// Most documents of a change that are named; of more they are counted.
const NAMED_MAX: usize = 3;

fn announce(journal: &Journal, version: &Version, changed: &[Changed]) {
    let Version {
        version,
        author,
        cause,
        ..
    } = version;
    let changed = summary(changed);
    tracing::info!(version, cause, author, changed, "documents changed");
    let detail = format!("{cause} by {author}: {changed}");
    journal.record(EventKind::Applied, &format!("version {version}"), &detail);
}

/// "Service/default/orders", or "900 documents: 1 created, 899 changed".
fn summary(changed: &[Changed]) -> String {
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

impl By<'_> {
    /// Whoever does not say who they are is the operator.
    fn new<'a>(author: &'a str, cause: &str) -> By<'a> {
        let author = match author {
            "" => "operator",
            author => &author[..author.floor_char_boundary(AUTHOR_BYTES_MAX)],
        };
        By {
            author,
            cause: cause.to_owned(),
        }
    }

    /// The version that is made now, if one is made.
    fn version(self) -> Version {
        Version {
            version: 0,
            time_unix: clock::unix_seconds(),
            author: self.author.to_owned(),
            cause: self.cause,
            changed: Vec::new(),
        }
    }
}

impl Version {
    fn of(self, next: &Next) -> Version {
        let changed = next.changed.iter().map(|changed| changed.name.clone());
        Version {
            version: next.set.version,
            changed: changed.collect(),
            ..self
        }
    }
}
