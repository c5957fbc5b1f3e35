//! The text of a join token, which an operator makes and a sidecar is given.
//!
//! Decides the form only: who made a token and whether it still counts, its issuer says. All of
//! it is letters, digits and `-._`, so that it survives shells, files and web forms:
//! `outrider1.NAMESPACE.SERVICE.ID.SECRET.BUNDLE.TRUST-DOMAIN`, octets in hexadecimal digits.

use std::fmt;
use std::str::FromStr;

/// The first part. The digit is the version of the form.
const PREFIX: &str = "outrider1";

/// Longest text that is looked at: the longest names leave it far below.
const OCTETS_MAX: usize = 1_024;

/// What a token's text says. Its [`fmt::Display`] is the text, secret included; its
/// [`fmt::Debug`] leaves the secret out.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Namespace of the service whose instances may join with it; a DNS label.
    pub namespace: String,
    /// The service whose instances may join with it; a DNS label.
    pub service: String,
    /// Which token it is; no secret.
    pub id: [u8; 8],
    /// What proves that the sender was given the token.
    pub secret: [u8; 32],
    /// SHA-256 of the bundle that the control plane must be believed under: over the DER of its
    /// certificates, one after the other.
    pub bundle_sha256: [u8; 32],
    /// Where it joins: the control plane is `spiffe://<trust domain>/control-plane`.
    pub trust_domain: String,
}

/// Why a text is no token. Never quotes the text, which may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It does not begin as a token does.
    Foreign,
    /// A part is missing, or the text is too long.
    Torn,
    /// This part is not what it should be.
    Part(&'static str),
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenError::Foreign => {
                write!(
                    f,
                    "this is no token: one begins with `{PREFIX}.`, as `outrider token create` prints it"
                )
            }
            TokenError::Torn => {
                f.write_str("the token is not complete: copy it again, as one line")
            }
            TokenError::Part(part) => {
                write!(
                    f,
                    "the {part} in the token is damaged: copy it again, as one line"
                )
            }
        }
    }
}

impl std::error::Error for TokenError {}

impl FromStr for Token {
    type Err = TokenError;

    /// White space around the text is ignored: files end in a line feed.
    fn from_str(text: &str) -> Result<Token, TokenError> {
        let text = text.trim();
        let rest = text.strip_prefix(PREFIX).ok_or(TokenError::Foreign)?;
        let rest = rest.strip_prefix('.').ok_or(TokenError::Foreign)?;
        if text.len() > OCTETS_MAX {
            return Err(TokenError::Torn);
        }
        let parts: Vec<&str> = rest.splitn(6, '.').collect();
        let [namespace, service, id, secret, bundle, trust_domain] = parts[..] else {
            return Err(TokenError::Torn);
        };
        Ok(Token {
            namespace: label("namespace", namespace)?,
            service: label("service", service)?,
            id: octets("id", id)?,
            secret: octets("secret", secret)?,
            bundle_sha256: octets("bundle's hash", bundle)?,
            trust_domain: domain(trust_domain)?,
        })
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Token {
            namespace,
            service,
            id,
            secret,
            bundle_sha256,
            trust_domain,
        } = self;
        let [id, secret, bundle] = [hex(id), hex(secret), hex(bundle_sha256)];
        write!(
            f,
            "{PREFIX}.{namespace}.{service}.{id}.{secret}.{bundle}.{trust_domain}"
        )
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("namespace", &self.namespace)
            .field("service", &self.service)
            .field("id", &hex(&self.id))
            .field("trust_domain", &self.trust_domain)
            .finish_non_exhaustive()
    }
}

/// Octets as lower-case hexadecimal digits.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Exactly `N` octets from lower-case hexadecimal digits; `None`: they are anything else.
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut octets = [0; N];
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    if pairs.len() != N {
        return None;
    }
    for (octet, [high, low]) in octets.iter_mut().zip(pairs) {
        *octet = digit(*high)? << 4 | digit(*low)?;
    }
    Some(octets)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

fn octets<const N: usize>(part: &'static str, text: &str) -> Result<[u8; N], TokenError> {
    from_hex(text).ok_or(TokenError::Part(part))
}

fn label(part: &'static str, text: &str) -> Result<String, TokenError> {
    let label = is_label(text).then(|| text.to_owned());
    label.ok_or(TokenError::Part(part))
}

/// Can it be the name of a service or a namespace: RFC 1123 2.1, in lower case?
pub fn is_label(name: &str) -> bool {
    let legal = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(legal)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// SPIFFE-ID 2.1.
fn domain(text: &str) -> Result<String, TokenError> {
    let legal =
        |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || b".-_".contains(&octet);
    let is_domain = (1..=255).contains(&text.len()) && text.bytes().all(legal);
    let domain = is_domain.then(|| text.to_owned());
    domain.ok_or(TokenError::Part("trust domain"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token {
            namespace: "shop".to_owned(),
            service: "orders-2".to_owned(),
            id: [0x0f; 8],
            secret: [0xa1; 32],
            bundle_sha256: [7; 32],
            trust_domain: "prod_1.example.org".to_owned(),
        }
    }

    #[test]
    fn the_text_says_all_of_it_and_is_read_back() {
        let text = token().to_string();
        assert!(text.starts_with("outrider1.shop.orders-2.0f0f0f0f0f0f0f0f.a1a1"));
        assert!(text.ends_with("0707.prod_1.example.org"));
        assert_eq!(text.parse(), Ok(token()));
        assert_eq!(format!(" {text}\r\n").parse(), Ok(token()));
    }

    #[test]
    fn a_secret_is_never_in_the_debug_form() {
        let shown = format!("{:?}", token());
        assert!(shown.contains("orders-2") && !shown.contains("a1"));
    }

    #[test]
    fn every_shorter_text_is_refused() {
        let text = token().to_string();
        let after_the_hash = text.len() - token().trust_domain.len();
        for end in 0..=after_the_hash {
            assert!(text[..end].parse::<Token>().is_err(), "{}", &text[..end]);
        }
    }

    #[test]
    fn one_wrong_octet_anywhere_is_another_token_or_none() {
        let text = token().to_string();
        for at in 0..text.len() {
            for wrong in ["\0", "G", "/", " ", "\u{e9}", "-", "7"] {
                let mut changed = text.clone();
                changed.replace_range(at..=at, wrong);
                if changed != text {
                    assert_ne!(changed.parse(), Ok(token()), "{changed:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let text = token().to_string();
        let changed = |from: &str, to: &str| text.replacen(from, to, 1).parse::<Token>();
        let cases = [
            (changed("outrider1.", "outrider2."), TokenError::Foreign),
            ("".parse(), TokenError::Foreign),
            ("outrider1.shop.orders".parse::<Token>(), TokenError::Torn),
            (changed("shop", "Shop"), TokenError::Part("namespace")),
            (changed("orders-2", "orders-"), TokenError::Part("service")),
            (changed(".0f", "."), TokenError::Part("id")),
            (changed(".a1", ".A1"), TokenError::Part("secret")),
            (changed(".07", ".070"), TokenError::Part("bundle's hash")),
            (
                changed("prod_1", "prod/1"),
                TokenError::Part("trust domain"),
            ),
            (
                format!("{text}{}", "a".repeat(1_024)).parse(),
                TokenError::Torn,
            ),
        ];
        for (parsed, expected) in cases {
            assert_eq!(parsed, Err(expected));
        }
    }
}
