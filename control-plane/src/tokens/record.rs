//! What is stored of a token, and the table it is stored in.

use std::collections::BTreeMap;

use outrider_proto::token::hex;
use outrider_proto::v1;
use redb::{Error, ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::{KEPT_SECONDS, TokensError};
use crate::storage::store::existing;

/// Id to a [`Record`] in JSON.
const TOKENS: TableDefinition<'_, [u8; 8], &[u8]> = TableDefinition::new("tokens");

/// What is stored of a token: all but its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub namespace: String,
    pub service: String,
    pub secret_sha256: [u8; 32],
    /// Seconds since 1970-01-01 UTC.
    pub created_unix: i64,
    /// Seconds since 1970-01-01 UTC; the first moment at which it is not valid.
    pub expires_unix: i64,
    pub revoked: bool,
    /// How many joins it was used for.
    pub joins: u64,
    /// The hash of the bundle that it carries. `None`: an earlier version of Outrider made the token and did
    /// not store this.
    #[serde(default)]
    pub bundle_sha256: Option<[u8; 32]>,
}

impl Record {
    /// As operators see it.
    pub fn details(&self, id: [u8; 8]) -> v1::Token {
        v1::Token {
            id: hex(&id),
            namespace: self.namespace.clone(),
            service: self.service.clone(),
            created_unix: self.created_unix,
            expires_unix: self.expires_unix,
            revoked: self.revoked,
            joins: self.joins,
            unusable_because: String::new(),
        }
    }

    fn parse(kept: &[u8]) -> Result<Record, TokensError> {
        serde_json::from_slice(kept).map_err(TokensError::Damaged)
    }
}

/// Adds a token, and forgets those that expired long before `now`.
pub fn add(
    transaction: &WriteTransaction,
    id: [u8; 8],
    record: &Record,
    now: i64,
) -> Result<(), TokensError> {
    let mut tokens = open(transaction)?;
    let is_kept = |_: [u8; 8], kept: &[u8]| {
        Record::parse(kept).is_ok_and(|record| record.expires_unix > now - KEPT_SECONDS)
    };
    tokens.retain(is_kept).map_err(Error::from)?;
    put(&mut tokens, id, record)
}

/// Every token there is.
pub fn all(transaction: &ReadTransaction) -> Result<Vec<v1::Token>, TokensError> {
    let mut found = Vec::new();
    let Some(tokens) = existing(transaction.open_table(TOKENS))? else {
        return Ok(found);
    };
    for row in tokens.iter().map_err(Error::from)? {
        let (id, kept) = row.map_err(Error::from)?;
        found.push(Record::parse(kept.value())?.details(id.value()));
    }
    Ok(found)
}

/// For each token whose bundle is known, by the token's id: the hash of the bundle.
pub fn bundles(transaction: &ReadTransaction) -> Result<BTreeMap<String, [u8; 32]>, TokensError> {
    let mut found = BTreeMap::new();
    let Some(tokens) = existing(transaction.open_table(TOKENS))? else {
        return Ok(found);
    };
    for row in tokens.iter().map_err(Error::from)? {
        let (id, kept) = row.map_err(Error::from)?;
        let bundle = Record::parse(kept.value())?.bundle_sha256;
        found.extend(bundle.map(|bundle| (hex(&id.value()), bundle)));
    }
    Ok(found)
}

/// For each token that is valid at `now`: the hash of its bundle.
pub fn live_bundles(
    transaction: &ReadTransaction,
    now: i64,
) -> Result<Vec<Option<[u8; 32]>>, TokensError> {
    let mut found = Vec::new();
    let Some(tokens) = existing(transaction.open_table(TOKENS))? else {
        return Ok(found);
    };
    for row in tokens.iter().map_err(Error::from)? {
        let (_, kept) = row.map_err(Error::from)?;
        let record = Record::parse(kept.value())?;
        if !record.revoked && record.expires_unix > now {
            found.push(record.bundle_sha256);
        }
    }
    Ok(found)
}

/// The token of this id.
pub fn find(transaction: &ReadTransaction, id: [u8; 8]) -> Result<Option<Record>, TokensError> {
    let Some(tokens) = existing(transaction.open_table(TOKENS))? else {
        return Ok(None);
    };
    let kept = tokens.get(id).map_err(Error::from)?;
    kept.map(|kept| Record::parse(kept.value())).transpose()
}

/// The token of this id, in a transaction that may change it.
pub fn find_to_change(
    transaction: &WriteTransaction,
    id: [u8; 8],
) -> Result<Option<Record>, TokensError> {
    let tokens = open(transaction)?;
    let kept = tokens.get(id).map_err(Error::from)?;
    kept.map(|kept| Record::parse(kept.value())).transpose()
}

/// Replaces what is stored of a token.
pub fn replace(
    transaction: &WriteTransaction,
    id: [u8; 8],
    record: &Record,
) -> Result<(), TokensError> {
    put(&mut open(transaction)?, id, record)
}

/// Adds joins to the stored tokens; a token that was removed meanwhile is left out.
pub fn add_joins(
    transaction: &WriteTransaction,
    counted: &BTreeMap<[u8; 8], u64>,
) -> Result<(), TokensError> {
    for (id, joins) in counted {
        if let Some(record) = find_to_change(transaction, *id)? {
            let joins = record.joins.saturating_add(*joins);
            replace(transaction, *id, &Record { joins, ..record })?;
        }
    }
    Ok(())
}

/// Marks a token as revoked; `None`: there is none.
pub fn revoke(transaction: &WriteTransaction, id: [u8; 8]) -> Result<Option<Record>, TokensError> {
    let Some(record) = find_to_change(transaction, id)? else {
        return Ok(None);
    };
    let revoked = Record {
        revoked: true,
        ..record
    };
    replace(transaction, id, &revoked)?;
    Ok(Some(revoked))
}

fn open(transaction: &WriteTransaction) -> Result<Table<'_, [u8; 8], &'static [u8]>, TokensError> {
    Ok(transaction.open_table(TOKENS).map_err(Error::from)?)
}

fn put(
    tokens: &mut Table<'_, [u8; 8], &'static [u8]>,
    id: [u8; 8],
    record: &Record,
) -> Result<(), TokensError> {
    let json = serde_json::to_vec(record).map_err(TokensError::Damaged)?;
    tokens.insert(id, &json[..]).map_err(Error::from)?;
    Ok(())
}
