//! Why a message is malformed (RFC 9113 8.1.1): the rule, and the field and octet that break it.

use std::fmt;

use crate::Field;
use crate::octets::{self, Part};

/// Octets of a field's name that are kept to be shown.
const NAME_OCTETS_MAX: usize = 64;

/// Why a message is malformed. Displays itself as one phrase, safe for a log: `an octet that no field
/// may have: 0x0a in the value of "x-note"`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Malformed(Box<Breach>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Breach {
    rule: &'static str,
    /// The name of the field, cut at [`NAME_OCTETS_MAX`].
    field: Option<Box<[u8]>>,
    octet: Option<(Part, u8)>,
    is_self_dependency: bool,
}

impl Malformed {
    /// The message as a whole breaks `rule`.
    pub(crate) fn message(rule: &'static str) -> Malformed {
        Malformed(Box::new(Breach {
            rule,
            field: None,
            octet: None,
            is_self_dependency: false,
        }))
    }

    /// The field called `name` breaks `rule`.
    pub(crate) fn field(rule: &'static str, name: &[u8]) -> Malformed {
        Malformed::octet(rule, name, None)
    }

    /// The field called `name` breaks `rule`, perhaps with one octet alone.
    pub(crate) fn octet(rule: &'static str, name: &[u8], octet: Option<(Part, u8)>) -> Malformed {
        let kept = &name[..name.len().min(NAME_OCTETS_MAX)];
        Malformed(Box::new(Breach {
            rule,
            field: Some(kept.into()),
            octet,
            is_self_dependency: false,
        }))
    }

    /// Its frame says that its stream depends on itself (RFC 7540 5.3.1).
    pub(crate) fn self_dependency() -> Malformed {
        let mut why = Malformed::message("a stream that depends on itself");
        why.0.is_self_dependency = true;
        why
    }

    /// Not the message is at fault but its stream's priority, for which RFC 7540 5.3.1 names the code of
    /// the reset.
    pub fn is_self_dependency(&self) -> bool {
        self.0.is_self_dependency
    }

    /// A body shorter or longer than the message said.
    pub(crate) fn length() -> Malformed {
        Malformed::field("a length that the body does not have", b"content-length")
    }

    /// A field with a name or a value that no field may have.
    pub(crate) fn of_octets(field: Field<'_>) -> Malformed {
        let rule = match field.name {
            b"" | b":" => "a field without a name",
            _ => "an octet that no field may have",
        };
        Malformed::octet(rule, field.name, octets::find_forbidden(field))
    }

    /// Whether an application can make a message malformed in this way by the metadata that it gives to
    /// a stock library: then it says nothing of the endpoint that sent it. Upper-case names too: grpc-go
    /// sends the names of trailers as they were set. Pseudo-fields and the order of frames are the
    /// library's own.
    pub fn may_be_metadata(&self) -> bool {
        let field = self.0.field.as_deref();
        field.is_some_and(|name| !name.starts_with(b":"))
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Breach {
            rule, field, octet, ..
        } = &*self.0;
        f.write_str(rule)?;
        let Some(name) = field else { return Ok(()) };
        let name = name.escape_ascii();
        match octet {
            Some((part, octet)) => write!(f, ": {octet:#04x} in the {} of \"{name}\"", part.name()),
            None => write!(f, ": \"{name}\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_the_field_and_the_octet_and_shows_both_safely() {
        let of = |name: &str, value: &str| {
            Malformed::of_octets(Field::new(name.as_bytes(), value.as_bytes())).to_string()
        };
        let rule = "an octet that no field may have";
        assert_eq!(
            of("x", "a\nb"),
            format!("{rule}: 0x0a in the value of \"x\"")
        );
        assert_eq!(
            of("x\"\r", "a"),
            format!("{rule}: 0x22 in the name of \"x\\\"\\r\"")
        );
        assert_eq!(of("", "a"), "a field without a name: \"\"");
        let long = of(&"X".repeat(500), "a");
        assert!(long.len() < 150, "{long}");
        let whole = Malformed::message("response without :status");
        assert_eq!(whole.to_string(), "response without :status");
    }

    #[test]
    fn what_an_application_could_have_given_to_its_library_is_told_apart() {
        let octet = |name: &[u8], value: &[u8]| Malformed::of_octets(Field::new(name, value));
        let cases = [
            ("a line end in a value", octet(b"x", b"a\nb"), true),
            ("a space in a name", octet(b"x y", b"a"), true),
            ("an upper-case name", octet(b"X", b"a"), true),
            ("a pseudo-field", octet(b":status", b"2\0"), false),
            ("connection", Malformed::field("hop", b"connection"), true),
            (
                "an unknown pseudo-field",
                Malformed::field("unknown", b":x"),
                false,
            ),
            ("no status", Malformed::message("none"), false),
        ];
        for (case, malformed, expected) in cases {
            assert_eq!(malformed.may_be_metadata(), expected, "{case}");
        }
    }
}
