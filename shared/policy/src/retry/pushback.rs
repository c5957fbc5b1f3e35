//! What a server says about retrying, in `grpc-retry-pushback-ms` (gRFC A6, "Pushback").

use std::time::Duration;

/// The server's word on a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pushback {
    /// Retry after this long, instead of the back-off.
    After(Duration),
    /// Do not retry.
    Stop,
}

impl Pushback {
    /// Reads the field, which may have come several times: then it says nothing that can be followed,
    /// and means stop (so in grpc-go).
    pub fn of<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Option<Pushback> {
        let first = values.next()?;
        match values.next() {
            None => Some(Pushback::parse(first)),
            Some(_) => Some(Pushback::Stop),
        }
    }

    /// Reads the value: whole milliseconds that fit 32 bits. Negative, malformed and absurd
    /// values all mean stop.
    pub fn parse(value: &[u8]) -> Pushback {
        let all_digits = value.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(value).ok().filter(|_| all_digits);
        match text.and_then(|text| text.parse::<u32>().ok()) {
            Some(millis) => Pushback::After(Duration::from_millis(u64::from(millis))),
            None => Pushback::Stop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_values_mean_stop() {
        let of = |values: &[&str]| Pushback::of(values.iter().map(|value| value.as_bytes()));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["25"]), Some(Pushback::parse(b"25")));
        assert_eq!(of(&["25", "25"]), Some(Pushback::Stop));
        assert_eq!(of(&["25, 25"]), Some(Pushback::Stop));
    }

    #[test]
    fn whole_milliseconds_are_a_delay_and_all_else_means_stop() {
        let after = |millis| Pushback::After(Duration::from_millis(millis));
        let cases = [
            ("0", after(0)),
            ("25", after(25)),
            ("007", after(7)),
            ("4294967295", after(4_294_967_295)),
            ("4294967296", Pushback::Stop),
            ("-1", Pushback::Stop),
            ("+1", Pushback::Stop),
            ("", Pushback::Stop),
            ("1.5", Pushback::Stop),
            (" 1", Pushback::Stop),
            ("1s", Pushback::Stop),
        ];
        for (value, expected) in cases {
            assert_eq!(Pushback::parse(value.as_bytes()), expected, "{value:?}");
        }
        assert_eq!(Pushback::parse(b"\xff"), Pushback::Stop);
    }
}
