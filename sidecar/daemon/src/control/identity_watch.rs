//! Follows the identity's files: a change that fits reaches the workers, any other is logged once.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use outrider_engine::TlsMaterial;
use outrider_host::Rereads;
use outrider_host::folder::Watch;
use tokio::sync::watch;

use super::identity::{self, Contents, Expected, Identity};
use super::status::IdentityStatus;
use crate::error::IdentityError;
use crate::options::IdentityFiles;
use crate::telemetry::Metrics;
use crate::worker::{Command, Workers};

/// The identity in use, and the watch on its files.
#[derive(Debug)]
pub struct IdentityWatch {
    files: IdentityFiles,
    expected: Expected,
    /// The last contents of the files, so that a rescan without a change is noticed.
    seen: u64,
    identity: Identity,
    status: watch::Sender<Option<IdentityStatus>>,
    watch: Watch,
}

impl IdentityWatch {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// [`IdentityError`]: without a good first identity there is nothing to keep.
    pub fn load(files: IdentityFiles, expected: Expected) -> Result<IdentityWatch, IdentityError> {
        let found = identity::read(&files);
        let seen = fingerprint(&found);
        let identity = found?.check(&files, &expected)?;
        // A change between the reading and the watch is found by the first rescan.
        let watch = Watch::files([files.certificate.as_path(), &files.key, &files.trust_bundle]);
        let (status, _) = watch::channel(Some(identity.status(None)));
        Ok(IdentityWatch {
            files,
            expected,
            seen,
            identity,
            status,
            watch,
        })
    }

    /// The identity in use and what was refused.
    pub fn status(&self) -> watch::Receiver<Option<IdentityStatus>> {
        self.status.subscribe()
    }

    /// The identity in use, as the workers take it.
    pub fn material(&self) -> Arc<TlsMaterial> {
        Arc::clone(&self.identity.material)
    }

    /// Follows the files for as long as the process lives.
    pub async fn run(mut self, mut rereads: Rereads, workers: Workers, metrics: Arc<Metrics>) {
        loop {
            tokio::select! {
                () = self.watch.changed() => {}
                () = rereads.next() => {}
            }
            let found = identity::read(&self.files);
            let seen = fingerprint(&found);
            if seen == self.seen {
                continue;
            }
            self.seen = seen;
            let taken = self.take(found);
            metrics.identity_changed(taken);
            if taken {
                workers.tell(|| Command::Identity(self.material())).await;
            }
        }
    }

    /// Uses the new identity if it fits; keeps the present one otherwise.
    fn take(&mut self, found: Result<Contents, IdentityError>) -> bool {
        let checked = found.and_then(|contents| contents.check(&self.files, &self.expected));
        let refused = match checked {
            Ok(identity) => {
                tracing::info!(id = %identity.material.identity(), expires_unix = identity.expires_unix, "new identity");
                self.identity = identity;
                None
            }
            Err(error) => {
                tracing::error!(%error, "a new identity was refused; the old one stays in use");
                Some(error.to_string())
            }
        };
        let taken = refused.is_none();
        self.status
            .send_replace(Some(self.identity.status(refused)));
        taken
    }
}

/// A hash of the files' contents, so that no copy of the key is kept.
fn fingerprint(found: &Result<Contents, IdentityError>) -> u64 {
    let mut hasher = DefaultHasher::new();
    match found {
        Ok(contents) => contents.hash(&mut hasher),
        Err(error) => error.to_string().hash(&mut hasher),
    }
    hasher.finish()
}
