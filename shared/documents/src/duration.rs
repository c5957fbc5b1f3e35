//! Durations as operators write them: `500ms`, `2s`, `1m30s`.
//!
//! The Gateway API's format (GEP-2257), a part of Go's: whole numbers of `h`, `m`,
//! `s` and `ms`, each of at most five digits, at most four of them. So `1.5s` is not
//! one; `1s500ms` is.

use std::time::Duration;

/// Parses a duration; `None` if it is not one.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    for _ in 0..4 {
        let (part, after) = parse_part(rest)?;
        total += part;
        if after.is_empty() {
            return Some(total);
        }
        rest = after;
    }
    None
}

// At most 99,999 hours a part: nothing here can overflow.
fn parse_part(text: &str) -> Option<(Duration, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(digits)?;
    if !(1..=5).contains(&digits) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (unit, rest) = rest.split_at_checked(letters)?;
    let part = match unit {
        "h" => Duration::from_secs(number * 3600),
        "m" => Duration::from_secs(number * 60),
        "s" => Duration::from_secs(number),
        "ms" => Duration::from_millis(number),
        _ => return None,
    };
    Some((part, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_units() {
        let cases = [
            ("500ms", Some(500)),
            ("2s", Some(2_000)),
            ("1m30s", Some(90_000)),
            ("1h1m1s1ms", Some(3_661_001)),
            ("0s", Some(0)),
            ("99999h", Some(359_996_400_000)),
            ("", None),
            ("5", None),
            ("s", None),
            ("1.5s", None),
            ("-1s", None),
            ("1 s", None),
            ("1us", None),
            ("123456s", None),
            ("1s1s1s1s1s", None),
            ("1sé", None),
            ("٣s", None),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(
                parse(text),
                milliseconds.map(Duration::from_millis),
                "{text}"
            );
        }
    }
}
