//! `tracestate`: which lists go on with their trace (W3C Trace Context, Recommendation 2021, 3.3 and 4.2).
//!
//! Only looked at where `traceparent` was valid: without one the list belongs to no trace, and is dropped
//! unread. No entry is added or changed here, so what passes goes on as it came, in one field.

/// Most entries of a list (3.3.1.1).
const ENTRIES_MAX: usize = 32;

/// Longest key and longest value of an entry. Octets (3.3.1.3).
const PART_OCTETS_MAX: usize = 256;

/// The list in `fields`, in their order: joined if there are several (RFC 9110 5.3). `None` if it cannot be
/// read, has more than 32 entries or no entry at all: then all of it is dropped (4.3).
pub fn join<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut list = Vec::new();
    let mut entries = 0;
    for field in fields {
        for entry in field.split(|octet| *octet == b',').map(<[u8]>::trim_ascii) {
            if entry.is_empty() {
                continue;
            }
            entries += 1;
            if entries > ENTRIES_MAX || !is_entry(entry) {
                return None;
            }
        }
        if !list.is_empty() && !field.is_empty() {
            list.push(b',');
        }
        list.extend_from_slice(field);
    }
    (entries > 0).then_some(list)
}

/// `key=value`. Empty entries between commas are legal (3.3.1.1), an empty value is none.
fn is_entry(entry: &[u8]) -> bool {
    let at = entry.iter().position(|octet| *octet == b'=');
    let parts = at.and_then(|at| entry.split_at_checked(at));
    let Some((key, [_, value @ ..])) = parts else {
        return false;
    };
    is_key(key) && is_value(value)
}

/// The keys of version 1 and of the draft of version 2 alike: `vendor`, `tenant@vendor`.
fn is_key(key: &[u8]) -> bool {
    let is_first = |octet: &u8| octet.is_ascii_lowercase() || octet.is_ascii_digit();
    let is_more = |octet: &u8| is_first(octet) || b"_-*/@".contains(octet);
    key.len() <= PART_OCTETS_MAX && key.first().is_some_and(is_first) && key.iter().all(is_more)
}

/// Printable, but no comma or equals sign; a blank at its end was cut off with the list's own.
fn is_value(value: &[u8]) -> bool {
    let is_legal = |octet: &u8| (b' '..=b'~').contains(octet) && !b",=".contains(octet);
    (1..=PART_OCTETS_MAX).contains(&value.len()) && value.iter().all(is_legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(fields: &[&str]) -> Option<String> {
        let list = join(fields.iter().map(|field| field.as_bytes()))?;
        Some(String::from_utf8(list).expect("ASCII"))
    }

    #[test]
    fn a_good_list_passes_as_it_came_and_several_are_joined_in_order() {
        let cases: [(&[&str], &str); 8] = [
            (&["congo=t61rcWkgMzE"], "congo=t61rcWkgMzE"),
            (&["a=1,b=2"], "a=1,b=2"),
            (&["a=1", "b=2", "c=3"], "a=1,b=2,c=3"),
            (&["a=1", "", "b=2"], "a=1,b=2"),
            (&["a=1 \t , \tb=2, "], "a=1 \t , \tb=2, "),
            (&["a=1,,b=2"], "a=1,,b=2"),
            (
                &["fw529a3039@dt=FfD/45", "0_-*/=:"],
                "fw529a3039@dt=FfD/45,0_-*/=:",
            ),
            (&["a=1;b,a=2"], "a=1;b,a=2"),
        ];
        for (fields, expected) in cases {
            assert_eq!(joined(fields).as_deref(), Some(expected), "{fields:?}");
        }
    }

    #[test]
    fn a_list_that_cannot_be_read_is_dropped_as_a_whole() {
        for field in [
            "", " , ", "a", "=1", "a=", "a=1=2", "A=1", "a b=1", "a.b=1", "@a=1", "a=\u{e9}",
            "a=\t1",
        ] {
            assert_eq!(joined(&[field]), None, "{field:?}");
        }
        assert_eq!(joined(&["a=1", "B=2"]), None, "the other field, too");
        assert_eq!(joined(&[]), None);
    }

    #[test]
    fn the_limits_of_entries_and_of_their_parts() {
        let list = |count: usize| {
            let entries: Vec<_> = (0..count).map(|at| format!("k{at}=v")).collect();
            entries.join(",")
        };
        let (half, long) = (list(16), "v".repeat(PART_OCTETS_MAX));
        assert_eq!(joined(&[&list(32)]), Some(list(32)));
        assert_eq!(joined(&[&list(33)]), None);
        assert!(joined(&[&half, &half]).is_some());
        assert_eq!(joined(&[&half, &half, "one=more"]), None);
        let entry = format!("{long}={long}");
        assert_eq!(
            joined(&[&entry]),
            Some(entry.clone()),
            "more than 512 octets"
        );
        assert_eq!(joined(&[&format!("a=v{long}")]), None);
        assert_eq!(joined(&[&format!("a{long}=v")]), None);
    }
}
