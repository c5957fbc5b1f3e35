//! What still depends on the old root, while there are an old and a new one.

use super::{Authority, AuthorityError};
use crate::authority::rollover::Roots;

/// A rollover that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollover {
    /// Common name of the old root.
    pub old_root: String,
    /// Until when a certificate that it signed may be in use. Seconds since 1970-01-01 UTC;
    /// `None`: it still signs.
    pub in_use_until_unix: Option<i64>,
}

impl Authority {
    /// The rollover that is under way, if one is.
    pub fn rollover(&self) -> Option<Rollover> {
        let roots = self.shared.roots.borrow();
        let (old, _) = roots.both()?;
        let in_use_until_unix = match &*roots {
            Roots::Promoted { promoted_unix, .. } => {
                Some(promoted_unix.saturating_add(self.shared.longest_life))
            }
            Roots::Settled { .. } | Roots::Added { .. } => None,
        };
        Some(Rollover {
            old_root: old.name().to_owned(),
            in_use_until_unix,
        })
    }

    /// Would a token with this hash of a bundle be useless without the old root?
    /// Blocks for the disk.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn needs_old_root(&self, bundle_sha256: &[u8]) -> Result<bool, AuthorityError> {
        let roots = self.shared.roots.borrow().clone();
        let Some((_, new)) = roots.both() else {
            return Ok(false);
        };
        let earlier = self.earlier_bundle(bundle_sha256)?;
        let has_new = |root: &Vec<u8>| root == new.certificate().as_ref();
        Ok(earlier.is_some_and(|earlier| !earlier.roots.iter().any(has_new)))
    }
}
