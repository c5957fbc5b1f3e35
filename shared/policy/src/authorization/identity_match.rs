//! Rules about the caller's identity, compared octet by octet.
//!
//! An identity is a path, so a prefix or a suffix of one is whole segments: `spiffe://td/ns/shop/*`
//! does not match `spiffe://td/ns/shop-test/svc/a`. Istio compares letters there.

use std::fmt;

use super::string_match::{BadMatch, check_length};

const SCHEME: &str = "spiffe://";

/// The identity that a caller proved, as its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerIdentity<'c> {
    /// The whole SPIFFE id, such as `spiffe://outrider.local/ns/default/svc/orders`.
    pub id: &'c str,
    /// Its trust domain.
    pub trust_domain: &'c str,
    /// Its namespace, if it is the identity of a service.
    pub namespace: Option<&'c str>,
}

/// A rule about an identity; a caller without one matches none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityMatch {
    /// `*`: any identity.
    Any,
    /// This identity.
    Exact(String),
    /// `spiffe://td/ns/shop/*`: what is below it. Kept with the slash at its end.
    Below(String),
    /// `*/ns/shop/svc/orders`: what ends with these segments, in any trust domain. Kept with the
    /// slash at its beginning.
    Ending(String),
}

impl IdentityMatch {
    /// Reads the text of a rule.
    ///
    /// # Errors
    /// [`BadMatch`] for a text that is none of the forms above, so that no identity can match it.
    pub fn parse(text: &str) -> Result<IdentityMatch, BadMatch> {
        check_length(text)?;
        if text == "*" {
            return Ok(IdentityMatch::Any);
        }
        if let Some(path) = text.strip_prefix('*') {
            let is_path = path.strip_prefix('/').is_some_and(are_segments);
            return is_path
                .then(|| IdentityMatch::Ending(path.to_owned()))
                .ok_or(BadMatch::NoIdentity);
        }
        let whole = text.strip_suffix("/*").unwrap_or(text);
        if !whole.strip_prefix(SCHEME).is_some_and(are_segments) {
            return Err(BadMatch::NoIdentity);
        }
        Ok(match text.strip_suffix('*') {
            Some(with_slash) => IdentityMatch::Below(with_slash.to_owned()),
            None => IdentityMatch::Exact(text.to_owned()),
        })
    }

    pub(super) fn matches(&self, id: &str) -> bool {
        match self {
            IdentityMatch::Any => true,
            IdentityMatch::Exact(exact) => id == exact,
            IdentityMatch::Below(prefix) => id.starts_with(prefix.as_str()),
            IdentityMatch::Ending(suffix) => id.ends_with(suffix.as_str()),
        }
    }

    /// What is compared.
    pub(super) fn text(&self) -> &str {
        match self {
            IdentityMatch::Any => "",
            IdentityMatch::Exact(text)
            | IdentityMatch::Below(text)
            | IdentityMatch::Ending(text) => text,
        }
    }

    /// The trust domain that the rule names; `None` for a rule that leaves it open.
    pub fn trust_domain(&self) -> Option<&str> {
        self.text().strip_prefix(SCHEME)?.split('/').next()
    }
}

/// As it is written: what [`IdentityMatch::parse`] reads.
impl fmt::Display for IdentityMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdentityMatch::Any => f.write_str("*"),
            IdentityMatch::Exact(text) => f.write_str(text),
            IdentityMatch::Below(text) => write!(f, "{text}*"),
            IdentityMatch::Ending(text) => write!(f, "*{text}"),
        }
    }
}

/// Are these segments of a SPIFFE id? Whether the first one can be a trust domain is not asked.
fn are_segments(path: &str) -> bool {
    let legal = |octet: u8| octet.is_ascii_alphanumeric() || b".-_".contains(&octet);
    let is_segment =
        |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(legal);
    path.split('/').all(is_segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_and_a_suffix_are_whole_segments() {
        #[rustfmt::skip] // A table: one case a line.
        let cases = [
            ("spiffe://td/ns/shop/svc/a", "spiffe://td/ns/shop/svc/a", true),
            ("spiffe://td/ns/shop/svc/a", "spiffe://td/ns/shop/svc/A", false),
            ("spiffe://td/ns/shop/svc/a", "spiffe://td/ns/shop/svc/ab", false),
            ("spiffe://td/ns/shop/svc/a", "spiffe://td.x/ns/shop/svc/a", false),
            ("spiffe://td/ns/shop/*", "spiffe://td/ns/shop/svc/a", true),
            ("spiffe://td/ns/shop/*", "spiffe://td/ns/shop-test/svc/a", false),
            ("spiffe://td/ns/shop/*", "spiffe://td/ns/shop", false),
            ("spiffe://td/*", "spiffe://td/ns/shop/svc/a", true),
            ("spiffe://td/*", "spiffe://td.evil/ns/shop/svc/a", false),
            ("*/ns/shop/svc/a", "spiffe://td/ns/shop/svc/a", true),
            ("*/svc/a", "spiffe://td/ns/shop/svc/a", true),
            ("*/svc/a", "spiffe://td/ns/shop/xsvc/a", false),
            ("*", "spiffe://td", true),
        ];
        for (text, id, expected) in cases {
            let rule = IdentityMatch::parse(text).expect(text);
            assert_eq!(rule.matches(id), expected, "{text} {id}");
        }
    }

    #[test]
    fn what_no_identity_can_match_is_refused() {
        let cases = [
            "cluster.local/ns/default/sa/sleep",
            "spiffe://",
            "spiffe://*",
            "spiffe://td/",
            "spiffe://td/ns/*/svc/a",
            "spiffe://td/ns/shop*",
            "spiffe://td//a",
            "spiffe://td/../a",
            "*svc/a",
            "*/",
            "*/a/*",
            "**",
        ];
        for text in cases {
            let parsed = IdentityMatch::parse(text);
            assert_eq!(parsed, Err(BadMatch::NoIdentity), "{text}");
        }
        assert_eq!(IdentityMatch::parse(""), Err(BadMatch::Empty));
    }

    #[test]
    fn a_rule_names_its_trust_domain_or_leaves_it_open() {
        let cases = [
            ("spiffe://td/ns/shop/*", Some("td")),
            ("spiffe://td/ns/shop/svc/a", Some("td")),
            ("*/svc/a", None),
            ("*", None),
        ];
        for (text, expected) in cases {
            let rule = IdentityMatch::parse(text).expect(text);
            assert_eq!(rule.trust_domain(), expected, "{text}");
            assert_eq!(rule.to_string(), text);
        }
    }
}
