//! Join tokens as operators see them: all but their secrets, and whether they are usable.

use std::collections::BTreeSet;

use outrider_proto::v1;
use tokio::task::spawn_blocking;
use tonic::Status;

use crate::authority::AuthorityError;
use crate::clock;
use crate::members::caller;
use crate::serve::parts::Parts;

/// Every token, with the reason if it can no longer be used to join.
pub async fn list(parts: &Parts) -> Result<v1::ListTokensResponse, Status> {
    let now = clock::unix_seconds();
    let mut tokens = parts.tokens.list().await?;
    let retired = retired(parts).await?;
    for token in &mut tokens {
        let because = unusable_because(token, retired.contains(&token.id), now);
        token.unusable_because = because.to_owned();
    }
    Ok(v1::ListTokensResponse { tokens })
}

/// The ids of the tokens that know only a root which has retired.
async fn retired(parts: &Parts) -> Result<BTreeSet<String>, Status> {
    let bundles = parts.tokens.bundles().await?;
    let authority = parts.authority.clone();
    let present = authority.bundle().borrow().sha256();
    let look = move || {
        let mut retired = BTreeSet::new();
        for (id, sha256) in bundles {
            if sha256 != present && authority.earlier_bundle(&sha256)?.is_none() {
                retired.insert(id);
            }
        }
        Ok::<_, AuthorityError>(retired)
    };
    let looked = spawn_blocking(look).await;
    Ok(looked.map_err(|_| caller::stopping())??)
}

fn unusable_because(token: &v1::Token, retired: bool, now: i64) -> &'static str {
    if token.revoked {
        "revoked"
    } else if token.expires_unix <= now {
        "expired"
    } else if retired {
        "its root has retired"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_usable_or_there_is_a_reason() {
        let cases = [
            ("counts", false, 8, false, ""),
            ("its last moment is over", false, 7, false, "expired"),
            ("revoked", true, 8, false, "revoked"),
            ("revoked, and expired since", true, 7, true, "revoked"),
            (
                "trusts a root of before",
                false,
                8,
                true,
                "its root has retired",
            ),
        ];
        for (rule, revoked, expires_unix, retired, expected) in cases {
            let token = v1::Token {
                revoked,
                expires_unix,
                ..v1::Token::default()
            };
            assert_eq!(unusable_because(&token, retired, 7), expected, "{rule}");
        }
    }
}
