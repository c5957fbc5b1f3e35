//! The file of the store: opening it, reading it into memory, its mode and its folder's lock.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::sys::statvfs::statvfs;
use redb::backends::InMemoryBackend;
use redb::{Database, DatabaseError, StorageBackend, StorageError, TableError};

use super::error::StoreError;
use super::format;

/// The name of the file in `--data`.
pub const FILE: &str = "store.redb";

/// Mode of the file.
const PRIVATE: u32 = 0o600;

/// The lock of the folder, for as long as it is open. `None`: its file system has no locks, and
/// redb's own lock of the file has to do.
///
/// # Errors
/// [`StoreError::Taken`].
pub fn lock(folder: &Path) -> Result<Option<File>, StoreError> {
    let Ok(opened) = File::open(folder) else {
        return Ok(None);
    };
    match opened.try_lock() {
        Ok(()) => Ok(Some(opened)),
        Err(TryLockError::WouldBlock) => Err(StoreError::Taken),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// Free space on the disk below which only a probe shows whether it takes writes. Bytes; 1 MiB: some
/// times what a probe writes. Free blocks alone do not show it, because the file reuses its pages.
const ROOM_MIN: u64 = 1 << 20;

/// When opening tries whether the disk takes a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    Always,
    /// So that a start on a disk with room writes nothing.
    IfNearlyFull,
}

/// Opens the file to be written, makes it if there is none. Beside the probe it writes to it only if
/// another version of Outrider wrote it last.
///
/// # Errors
/// [`StoreError::Unwritable`]: it is there, and the disk does not take what opening writes.
pub fn open(folder: &Path, probe: Probe) -> Result<Database, StoreError> {
    let path = folder.join(FILE);
    let is_there = fs::metadata(&path).is_ok_and(|file| file.len() > 0);
    let opened = open_file(&path).and_then(|database| {
        if probe == Probe::Always || is_nearly_full(folder) {
            format::probe(&database)?;
        }
        Ok(database)
    });
    opened.map_err(|error| match error {
        StoreError::Failed(redb::Error::Io(error)) if is_there && is_of_the_disk(&error) => {
            StoreError::Unwritable(error.to_string().into())
        }
        error => error,
    })
}

fn open_file(path: &Path) -> Result<Database, StoreError> {
    make_private(path).map_err(redb::Error::Io)?;
    let database = Database::create(path).map_err(opening)?;
    format::check(&database)?;
    format::stamp(&database)?;
    Ok(database)
}

/// What the file in the folder says now, in memory.
///
/// # Errors
/// As [`copy_of`].
pub fn copy(folder: &Path) -> Result<Database, StoreError> {
    copy_of(&folder.join(FILE))
}

/// The present contents of a file, in memory. Takes as many bytes as the file has.
///
/// # Errors
/// It cannot be read, or is of a newer Outrider.
pub fn copy_of(path: &Path) -> Result<Database, StoreError> {
    let octets = fs::read(path).map_err(redb::Error::Io)?;
    let memory = InMemoryBackend::new();
    let filled = memory
        .set_len(octets.len() as u64)
        .and_then(|()| memory.write(0, &octets));
    filled.map_err(redb::Error::Io)?;
    let database = Database::builder().create_with_backend(memory);
    let database = database.map_err(opening)?;
    format::check(&database)?;
    Ok(database)
}

/// Opens a table. One that was never written to does not exist.
///
/// # Errors
/// Any other reason why it was not opened.
pub fn existing<T>(table: Result<T, TableError>) -> Result<Option<T>, redb::Error> {
    match table {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn opening(error: DatabaseError) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::Taken
        }
        // What redb says after an earlier failure.
        DatabaseError::Storage(StorageError::PreviousIo) => {
            redb::Error::Io(io::Error::other("an earlier write failed")).into()
        }
        error => redb::Error::from(error).into(),
    }
}

/// `false` also where the system does not say.
fn is_nearly_full(folder: &Path) -> bool {
    statvfs(folder).is_ok_and(|disk| {
        let room = disk.blocks_available().saturating_mul(disk.fragment_size());
        room < ROOM_MIN
    })
}

/// Not an error: the process may not own the file, or the path may be something else.
fn is_of_the_disk(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::PermissionDenied | ErrorKind::NotFound | ErrorKind::InvalidData
    )
}

/// Makes the file readable by its owner only, whatever mode it had, because keys are stored in it.
fn make_private(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path).map(|file| file.permissions().mode() & 0o777);
    if mode.is_ok_and(|mode| mode == PRIVATE) {
        return Ok(());
    }
    let mut options = OpenOptions::new();
    let options = options.append(true).create(true).mode(PRIVATE);
    let opened = options.open(path)?;
    opened.set_permissions(Permissions::from_mode(PRIVATE))
}
