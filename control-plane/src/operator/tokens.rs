//! What an operator is told of join tokens: all but their secrets, and whether they are usable.

use outrider_proto::v1;
use tonic::Status;

use crate::clock;
use crate::parts::Parts;

/// Every token, with the reason if nobody can join with it any more.
pub async fn list(parts: &Parts) -> Result<v1::ListTokensResponse, Status> {
    let now = clock::unix_seconds();
    let mut tokens = parts.tokens.list().await?;
    for token in &mut tokens {
        token.unusable_because = unusable_because(token, now).to_owned();
    }
    Ok(v1::ListTokensResponse { tokens })
}

fn unusable_because(token: &v1::Token, now: i64) -> &'static str {
    if token.revoked {
        "revoked"
    } else if token.expires_unix <= now {
        "expired"
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
            ("counts", false, 8, ""),
            ("its last moment is over", false, 7, "expired"),
            ("revoked", true, 8, "revoked"),
            ("revoked, and expired since", true, 7, "revoked"),
        ];
        for (rule, revoked, expires_unix, expected) in cases {
            let token = v1::Token {
                revoked,
                expires_unix,
                ..v1::Token::default()
            };
            assert_eq!(unusable_because(&token, 7), expected, "{rule}");
        }
    }
}
