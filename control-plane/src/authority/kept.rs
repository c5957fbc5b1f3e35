//! What the authority keeps in the store: its trust domain, its roots, and every bundle it told.

use std::sync::Arc;

use outrider_proto::v1::GetBundleResponse;
use prost::Message;
use redb::{Error, ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use super::bundle::Bundle;
use super::error::AuthorityError;
use super::rollover::Roots;
use super::root::Root;
use crate::store::existing;

/// One row, the trust domain, under [`TRUST_DOMAIN`].
const AUTHORITY: TableDefinition<'_, &str, &str> = TableDefinition::new("authority");
const TRUST_DOMAIN: &str = "trust_domain";

/// By age, oldest first: does it sign, certificate, key. One or two rows, of which one signs: so
/// every content is a state of a rollover, and a step is one transaction.
const ROOTS: TableDefinition<'_, u64, (bool, &[u8], &[u8])> = TableDefinition::new("roots");

/// Every bundle there was, by its SHA-256: a [`GetBundleResponse`].
const BUNDLES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("bundles");

/// The trust domain, if this is not the first start.
pub fn trust_domain(transaction: &ReadTransaction) -> Result<Option<String>, AuthorityError> {
    let Some(authority) = existing(transaction.open_table(AUTHORITY))? else {
        return Ok(None);
    };
    let kept = authority.get(TRUST_DOMAIN).map_err(Error::from)?;
    Ok(kept.map(|kept| kept.value().to_owned()))
}

/// Keeps the trust domain.
pub fn keep_trust_domain(
    transaction: &WriteTransaction,
    trust_domain: &str,
) -> Result<(), AuthorityError> {
    let mut authority = transaction.open_table(AUTHORITY).map_err(Error::from)?;
    let kept = authority.insert(TRUST_DOMAIN, trust_domain);
    kept.map_err(Error::from)?;
    Ok(())
}

/// The roots; `None` before the first start.
pub fn roots(transaction: &ReadTransaction, now: i64) -> Result<Option<Roots>, AuthorityError> {
    let Some(table) = existing(transaction.open_table(ROOTS))? else {
        return Ok(None);
    };
    let mut roots = Vec::new();
    for row in table.iter().map_err(Error::from)? {
        let (_, row) = row.map_err(Error::from)?;
        let (signs, certificate, key) = row.value();
        roots.push((signs, Arc::new(Root::load(certificate, key)?)));
    }
    match &roots[..] {
        [] => Ok(None),
        [(true, signing)] => Ok(Some(Roots::Settled {
            signing: Arc::clone(signing),
        })),
        [(true, signing), (false, next)] => Ok(Some(Roots::Added {
            signing: Arc::clone(signing),
            next: Arc::clone(next),
        })),
        [(false, former), (true, signing)] => {
            Roots::promoted(Arc::clone(signing), Arc::clone(former), now).map(Some)
        }
        _ => Err(AuthorityError::Damaged("the set of roots")),
    }
}

/// Keeps the roots in place of those there were, and their bundle beside the earlier ones.
pub fn keep_roots(
    transaction: &WriteTransaction,
    roots: &Roots,
    bundle: &Bundle,
) -> Result<(), AuthorityError> {
    let mut table = transaction.open_table(ROOTS).map_err(Error::from)?;
    table.retain(|_, _| false).map_err(Error::from)?;
    for (age, root) in (0..).zip(roots.by_age()) {
        let signs = root.certificate() == roots.signing().certificate();
        let row = (signs, root.certificate().as_ref(), root.key());
        table.insert(age, row).map_err(Error::from)?;
    }
    let told = GetBundleResponse {
        roots: bundle.roots().iter().map(|root| root.to_vec()).collect(),
    };
    let mut bundles = transaction.open_table(BUNDLES).map_err(Error::from)?;
    let kept = bundles.insert(&bundle.sha256()[..], &told.encode_to_vec()[..]);
    kept.map_err(Error::from)?;
    Ok(())
}

/// The bundle with this hash, if there ever was one.
pub fn bundle(
    transaction: &ReadTransaction,
    sha256: &[u8],
) -> Result<Option<GetBundleResponse>, AuthorityError> {
    let Some(bundles) = existing(transaction.open_table(BUNDLES))? else {
        return Ok(None);
    };
    let Some(kept) = bundles.get(sha256).map_err(Error::from)? else {
        return Ok(None);
    };
    let told = GetBundleResponse::decode(kept.value());
    told.map(Some)
        .map_err(|_| AuthorityError::Damaged("a bundle"))
}
