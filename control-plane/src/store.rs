//! What survives: one file, `store.redb` in `--data`.
//!
//! Opens it and makes writes durable; which tables there are and what is in them is said where
//! they are used. A write that has returned survives a kill -9 and a power cut; one that has not
//! is there as a whole or not at all.
//! Reference: redb's design, <https://github.com/cberner/redb/blob/master/docs/design.md>.

use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};

/// The name of the file in `--data`.
const FILE: &str = "store.redb";

/// Mode of the file.
const PRIVATE: u32 = 0o600;

/// Why the store cannot be used. The text names the file and what redb says of it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open, the disk is full, the file is none of ours.
    #[error("the store: {0}")]
    Failed(#[from] redb::Error),
}

/// The store, shared by all who keep something in it.
#[derive(Clone, Debug)]
pub struct Store {
    database: Arc<Database>,
}

impl Store {
    /// Opens the store in the folder `data`, which exists; makes a new one if there is none.
    ///
    /// # Errors
    /// Another process has it open, or the file cannot be read.
    pub fn open(data: &Path) -> Result<Store, StoreError> {
        let file = data.join(FILE);
        make_private(&file).map_err(redb::Error::Io)?;
        let database = Database::create(file).map_err(redb::Error::from)?;
        Ok(Store {
            database: Arc::new(database),
        })
    }

    /// Changes the store; durable when it returns. Blocks for the disk, some milliseconds: call
    /// it where that holds nobody up.
    ///
    /// # Errors
    /// What `change` said, in which case nothing changes, or that it could not be written.
    pub fn write<T, E: From<StoreError>>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, E>,
    ) -> Result<T, E> {
        let begun = self.database.begin_write().map_err(redb::Error::from);
        let transaction = begun.map_err(StoreError::from)?;
        let outcome = change(&transaction)?;
        let committed = transaction.commit().map_err(redb::Error::from);
        committed.map_err(StoreError::from)?;
        Ok(outcome)
    }

    /// Reads one consistent state of the store.
    ///
    /// # Errors
    /// What `read` said, or that the store could not be read.
    pub fn read<T, E: From<StoreError>>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, E>,
    ) -> Result<T, E> {
        let begun = self.database.begin_read().map_err(redb::Error::from);
        let transaction = begun.map_err(StoreError::from)?;
        read(&transaction)
    }
}

/// Keys are kept in it: it is its owner's alone, whatever mode it had.
fn make_private(file: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.append(true).create(true).mode(PRIVATE);
    let opened = options.open(file)?;
    opened.set_permissions(Permissions::from_mode(PRIVATE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::TableDefinition;

    const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

    fn put(store: &Store, number: u64, then: Result<(), StoreError>) -> Result<(), StoreError> {
        store.write(|transaction| {
            let mut numbers = transaction.open_table(NUMBERS).map_err(redb::Error::from)?;
            let put = numbers.insert("one", number).map(drop);
            put.map_err(redb::Error::from)?;
            then
        })
    }

    fn get(store: &Store) -> Option<u64> {
        let found = store.read(|transaction| {
            let numbers = transaction.open_table(NUMBERS).map_err(redb::Error::from)?;
            let number = redb::ReadableTable::get(&numbers, "one").map_err(redb::Error::from)?;
            Ok::<_, StoreError>(number.map(|number| number.value()))
        });
        found.expect("the store is readable")
    }

    #[test]
    fn what_was_written_is_there_after_a_restart_and_what_failed_is_not() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a new store");
        put(&store, 1, Ok(())).expect("it is written");
        let failure = StoreError::Failed(redb::Error::Corrupted("on purpose".to_owned()));
        assert!(put(&store, 2, Err(failure)).is_err());
        drop(store);
        let store = Store::open(folder.path()).expect("the same store");
        assert_eq!(get(&store), Some(1));
    }

    #[test]
    fn two_processes_cannot_have_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let _first = Store::open(folder.path()).expect("a new store");
        assert!(Store::open(folder.path()).is_err());
    }
}
