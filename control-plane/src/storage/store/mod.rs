//! The store: one file, `store.redb` in `--data`.
//!
//! Opens it and makes writes durable; each part of the control plane defines its own tables. A write that
//! has returned survives a kill -9 and a power cut; one that has not is there as a whole or not at all.
//! While the disk cannot be written, because it is full, read-only or broken, writes are refused, reads go
//! on from a copy in memory, and the file is tried again until it can be written (`reopen`).
//! Reference: redb's design, <https://github.com/cberner/redb/blob/master/docs/design.md>.

mod error;
mod file;
mod format;
mod log_health;
mod reopen;

use std::fmt::{self, Display};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, ReadTransaction, ReadableDatabase, TransactionError, WriteTransaction};
use tokio::sync::watch;

pub use error::StoreError;
use file::Probe;
pub use file::{FILE, existing, lock};
pub use log_health::record_health;

/// A handle to the store. Clones share it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

/// Whether the store can be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Why it cannot; `None`: it can, as far as the last write says.
    pub failing: Option<Arc<str>>,
    /// How often it stopped being writable since the start.
    pub failures: u64,
}

struct Shared {
    folder: PathBuf,
    held: watch::Sender<Backend>,
    health: watch::Sender<Health>,
    // Backend for its lock: one control plane has a folder at a time.
    _folder_lock: Option<File>,
}

/// What is open.
enum Backend {
    /// The file; it is written.
    File(Database),
    /// The file cannot be written. Its contents when that began, unless it could not be read.
    Copy {
        database: Option<Database>,
        reason: Arc<str>,
        // Dropped, the tries to open the file end.
        mending: Option<reopen::Reopening>,
    },
}

impl Store {
    /// Opens the store in the folder `data`, which exists; makes a new one if there is none. One
    /// that is there and cannot be written is opened all the same, to be read.
    ///
    /// # Errors
    /// See [`StoreError`]: another process has it open, it is of a newer Outrider, or the file
    /// cannot be read.
    pub fn open(data: &Path) -> Result<Store, StoreError> {
        let folder_lock = lock(data)?;
        let (held, failing) = match file::open(data, Probe::IfNearlyFull) {
            Err(StoreError::Unwritable(reason)) => {
                (Backend::unmended(data, &reason)?, Some(reason))
            }
            opened => (Backend::File(opened?), None),
        };
        let shared = Arc::new(Shared {
            folder: data.to_owned(),
            held: watch::Sender::new(held),
            health: watch::Sender::default(),
            _folder_lock: folder_lock,
        });
        if let Some(reason) = failing {
            shared.note(&reason);
            shared.held.send_modify(|held| held.mend(&shared));
        }
        Ok(Store { shared })
    }

    /// The contents of the file `path`, to be read; writes are refused. Another process may have it open.
    ///
    /// # Errors
    /// It is no store, or of a newer Outrider.
    pub fn copy_of(path: &Path) -> Result<Store, StoreError> {
        let reason: Arc<str> = "it is a copy to be read".into();
        let held = Backend::Copy {
            database: Some(file::copy_of(path)?),
            reason,
            mending: None,
        };
        Ok(Store {
            shared: Arc::new(Shared {
                folder: path.to_owned(),
                held: watch::Sender::new(held),
                health: watch::Sender::default(),
                _folder_lock: None,
            }),
        })
    }

