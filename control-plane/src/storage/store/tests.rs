//! A store that is restarted, cannot be written, or is of a later version.

use super::*;
use redb::TableDefinition;
use std::fs;

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
        let number = numbers.get("one").map_err(redb::Error::from)?;
        Ok::<_, StoreError>(number.map(|number| number.value()))
    });
    found.expect("the store is readable")
}

fn mended(store: &Store) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let mut health = store.health();
    let mended = async {
        health
            .wait_for(|health| health.failing.is_none())
            .await
            .map(drop)
    };
    let mended = runtime.expect("a runtime").block_on(mended);
    mended.expect("the store is there");
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
    let second = Store::open(folder.path());
    assert!(matches!(second, Err(StoreError::Taken)));
}

/// Opens a store that was dropped: the thread that reopened it may still hold it for a moment.
fn reopened(folder: &Path) -> Store {
    for _ in 0..1_000_000 {
        match Store::open(folder) {
            Err(StoreError::Taken) => std::thread::yield_now(),
            opened => return opened.expect("the same store"),
        }
    }
    panic!("it is never given back");
}

/// What a disk does that is full is tried with a real one, in `cli/tests/full_disk/`.
#[test]
fn while_it_cannot_be_written_it_is_read_and_goes_on_by_itself() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(folder.path()).expect("a new store");
    put(&store, 1, Ok(())).expect("it is written");
    let (path, aside) = (folder.path().join(FILE), folder.path().join("aside"));
    store.shared.fail("the store: I/O error: No space left");
    fs::rename(&path, &aside).expect("the file is put aside");
    fs::create_dir(&path).expect("nothing that can be opened");

    let refused = put(&store, 2, Ok(())).expect_err("it is refused");
    let status = tonic::Status::from(refused);
    assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    assert!(status.message().contains("(No space left)"), "{status}");
    assert_eq!(get(&store), Some(1));
    let health = store.health().borrow().clone();
    assert_eq!(health.failing.as_deref(), Some("No space left"));

    fs::remove_dir(&path).expect("it is gone");
    fs::rename(&aside, &path).expect("the file is back");
    mended(&store);
    put(&store, 3, Ok(())).expect("it is written");
    assert_eq!(get(&store), Some(3));
    assert_eq!(store.health().borrow().failures, 1);
    drop(store);
    assert_eq!(get(&reopened(folder.path())), Some(3));
}

#[test]
fn a_start_that_changes_nothing_writes_no_transaction() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    drop(Store::open(folder.path()).expect("a new store"));
    let store = Store::open(folder.path()).expect("the same store");
    let held = store.shared.held.borrow();
    let database = held.database().expect("it is open");
    // A second stamp has nothing to say: an open write transaction does not hold it up.
    let busy = database.begin_write().expect("it is writable");
    format::stamp(database).expect("it is stamped already");
    drop(busy);
}

#[test]
fn a_store_of_a_later_version_is_refused_by_name() {
    const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(folder.path()).expect("a new store");
    let written = store.write(|transaction| {
        let mut meta = transaction.open_table(META).map_err(redb::Error::from)?;
        for (key, value) in [("format", "2"), ("written_by", "7.3.1")] {
            meta.insert(key, value).map_err(redb::Error::from)?;
        }
        Ok::<_, StoreError>(())
    });
    written.expect("it is written");
    drop(store);
    let refused = Store::open(folder.path()).expect_err("it is of a later version");
    let text = refused.to_string();
    assert!(
        text.contains("format 2, written by outrider 7.3.1"),
        "{text}"
    );
}
