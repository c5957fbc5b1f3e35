//! The start of the document store: loads the stored set, then reads the folder.
//!
//! If the folder is refused, the stored set stays in force and the refusal is shown; a bad file never
//! empties the mesh.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use outrider_documents::Documents;
use outrider_host::folder::Contents;
use tokio::sync::{Mutex, watch};

use super::author::Action;
use super::change::Change;
use super::document_set::DocumentSet;
use super::refusal::Refusal;
use super::step::{check_stored, step};
use super::version_table::VersionTable;
use super::{Desired, DocumentStore, DocumentStoreError, announce};
use crate::storage::journal::{EventKind, Journal};
use crate::storage::store::{Store, StoreError};

/// What the document store is opened with.
#[derive(Clone, Debug)]
pub struct DocumentStoreInputs {
    /// Where documents are kept.
    pub store: Store,
    /// Where changes are written down.
    pub journal: Journal,
    /// The folder of documents to follow. Without one, documents that came from a folder at an
    /// earlier start are changed by `outrider apply`, like all others.
    pub folder: Option<PathBuf>,
    /// The trust domain that certificates are issued for. `None`: what the documents say at the
    /// start decides it.
    pub trust_domain: Option<String>,
}

/// What serves from the start.
struct Serving {
    set: DocumentSet,
    documents: Documents,
    refused: Option<Refusal>,
}

impl DocumentStore {
    /// Opens the document store. Blocks for the disk; the documents are in force when it returns.
    ///
    /// # Errors
    /// The store cannot be read or written; the folder's documents are refused and none was ever in force;
    /// or the stored documents break the rules of this version.
    pub fn open(opening: DocumentStoreInputs) -> Result<DocumentStore, DocumentStoreError> {
        let versions = VersionTable::new(opening.store.clone());
        let kept = versions.current()?;
        let serving = match &opening.folder {
            None => kept_alone(&opening, kept)?,
            Some(folder) => with_folder(&opening, &versions, kept, folder)?,
        };
        let Serving {
            set,
            documents,
            refused,
        } = serving;
        let (trust_domain, version) = (documents.trust_domain().into(), set.version);
        let desired = Arc::new(Desired { documents, version });
        Ok(DocumentStore {
            versions,
            journal: opening.journal,
            folder: opening.folder,
            trust_domain,
            set: Arc::new(Mutex::new(set)),
            desired: watch::Sender::new(desired),
            folder_refused: watch::Sender::new(refused),
        })
    }
}

fn kept_alone(
    opening: &DocumentStoreInputs,
    kept: DocumentSet,
) -> Result<Serving, DocumentStoreError> {
    let set = kept.without_folder();
    Ok(Serving {
        documents: check_stored(opening.trust_domain.as_deref(), &set)?,
        set,
        refused: None,
    })
}

fn with_folder(
    opening: &DocumentStoreInputs,
    versions: &VersionTable,
    kept: DocumentSet,
    folder: &Path,
) -> Result<Serving, DocumentStoreError> {
    let trust_domain = opening.trust_domain.as_deref();
    let next =
        read(folder).and_then(|found| step(trust_domain, &kept, Change::Folder(found.files)));
    match next {
        Ok(next) => {
            if !next.changed.is_empty() {
                let action = Action::folder();
                let version = action.version().of(&next);
                match versions.add(&version, &next.changed, None) {
                    // Looked at again, and taken, as soon as the disk takes it.
                    Err(StoreError::Unwritable(reason)) if kept.version > 0 => {
                        tracing::error!(%reason, "the folder's documents are not kept yet");
                        return kept_with_folder(trust_domain, kept, None);
                    }
                    added => added?,
                }
                announce(&opening.journal, &action, &version, &next.changed);
            }
            Ok(Serving {
                set: next.set,
                documents: next.documents,
                refused: None,
            })
        }
        Err(refusal) if kept.version == 0 => Err(DocumentStoreError::Refused(refusal)),
        Err(refusal) => {
            note_refused(&opening.journal, folder, &refusal);
            kept_with_folder(trust_domain, kept, Some(refusal))
        }
    }
}

fn kept_with_folder(
    trust_domain: Option<&str>,
    kept: DocumentSet,
    refused: Option<Refusal>,
) -> Result<Serving, DocumentStoreError> {
    Ok(Serving {
        documents: check_stored(trust_domain, &kept)?,
        set: kept,
        refused,
    })
}

/// What is in the folder at this moment.
pub fn read(folder: &Path) -> Result<Contents, Refusal> {
    outrider_host::folder::read(folder).map_err(|error| Refusal::Folder {
        folder: folder.display().to_string(),
        problem: error.to_string(),
    })
}

/// Logs that the folder's documents are not in force.
pub fn note_refused(journal: &Journal, folder: &Path, refusal: &Refusal) {
    let (folder, summary) = (folder.display().to_string(), refusal.summary());
    tracing::warn!(
        folder,
        problem = summary,
        "the folder's documents are refused"
    );
    journal.record(EventKind::Rejected, &folder, &summary);
}
