//! The options of an apply, and the applies that are remembered by their id.
//!
//! If an answer is lost, the client sends the same apply again under the same id and gets the first
//! answer. Functions with a transaction block for the disk.

use aws_lc_rs::digest::{Context, SHA256};
use outrider_host::folder::Files;
use redb::{Error, ReadTransaction, ReadableTable, TableDefinition, TableError, WriteTransaction};

use super::change::Change;
use super::refusal::Refusal;
use crate::storage::store::StoreError;

/// Version to (id of the apply that made it, SHA-256 of what was applied).
const APPLIES: TableDefinition<'_, u64, (&str, [u8; 32])> = TableDefinition::new("applies");

/// How many versions back an apply is remembered. 1,000: a client repeats one within minutes.
const REMEMBERED: u64 = 1_000;

/// Longest id. Bytes; 64: a UUID has 36.
const ID_BYTES_MAX: usize = 64;

/// The options of an apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplyOptions {
    /// Identifies the apply; empty: it is not remembered.
    pub id: String,
    /// Delete every applied document that is not among these.
    pub prune: bool,
    /// Only if this version is in force.
    pub if_version: Option<u64>,
}

/// An apply with an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apply {
    /// Chosen by the client.
    pub id: String,
    /// Of all that is applied, and how.
    pub sha256: [u8; 32],
}

impl ApplyOptions {
    /// The change that these options make of `files`.
    pub fn change(&self, files: Files) -> Change {
        match self.prune {
            true => Change::Replace(files),
            false => Change::Apply(files),
        }
    }

    /// The apply of `files`, if it has an id.
    ///
    /// # Errors
    /// The id is too long.
    pub fn apply(&self, files: &[(String, String)]) -> Result<Option<Apply>, Refusal> {
        match self.id.len() {
            0 => Ok(None),
            1..=ID_BYTES_MAX => Ok(Some(Apply {
                id: self.id.clone(),
                sha256: sha256(files, self.prune),
            })),
            _ => Err(Refusal::LongId),
        }
    }

    /// Is the version in force the one that was asked for?
    ///
    /// # Errors
    /// It is another one.
    pub fn check(&self, in_force: u64) -> Result<(), Refusal> {
        match self.if_version {
            Some(wanted) if wanted != in_force => Err(Refusal::OtherVersion { wanted, in_force }),
            Some(_) | None => Ok(()),
        }
    }
}

fn sha256(files: &[(String, String)], prune: bool) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(&[u8::from(prune)]);
    for text in files.iter().flat_map(|(name, text)| [name, text]) {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Remembers which apply made `version`, if one with an id did, and forgets the oldest, and what is there
/// of versions that were never in force.
pub fn remember(
    transaction: &WriteTransaction,
    version: u64,
    apply: Option<&Apply>,
) -> Result<(), StoreError> {
    let mut applies = transaction.open_table(APPLIES).map_err(Error::from)?;
    let never = applies.retain_in(version.., |_, _| false);
    never.map_err(Error::from)?;
    if let Some(Apply { id, sha256 }) = apply {
        let put = applies.insert(version, (id.as_str(), *sha256));
        put.map_err(Error::from)?;
    }
    let forgotten = applies.retain_in(..=version.saturating_sub(REMEMBERED), |_, _| false);
    Ok(forgotten.map_err(Error::from)?)
}

/// The version that an apply of this id made, if it is remembered, and whether it applied the same.
pub fn find(
    transaction: &ReadTransaction,
    apply: &Apply,
) -> Result<Option<(u64, bool)>, StoreError> {
    let applies = match transaction.open_table(APPLIES) {
        Ok(applies) => applies,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(Error::from(error).into()),
    };
    for entry in applies.iter().map_err(Error::from)?.rev() {
        let (version, known) = entry.map_err(Error::from)?;
        let (id, sha256) = known.value();
        if id == apply.id {
            return Ok(Some((version.value(), sha256 == apply.sha256)));
        }
    }
    Ok(None)
}
