//! Rules about a text: `abc`, `abc*`, `*abc`, `*`; and lists of such rules.

use std::fmt;

/// Longest text of a rule. Octets; the length of the longest SPIFFE id.
const OCTETS_MAX: usize = 2_048;

/// A rule about a text, octet by octet. A text that is absent matches none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StringMatch {
    /// `abc`: this text.
    Exact(String),
    /// `abc*`: a text that begins so.
    Prefix(String),
    /// `*abc`: a text that ends so.
    Suffix(String),
    /// `*`: any text. An empty one too, as in Envoy's `present_match`, which Istio makes of it for
    /// headers.
    Present,
}

/// The text of a rule means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadMatch {
    /// Nothing is written.
    Empty,
    /// Over 2,048 octets.
    TooLong,
    /// A `*` elsewhere than alone, at the beginning or at the end.
    InnerWildcard,
    /// Not an identity: `spiffe://<trust domain>/<path>`, or that with `/*` at its end, `*/<path>` or `*`.
    NoIdentity,
}

impl fmt::Display for BadMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadMatch::Empty => "it is empty",
            BadMatch::TooLong => "it is longer than 2048 octets",
            BadMatch::InnerWildcard => "a `*` stands alone, at the beginning or at the end",
            BadMatch::NoIdentity => {
                "write spiffe://<trust domain>/ns/<namespace>/svc/<service>, a part of it up to a \
                 slash with `/*` behind it, `*/` and its last segments, or `*`"
            }
        })
    }
}

impl StringMatch {
    /// Reads the text of a rule.
    ///
    /// # Errors
    /// [`BadMatch`] for an empty text, one over 2,048 octets, and a `*` between other letters, which
    /// Istio would take for itself.
    pub fn parse(text: &str) -> Result<StringMatch, BadMatch> {
        check_length(text)?;
        let parsed = match (text.strip_prefix('*'), text.strip_suffix('*')) {
            (Some(""), _) => StringMatch::Present,
            (Some(suffix), _) => StringMatch::Suffix(suffix.to_owned()),
            (None, Some(prefix)) => StringMatch::Prefix(prefix.to_owned()),
            (None, None) => StringMatch::Exact(text.to_owned()),
        };
        match parsed.text().contains('*') {
            true => Err(BadMatch::InnerWildcard),
            false => Ok(parsed),
        }
    }

    pub(super) fn matches(&self, value: &[u8]) -> bool {
        match self {
            StringMatch::Exact(exact) => value == exact.as_bytes(),
            StringMatch::Prefix(prefix) => value.starts_with(prefix.as_bytes()),
            StringMatch::Suffix(suffix) => value.ends_with(suffix.as_bytes()),
            StringMatch::Present => true,
        }
    }

    /// What is compared.
    pub(super) fn text(&self) -> &str {
        match self {
            StringMatch::Exact(text) | StringMatch::Prefix(text) | StringMatch::Suffix(text) => {
                text
            }
            StringMatch::Present => "",
        }
    }
}

/// As it is written: what [`StringMatch::parse`] reads.
impl fmt::Display for StringMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StringMatch::Exact(text) => f.write_str(text),
            StringMatch::Prefix(text) => write!(f, "{text}*"),
            StringMatch::Suffix(text) => write!(f, "*{text}"),
            StringMatch::Present => f.write_str("*"),
        }
    }
}

pub(super) fn check_length(text: &str) -> Result<(), BadMatch> {
    match text.len() {
        0 => Err(BadMatch::Empty),
        octets if octets > OCTETS_MAX => Err(BadMatch::TooLong),
        _ => Ok(()),
    }
}

/// A list of rules and a list of exceptions about one value. The default matches everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueMatch<M> {
    /// One of these must match; empty: any value does, also an absent one.
    pub values: Vec<M>,
    /// None of these may match. An absent value matches none.
    pub not_values: Vec<M>,
}

impl<M> Default for ValueMatch<M> {
    fn default() -> ValueMatch<M> {
        ValueMatch {
            values: Vec::new(),
            not_values: Vec::new(),
        }
    }
}

impl<M> ValueMatch<M> {
    pub(super) fn holds(&self, matches: impl Fn(&M) -> bool) -> bool {
        (self.values.is_empty() || self.values.iter().any(&matches))
            && !self.not_values.iter().any(matches)
    }

    pub(super) fn len(&self) -> usize {
        self.values.len() + self.not_values.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &M> {
        self.values.iter().chain(&self.not_values)
    }
}

impl ValueMatch<StringMatch> {
    /// As [`StringMatch::matches`], of a value that may be absent.
    pub(super) fn holds_for(&self, value: Option<&[u8]>) -> bool {
        self.holds(|rule| value.is_some_and(|value| rule.matches(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_alone_or_at_one_end() {
        let exact = |text: &str| Ok(StringMatch::Exact(text.to_owned()));
        let cases = [
            ("abc", exact("abc")),
            ("abc*", Ok(StringMatch::Prefix("abc".to_owned()))),
            ("*abc", Ok(StringMatch::Suffix("abc".to_owned()))),
            ("*", Ok(StringMatch::Present)),
            ("", Err(BadMatch::Empty)),
            ("**", Err(BadMatch::InnerWildcard)),
            ("a*c", Err(BadMatch::InnerWildcard)),
            ("*abc*", Err(BadMatch::InnerWildcard)),
        ];
        for (text, expected) in cases {
            let parsed = StringMatch::parse(text);
            assert_eq!(parsed, expected, "{text:?}");
            assert!(parsed.is_ok_and(|it| it.to_string() == text) == expected.is_ok());
        }
        let long = "a".repeat(OCTETS_MAX + 1);
        assert_eq!(StringMatch::parse(&long), Err(BadMatch::TooLong));
    }

    #[test]
    fn texts_are_compared_octet_by_octet() {
        let cases = [
            ("abc", "abc", true),
            ("abc", "ABC", false),
            ("abc", "abcd", false),
            ("abc*", "abc", true),
            ("abc*", "abcd", true),
            ("abc*", "xabc", false),
            ("*abc", "abc", true),
            ("*abc", "xabc", true),
            ("*abc", "abcx", false),
            ("*", "x", true),
            ("*", "", true),
        ];
        for (text, value, expected) in cases {
            let rule = StringMatch::parse(text).expect(text);
            assert_eq!(rule.matches(value.as_bytes()), expected, "{text} {value:?}");
        }
    }

    #[test]
    fn an_absent_value_fails_a_list_and_passes_its_exceptions() {
        let one = || vec![StringMatch::Present];
        let lists = |values, not_values| ValueMatch { values, not_values };
        let cases = [
            ("no list", lists(vec![], vec![]), true, true),
            ("values", lists(one(), vec![]), true, false),
            ("exceptions", lists(vec![], one()), false, true),
            ("both", lists(one(), one()), false, false),
        ];
        for (name, list, present, absent) in cases {
            assert_eq!(list.holds_for(Some(b"x")), present, "{name}");
            assert_eq!(list.holds_for(None), absent, "{name}");
        }
    }
}
