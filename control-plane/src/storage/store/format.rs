//! The number of the store's format, and which version of Outrider wrote it.
//!
//! A change of a table that an earlier version would misread takes the next number, and a
//! migration here. What an earlier version does not know it refuses by name.

use redb::{Database, ReadableDatabase, TableDefinition};

use super::error::StoreError;
use super::file::existing;

/// The format that this version writes. A store without a number is of before there was one, and
/// has the same tables.
pub const FORMAT: u32 = 1;

/// This version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the store is: [`NUMBER`] and [`WRITTEN_BY`].
const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");

const NUMBER: &str = "format";
const WRITTEN_BY: &str = "written_by";
const PROBE: &str = "probe";

/// Size of a probe. Bytes; 200 KiB, for which redb takes a page of 256 KiB: more than a usual change of
/// documents, so that a disk that takes only small writes does not pass. A larger change may still be
/// refused.
const PROBE_BYTES: usize = 200 << 10;

/// The format of a store, and the version that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatStamp {
    /// Its number.
    pub format: u32,
    /// The version of Outrider.
    pub written_by: String,
}

/// Refuses a store that a later version wrote.
///
/// # Errors
/// [`StoreError::Newer`], or it cannot be read.
pub fn check(database: &Database) -> Result<(), StoreError> {
    match read(database)? {
        Some(FormatStamp { format, written_by }) if format > FORMAT => Err(StoreError::Newer {
            format,
            written_by,
            ours: VERSION,
            known: FORMAT,
        }),
        Some(_) | None => Ok(()),
    }
}

/// Stores this version as the writer; writes only if another version was the last one.
///
/// # Errors
/// It cannot be written.
pub fn stamp(database: &Database) -> Result<(), StoreError> {
    let ours = FormatStamp {
        format: FORMAT,
        written_by: VERSION.to_owned(),
    };
    if read(database)? == Some(ours) {
        return Ok(());
    }
    let format = FORMAT.to_string();
    Ok(put(database, &[(NUMBER, &format), (WRITTEN_BY, VERSION)])?)
}

/// Writes [`PROBE_BYTES`] and removes them again, to find out whether the disk takes writes.
///
/// # Errors
/// It does not take them.
pub fn probe(database: &Database) -> Result<(), StoreError> {
    put(database, &[(PROBE, &" ".repeat(PROBE_BYTES))])?;
    Ok(put(database, &[(PROBE, "")])?)
}

fn put(database: &Database, rows: &[(&str, &str)]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    let mut meta = transaction.open_table(META)?;
    for (key, value) in rows {
        meta.insert(key, value)?;
    }
    drop(meta);
    Ok(transaction.commit()?)
}

fn read(database: &Database) -> Result<Option<FormatStamp>, redb::Error> {
    let transaction = database.begin_read()?;
    let Some(meta) = existing(transaction.open_table(META))? else {
        return Ok(None);
    };
    let text = |key| Ok::<_, redb::Error>(meta.get(key)?.map(|text| text.value().to_owned()));
    let format = text(NUMBER)?.and_then(|number| number.parse().ok());
    Ok(Some(FormatStamp {
        // A number that cannot be parsed is from a later version.
        format: format.unwrap_or(u32::MAX),
        written_by: text(WRITTEN_BY)?.unwrap_or_default(),
    }))
}
