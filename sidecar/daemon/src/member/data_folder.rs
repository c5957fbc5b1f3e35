//! The folder that outlives the process: who this sidecar is, and what it knew last.
//!
//! `lock` is held while a sidecar runs; `identity` is key, certificate and roots; `configuration`
//! is the last good one. Decides what of it this sidecar may use.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use outrider_identity::{SpiffeId, Svid};
use outrider_proto::v1::{StoredConfiguration, StoredIdentity};
use rustls_pki_types::CertificateDer;

use super::stored_file::{self, StoredFile};
use crate::error::StartupError;
use crate::options::Options;

/// Mode of a folder that we make: it is for a key.
const FOLDER_MODE: u32 = 0o700;

impl StoredFile for StoredIdentity {
    const FILE: &'static str = "identity";
    const HEAD: &'static [u8] = b"outrider identity 1\n";

    fn required_features(&self) -> &[String] {
        &self.required_features
    }
}

impl StoredFile for StoredConfiguration {
    const FILE: &'static str = "configuration";
    const HEAD: &'static [u8] = b"outrider configuration 1\n";

    fn required_features(&self) -> &[String] {
        &self.required_features
    }
}

/// The folder, ours alone while this lives.
#[derive(Debug)]
pub struct DataFolder {
    folder: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder if it is missing, and takes it for this process.
    ///
    /// # Errors
    /// [`StartupError::Data`]: it cannot be written, or another sidecar has it.
    pub fn open(folder: &Path) -> Result<DataFolder, StartupError> {
        let unusable = |problem| StartupError::Data {
            folder: folder.to_owned(),
            problem,
        };
        let lock = lock(folder).map_err(|error| unusable(error.to_string()))?;
        match lock.try_lock() {
            Ok(()) => Ok(DataFolder {
                folder: folder.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(unusable(
                "another sidecar runs on it: give each a folder of its own".to_owned(),
            )),
            Err(TryLockError::Error(error)) => Err(unusable(error.to_string())),
        }
    }

    /// The identity in the folder; `None` when there is none, or none that can be used, which is
    /// logged.
    ///
    /// # Errors
    /// [`StartupError::Data`] when the folder is another service's.
    pub fn identity(
        &self,
        options: &Options,
    ) -> Result<Option<(SpiffeId, StoredIdentity)>, StartupError> {
        let stored = match stored_file::read::<StoredIdentity>(&self.folder) {
            Ok(Some(stored)) => stored,
            Ok(None) => return Ok(None),
            Err(problem) => {
                tracing::error!(problem, "the stored identity is not used");
                return Ok(None);
            }
        };
        let Some(id) = leaf_identity(&stored) else {
            tracing::error!("the stored identity is not used: its certificate names nobody");
            return Ok(None);
        };
        let Options {
            namespace, service, ..
        } = options;
        if id.namespace() == Some(namespace) && id.service_name() == Some(service) {
            return Ok(Some((id, stored)));
        }
        Err(StartupError::Data {
            folder: self.folder.clone(),
            problem: format!(
                "it belongs to {id}, but this sidecar is service {service} in namespace \
                 {namespace}: give each a folder of its own"
            ),
        })
    }

    /// The last good configuration for `id`; `None` when there is none, or none that can be used,
    /// which is logged.
    pub fn configuration(&self, id: &str) -> Option<StoredConfiguration> {
        match stored_file::read::<StoredConfiguration>(&self.folder) {
            Ok(Some(stored)) if stored.identity == id => Some(stored),
            Ok(Some(stored)) => {
                let of = stored.identity;
                tracing::error!(
                    of,
                    "the last good configuration is another identity's: not used"
                );
                None
            }
            Ok(None) => None,
            Err(problem) => {
                tracing::error!(problem, "the last good configuration is not used");
                None
            }
        }
    }

    /// Replaces a file. Blocks until it is on the disk; says what went wrong in the log.
    pub fn save<M: StoredFile>(&self, message: &M) -> bool {
        let saved = stored_file::write(&self.folder, message);
        if let Err(error) = &saved {
            let (folder, file) = (self.folder.display(), M::FILE);
            tracing::error!(%folder, file, %error, "could not be saved: a restart finds the one before");
        }
        saved.is_ok()
    }
}

fn lock(folder: &Path) -> io::Result<File> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(FOLDER_MODE).create(folder)?;
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    options.open(folder.join("lock"))
}

fn leaf_identity(stored: &StoredIdentity) -> Option<SpiffeId> {
    let leaf = stored.chain.first()?.as_slice();
    let svid = Svid::parse(&CertificateDer::from(leaf)).ok()?;
    Some(svid.id)
}
