//! Watches the folder of documents: good contents become a version, refused ones are shown.
//!
//! Decides when to try again: after a change of the folder, and each time while it is refused, because
//! an operator may have changed the applied documents meanwhile.

use std::path::Path;

use outrider_host::Rereads;
use outrider_host::folder::{Contents, Files, UnreadFiles, Watch};
use tokio::task::spawn_blocking;

use super::author::Action;
use super::change::Change;
use super::refusal::Refusal;
use super::startup::{note_refused, read};
use super::{ApplyOptions, DocumentStore, DocumentStoreError};

impl DocumentStore {
    /// Follows the folder for ever; without a folder there is nothing to do. Needs a runtime.
    pub async fn follow_folder(&self, mut rereads: Rereads) {
        let Some(folder) = &self.folder else {
            return std::future::pending().await;
        };
        let mut watch = Watch::folder(folder);
        let (mut seen, mut unread) = (None, UnreadFiles::default());
        loop {
            if let Some(found) = find(folder).await {
                let found = found.map(|contents| {
                    unread.log(folder, &contents.unread);
                    contents.files
                });
                seen = self.apply_folder(seen, found).await;
            }
            tokio::select! {
                () = watch.changed() => {}
                () = rereads.next() => {}
            }
        }
    }

    /// Applies the folder's files; returns them if they are in force. `seen` is what was last in force.
    async fn apply_folder(
        &self,
        seen: Option<Files>,
        files: Result<Files, Refusal>,
    ) -> Option<Files> {
        if seen.is_some() && files.as_ref().ok() == seen.as_ref() {
            return seen;
        }
        let outcome = match files.clone() {
            Ok(files) => {
                let (action, options) = (Action::folder(), ApplyOptions::default());
                self.commit(action, Change::Folder(files), options).await
            }
            Err(refusal) => Err(DocumentStoreError::Refused(refusal)),
        };
        match outcome {
            Ok(_) => {
                self.folder_refused.send_replace(None);
                files.ok()
            }
            Err(DocumentStoreError::Refused(refusal)) => {
                self.refuse(refusal);
                None
            }
            Err(error @ (DocumentStoreError::Store(_) | DocumentStoreError::Ended(_))) => {
                tracing::error!(%error, "the folder's documents are not kept");
                None
            }
        }
    }

    /// Shows a refusal; logs it if it is new.
    fn refuse(&self, refusal: Refusal) {
        let known = self.folder_refused.borrow().as_ref() == Some(&refusal);
        if let (false, Some(folder)) = (known, &self.folder) {
            note_refused(&self.journal, folder, &refusal);
        }
        self.folder_refused.send_replace(Some(refusal));
    }
}

/// What is in the folder; `None` when the runtime ends.
async fn find(folder: &Path) -> Option<Result<Contents, Refusal>> {
    let folder = folder.to_owned();
    spawn_blocking(move || read(&folder)).await.ok()
}
