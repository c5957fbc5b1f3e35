//! Octets that names and values of fields may have (RFC 9113 8.2.1, RFC 9110 5.5, 5.6.2).

use crate::Field;

/// Whether the name is a lower-case token, perhaps behind the colon of a pseudo-field, and the
/// value has no controls but tabulators and no white space at its ends.
pub(crate) fn are_allowed(field: Field<'_>) -> bool {
    let name = field.name.strip_prefix(b":").unwrap_or(field.name);
    is_name(name) && is_value(field.value)
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

/// No controls but tabulators, no white space at the ends (RFC 9110 5.5).
fn is_value(value: &[u8]) -> bool {
    let is_blank = |octet: Option<&u8>| matches!(octet, Some(b' ' | b'\t'));
    // No early exit: a short loop over the whole value is quicker than a branch an octet.
    let has_control = value.iter().fold(false, |bad, &octet| {
        bad | ((octet < b' ') & (octet != b'\t')) | (octet == 0x7f)
    });
    !has_control && !is_blank(value.first()) && !is_blank(value.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_names_and_values() {
        let cases = [
            ("x", "", true),
            (":path", "/", true),
            ("a-b_c.d!", "a\tb \u{fc}", true),
            ("X-Upper", "a", false),
            ("", "a", false),
            (":", "a", false),
            ("a b", "a", false),
            ("a:", "a", false),
            ("caf\u{e9}", "a", false),
            ("a", "b\r\nc: d", false),
            ("a", "b\0", false),
            ("a", "b\x7f", false),
            ("a", " b", false),
            ("a", "b\t", false),
        ];
        for (name, value, is_allowed) in cases {
            let field = Field::new(name.as_bytes(), value.as_bytes());
            assert_eq!(are_allowed(field), is_allowed, "{name}: {value:?}");
        }
    }
}