    /// The file as it is between two writes: all that was acknowledged, keys included. Blocks for the
    /// disk, and holds up writes for as long.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn octets(&self) -> Result<Vec<u8>, StoreError> {
        let held = self.shared.held.borrow();
        let path = self.shared.folder.join(FILE);
        let read = || std::fs::read(path).map_err(redb::Error::Io);
        match &*held {
            Backend::File(database) => {
                let _quiet = database.begin_write().map_err(redb::Error::from)?;
                Ok(read()?)
            }
            // The copy is not written.
            Backend::Copy { .. } => Ok(read()?),
        }
    }

    /// Changes the store; durable when it returns. Blocks for the disk, some milliseconds: call it on a
    /// thread for blocking work.
    ///
    /// # Errors
    /// The error of `change`, in which case nothing changes, or a failure to write. After
    /// [`StoreError::Unwritable`] the change may still be in the store, because the disk failed in the
    /// middle of it.
    pub fn write<T, E: From<StoreError> + Display>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, E>,
    ) -> Result<T, E> {
        let held = self.shared.held.borrow();
        let database = match &*held {
            Backend::File(database) => database,
            Backend::Copy { reason, .. } => {
                return Err(StoreError::Unwritable(Arc::clone(reason)).into());
            }
        };
        let outcome = attempt(database, change);
        let has_failed = outcome.is_err() && has_failed(database);
        drop(held);
        match outcome {
            Err(error) if has_failed => Err(self.shared.fail(&error.to_string()).into()),
            outcome => outcome,
        }
    }

    /// Reads one consistent state of the store.
    ///
    /// # Errors
    /// The error of `read`, or the store cannot be read.
    pub fn read<T, E: From<StoreError> + Display>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, E>,
    ) -> Result<T, E> {
        let held = self.shared.held.borrow();
        let database = held.database()?;
        let begun = database.begin_read().map_err(redb::Error::from);
        let outcome = begun
            .map_err(|error| StoreError::from(error).into())
            .and_then(|transaction| read(&transaction));
        let has_failed = outcome.is_err() && has_failed(database);
        drop(held);
        if let (Err(error), true) = (&outcome, has_failed) {
            self.shared.fail(&error.to_string());
        }
        outcome
    }

    /// Returns when it can be written, as far as is known.
    pub async fn writable(&self) {
        let mut health = self.health();
        // Fails never: we have the store.
        let _ = health.wait_for(|health| health.failing.is_none()).await;
    }

    /// Whether it can be written, now and whenever that changes.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.shared.health.subscribe()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = &self.shared.folder;
        f.debug_struct("Store").field("folder", folder).finish()
    }
}

impl Shared {
    /// The file has failed: until it can be written again, reads use a copy.
    fn fail(self: &Arc<Shared>, problem: &str) -> StoreError {
        let reason: Arc<str> = error::cause(problem).into();
        // Several callers may see the failure; only the first finds the file here.
        self.held.send_if_modified(|held| {
            let is_first = matches!(held, Backend::File(_));
            if is_first {
                *held = self.copied(&reason);
            }
            is_first
        });
        StoreError::Unwritable(reason)
    }

    fn copied(self: &Arc<Shared>, reason: &Arc<str>) -> Backend {
        let copy = file::copy(&self.folder);
        let copy = copy.inspect_err(|error| tracing::error!(%error, "the store cannot be read"));
        self.note(reason);
        Backend::Copy {
            database: copy.ok(),
            reason: Arc::clone(reason),
            mending: reopen::start(self),
        }
    }

    fn note(&self, reason: &Arc<str>) {
        self.health.send_modify(|health| {
            health.failing = Some(Arc::clone(reason));
            health.failures += 1;
        });
    }

    /// The file is open again.
    fn mended(&self, database: Database) {
        self.held.send_replace(Backend::File(database));
        self.health.send_modify(|health| health.failing = None);
    }
}

impl Backend {
    /// A file that exists and cannot be written, before the tries to reopen it begin.
    fn unmended(folder: &Path, reason: &Arc<str>) -> Result<Backend, StoreError> {
        Ok(Backend::Copy {
            database: Some(file::copy(folder)?),
            reason: Arc::clone(reason),
            mending: None,
        })
    }

    fn mend(&mut self, shared: &Arc<Shared>) {
        if let Backend::Copy { mending, .. } = self {
            *mending = reopen::start(shared);
        }
    }

    fn database(&self) -> Result<&Database, StoreError> {
        match self {
            Backend::File(database)
            | Backend::Copy {
                database: Some(database),
                ..
            } => Ok(database),
            Backend::Copy { reason, .. } => Err(StoreError::Unwritable(Arc::clone(reason))),
        }
    }
}

fn attempt<T, E: From<StoreError>>(
    database: &Database,
    change: impl FnOnce(&WriteTransaction) -> Result<T, E>,
) -> Result<T, E> {
    let begun = database.begin_write().map_err(redb::Error::from);
    let transaction = begun.map_err(StoreError::from)?;
    let outcome = change(&transaction)?;
    let committed = transaction.commit().map_err(redb::Error::from);
    committed.map_err(StoreError::from)?;
    Ok(outcome)
}

/// After its first failure redb does nothing more with a file until it is opened again.
fn has_failed(database: &Database) -> bool {
    matches!(
        database.try_begin_write(),
        Err(TransactionError::Storage(_))
    )
}

#[cfg(test)]
mod tests;
