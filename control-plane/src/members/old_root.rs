//! What still depends on the old root alone during a rollover.

use serde::Serialize;
use tokio::task::spawn_blocking;
use tonic::Status;

use crate::authority::{Authority, AuthorityError};
use crate::serve::parts::Parts;

/// What depends on the old root alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OldRootUsage {
    /// Members that are connected.
    pub members: usize,
    /// Connected members whose certificate the old root signed.
    pub members_on_old_root: usize,
    /// Valid tokens that do not know the new root.
    pub tokens_on_old_root: usize,
    /// How long a certificate that it signed may still be in use. Seconds; `None`: it still signs.
    pub in_use_seconds: Option<i64>,
}

impl OldRootUsage {
    /// Counts them; `None`: no rollover is under way.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn count(parts: &Parts, now: i64) -> Result<Option<OldRootUsage>, Status> {
        let Some(rollover) = parts.authority.rollover() else {
            return Ok(None);
        };
        let sidecars = &parts.mesh.sidecars;
        let (members, members_on_old_root) = sidecars.count_by_issuer(&rollover.old_root);
        let bundles = parts.tokens.live_bundles(now).await?;
        let authority = parts.authority.clone();
        let counted = spawn_blocking(move || count_on_old_root(&authority, &bundles)).await;
        let tokens = counted.map_err(|_| crate::members::caller::stopping())?;
        let until = rollover.in_use_until_unix;
        Ok(Some(OldRootUsage {
            members,
            members_on_old_root,
            tokens_on_old_root: tokens?,
            in_use_seconds: until.map(|until| until.saturating_sub(now).max(0)),
        }))
    }

    /// Why the old root should not retire yet; `None`: nothing depends on it, or it still signs.
    pub fn warning(self) -> Option<String> {
        let OldRootUsage {
            members,
            members_on_old_root,
            tokens_on_old_root,
            in_use_seconds,
        } = self;
        let in_use_seconds = in_use_seconds?;
        let mut parts = Vec::new();
        if members_on_old_root > 0 {
            parts.push(format!(
                "{members_on_old_root} of {members} connected members have a certificate of it"
            ));
        }
        if tokens_on_old_root > 0 {
            parts.push(format!(
                "{tokens_on_old_root} tokens that still count know no other"
            ));
        }
        if in_use_seconds > 0 {
            parts.push(format!(
                "members that are not connected may use a certificate of it for {in_use_seconds} s"
            ));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// Tokens whose bundle is not known are counted too.
fn count_on_old_root(
    authority: &Authority,
    bundles: &[Option<[u8; 32]>],
) -> Result<usize, AuthorityError> {
    let mut count = 0;
    for bundle in bundles {
        let needs = bundle.map(|sha256| authority.needs_old_root(&sha256));
        count += usize::from(needs.unwrap_or(Ok(true))?);
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_retires_when_nothing_depends_on_it() {
        let unused = OldRootUsage {
            members: 40,
            in_use_seconds: Some(0),
            ..OldRootUsage::default()
        };
        let cases = [
            (unused, None),
            (
                OldRootUsage {
                    members_on_old_root: 12,
                    ..unused
                },
                Some("12 of 40 connected members"),
            ),
            (
                OldRootUsage {
                    tokens_on_old_root: 3,
                    ..unused
                },
                Some("3 tokens"),
            ),
            (
                OldRootUsage {
                    in_use_seconds: Some(60),
                    ..unused
                },
                Some("for 60 s"),
            ),
            (
                OldRootUsage {
                    members_on_old_root: 40,
                    in_use_seconds: None,
                    ..unused
                },
                None,
            ),
        ];
        for (usage, expected) in cases {
            let warning = usage.warning();
            let is_expected = match (&warning, expected) {
                (Some(warning), Some(expected)) => warning.contains(expected),
                (warning, expected) => warning.is_none() && expected.is_none(),
            };
            assert!(is_expected, "{warning:?}, expected {expected:?}");
        }
    }
}
