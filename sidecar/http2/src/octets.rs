//! Octets that names and values of fields may have (RFC 9113 8.2.1, RFC 9110 5.5, 5.6.2).

use crate::Field;

/// What the octets of a field are together.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Octets {
    /// The name is a lower-case token, perhaps behind the colon of a pseudo-field; the value has no
    /// controls but tabulators and no white space at its ends.
    Good,
    /// The same, but for white space at an end of the value, which is to be stripped. Never of a
    /// pseudo-field: its value has a grammar of its own, and two proxies could read it differently.
    Padded,
    /// One of them no field may have, or there is no name.
    Forbidden,
}

/// One of the two parts of a field.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Name,
    Value,
}

impl Part {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Part::Name => "name",
            Part::Value => "value",
        }
    }
}

/// Judges the octets of a field.
pub(crate) fn classify(field: Field<'_>) -> Octets {
    let pseudo = field.name.strip_prefix(b":");
    if !is_name(pseudo.unwrap_or(field.name)) || has_control(field.value) {
        return Octets::Forbidden;
    }
    match (is_padded(field.value), pseudo) {
        (false, _) => Octets::Good,
        (true, None) => Octets::Padded,
        (true, Some(_)) => Octets::Forbidden,
    }
}

/// The octet that makes a field forbidden, if it is one.
pub(crate) fn find_forbidden(field: Field<'_>) -> Option<(Part, u8)> {
    let name = field.name.strip_prefix(b":").unwrap_or(field.name);
    let in_name = name.iter().find(|octet| !is_of_name(**octet));
    if let Some(octet) = in_name {
        return Some((Part::Name, *octet));
    }
    let in_value = field.value.iter().find(|octet| is_control(**octet));
    let at_an_end = || {
        [field.value.first(), field.value.last()]
            .into_iter()
            .flatten()
    };
    let found = in_value.or_else(|| at_an_end().find(|octet| is_blank(**octet)));
    found.map(|octet| (Part::Value, *octet))
}

/// The value without the white space at its ends (RFC 9110 5.5).
pub(crate) fn strip(mut value: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = value
        && is_blank(*first)
    {
        value = rest;
    }
    while let [rest @ .., last] = value
        && is_blank(*last)
    {
        value = rest;
    }
    value
}

/// Whether a name may have this octet.
pub(crate) fn is_of_name(octet: u8) -> bool {
    NAME_OCTETS[usize::from(octet)]
}

/// Octets of a token but upper-case letters (RFC 9110 5.6.2, RFC 9113 8.2.1).
static NAME_OCTETS: [bool; 256] = octets(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz");

const fn octets(allowed: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    while at < allowed.len() {
        table[allowed[at] as usize] = true;
        at += 1;
    }
    table
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&octet| NAME_OCTETS[usize::from(octet)])
}

fn has_control(value: &[u8]) -> bool {
    // No early exit: a short loop over the whole value is quicker than a branch an octet.
    value
        .iter()
        .fold(false, |bad, &octet| bad | is_control(octet))
}

/// Any control but the tabulator. RFC 9113 8.2.1 names NUL, CR and LF, RFC 9110 5.5 the others.
fn is_control(octet: u8) -> bool {
    ((octet < b' ') & (octet != b'\t')) | (octet == 0x7f)
}

fn is_padded(value: &[u8]) -> bool {
    value.first().copied().is_some_and(is_blank) || value.last().copied().is_some_and(is_blank)
}

fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_names_and_values() {
        use Octets::{Forbidden, Good, Padded};
        let cases = [
            ("x", "", Good),
            (":path", "/", Good),
            ("a-b_c.d!", "a\tb \u{fc}", Good),
            ("X-Upper", "a", Forbidden),
            ("", "a", Forbidden),
            (":", "a", Forbidden),
            ("a b", "a", Forbidden),
            ("a:", "a", Forbidden),
            ("caf\u{e9}", "a", Forbidden),
            ("a", "b\r\nc: d", Forbidden),
            ("a", "b\0", Forbidden),
            ("a", "b\x7f", Forbidden),
            ("a", " b\n", Forbidden),
            ("a", " b", Padded),
            ("a", "b\t", Padded),
            ("a", "\t ", Padded),
            (":path", "/a ", Forbidden),
        ];
        for (name, value, expected) in cases {
            let field = Field::new(name.as_bytes(), value.as_bytes());
            assert_eq!(classify(field), expected, "{name}: {value:?}");
            let is_found = find_forbidden(field).is_some();
            let is_nameless = matches!(name, "" | ":");
            assert!(is_found || expected != Forbidden || is_nameless, "{name}");
        }
    }

    #[test]
    fn only_blanks_at_the_ends_are_stripped() {
        let cases = [
            ("a", "a"),
            (" a b\t", "a b"),
            ("\t \ta", "a"),
            (" \t ", ""),
            ("", ""),
            ("\u{a0}a", "\u{a0}a"),
        ];
        for (value, expected) in cases {
            assert_eq!(strip(value.as_bytes()), expected.as_bytes(), "{value:?}");
        }
    }
}
