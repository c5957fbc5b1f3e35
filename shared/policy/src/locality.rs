//! Where an endpoint is: region, zone and subzone, in Envoy's words.

use std::fmt;

/// Longest part of a locality. Bytes.
const PART_BYTES_MAX: usize = 253;

/// A place. Empty parts are not known; the default is nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locality {
    /// Such as `eu-west-1`.
    pub region: String,
    /// Inside the region, such as `eu-west-1a`.
    pub zone: String,
    /// Inside the zone, such as a rack.
    pub subzone: String,
}

impl Locality {
    /// Reads `region`, `region/zone` or `region/zone/subzone`, each of letters, digits, `-`, `_` and `.`;
    /// `None` if it is none of these.
    pub fn parse(text: &str) -> Option<Locality> {
        let mut parts = text.split('/');
        let locality = Locality {
            region: parts.next().unwrap_or_default().to_owned(),
            zone: parts.next().unwrap_or_default().to_owned(),
            subzone: parts.next().unwrap_or_default().to_owned(),
        };
        (parts.next().is_none() && text.split('/').all(is_part)).then_some(locality)
    }

    /// Is nothing known?
    pub fn is_nowhere(&self) -> bool {
        *self == Locality::default()
    }
}

fn is_part(part: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=PART_BYTES_MAX).contains(&part.len()) && part.bytes().all(is_plain)
}

/// As [`Locality::parse`] reads it; parts that are not known at the end are left out.
impl fmt::Display for Locality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}/{}/{}", self.region, self.zone, self.subzone);
        f.write_str(text.trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locality_has_one_to_three_parts() {
        for text in ["eu", "eu/a", "eu/a/rack-1", "eu-west_1/a.b"] {
            let parsed = Locality::parse(text).expect(text);
            assert_eq!(parsed.to_string(), text);
        }
        for text in ["", "/", "eu/", "eu//rack", "eu/a/b/c", "eu west", "eü"] {
            assert_eq!(Locality::parse(text), None, "{text}");
        }
    }
}
