//! What the authority keeps in the store: its trust domain, its roots, and every bundle it published.

use std::str::FromStr;
use std::sync::Arc;

use outrider_proto::v1::GetBundleResponse;
use prost::Message;
use redb::{Error, ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use super::bundle::Bundle;
use super::error::AuthorityError;
use super::rollover::Roots;
use super::root::Root;
use crate::storage::store::existing;

/// The trust domain, and numbers as text: [`PROMOTED`] and [`LONGEST_LIFE`].
const AUTHORITY: TableDefinition<'_, &str, &str> = TableDefinition::new("authority");
const TRUST_DOMAIN: &str = "trust_domain";

/// When the signing root was promoted, while the one before is still accepted. Seconds since
/// 1970-01-01 UTC.
const PROMOTED: &str = "promoted_unix";

/// The longest life that certificates were ever issued with. Seconds.
const LONGEST_LIFE: &str = "longest_life_seconds";

/// The roots by age, oldest first: whether it signs, its certificate, its key. One or two rows; one root signs,
/// so every content is a state of a rollover, and a step is one transaction.
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

/// The longest life that certificates were ever issued with. Seconds; `None` before the first start.
pub fn longest_life(transaction: &ReadTransaction) -> Result<Option<u64>, AuthorityError> {
    number(transaction, LONGEST_LIFE)
}

/// Keeps it.
pub fn keep_longest_life(
    transaction: &WriteTransaction,
    seconds: u64,
) -> Result<(), AuthorityError> {
    let mut authority = transaction.open_table(AUTHORITY).map_err(Error::from)?;
    let kept = authority.insert(LONGEST_LIFE, &*seconds.to_string());
    kept.map_err(Error::from)?;
    Ok(())
}

fn number<N: FromStr>(
    transaction: &ReadTransaction,
    key: &str,
) -> Result<Option<N>, AuthorityError> {
    let Some(authority) = existing(transaction.open_table(AUTHORITY))? else {
        return Ok(None);
    };
    let kept = authority.get(key).map_err(Error::from)?;
    Ok(kept.and_then(|kept| kept.value().parse().ok()))
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
            // An earlier version of Outrider promoted it and did not store when: use the present.
            let promoted_unix = number(transaction, PROMOTED)?.unwrap_or(now);
            Roots::promoted(Arc::clone(signing), Arc::clone(former), now, promoted_unix).map(Some)
        }
        _ => Err(AuthorityError::Damaged("the set of roots")),
    }
}

/// Replaces the stored roots, and adds their bundle to the earlier ones.
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
    let mut authority = transaction.open_table(AUTHORITY).map_err(Error::from)?;
    let kept = match roots {
        Roots::Promoted { promoted_unix, .. } => {
            authority.insert(PROMOTED, &*promoted_unix.to_string())
        }
        Roots::Settled { .. } | Roots::Added { .. } => authority.remove(PROMOTED),
    };
    drop(kept.map_err(Error::from)?);
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
