//! The `grpc-timeout` value: one to eight digits and a unit.
//!
//! Strict on the way in, and never more than given on the way out, so that deadlines only
//! shrink from hop to hop. Source: grpc/grpc `doc/PROTOCOL-HTTP2.md`, "Timeout".

use std::time::Duration;

/// Largest number that eight digits hold.
const VALUE_MAX: u64 = 99_999_999;

/// The value is not one to eight digits followed by one of `HMSmun`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads a `grpc-timeout` value. Zero is legal and means that no time is left.
///
/// # Errors
/// [`Malformed`] for anything outside the grammar: nine digits, signs, spaces, other units.
pub fn parse(value: &[u8]) -> Result<Duration, Malformed> {
    let (unit, digits) = value.split_last().ok_or(Malformed)?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed);
    }
    let number = digits
        .iter()
        .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    // Eight digits of hours are 3.6e11 seconds: nothing overflows.
    match unit {
        b'H' => Ok(Duration::from_secs(number * 3600)),
        b'M' => Ok(Duration::from_secs(number * 60)),
        b'S' => Ok(Duration::from_secs(number)),
        b'm' => Ok(Duration::from_millis(number)),
        b'u' => Ok(Duration::from_micros(number)),
        b'n' => Ok(Duration::from_nanos(number)),
        _ => Err(Malformed),
    }
}

/// Writes a duration in the finest unit that eight digits allow, rounded down.
/// Zero is `0n`; more than 99,999,999 hours become just that.
pub fn format(timeout: Duration) -> TimeoutText {
    let nanos = timeout.as_nanos();
    let units: [(u128, u8); 6] = [
        (1, b'n'),
        (1_000, b'u'),
        (1_000_000, b'm'),
        (1_000_000_000, b'S'),
        (60_000_000_000, b'M'),
        (3_600_000_000_000, b'H'),
    ];
    for (unit_nanos, unit) in units {
        if let Ok(number @ 0..=VALUE_MAX) = u64::try_from(nanos / unit_nanos) {
            return TimeoutText::new(number, unit);
        }
    }
    TimeoutText::new(VALUE_MAX, b'H')
}

/// A written `grpc-timeout` value, kept in place without allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutText {
    /// Right-aligned: the value is `octets[start..]`.
    octets: [u8; 9],
    start: usize,
}

impl TimeoutText {
    fn new(number: u64, unit: u8) -> TimeoutText {
        let mut octets = [b'0'; 9];
        let mut start = 8;
        octets[start] = unit;
        let mut rest = number;
        // Invariant: number <= VALUE_MAX, so at most eight digits are written before `start` is 0.
        while start > 0 {
            start -= 1;
            octets[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        TimeoutText { octets, start }
    }

    /// The octets for the wire.
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(self.start..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn legal_values_are_read() {
        let cases = [
            ("0n", Duration::ZERO),
            ("1n", Duration::from_nanos(1)),
            ("5u", Duration::from_micros(5)),
            ("200m", Duration::from_millis(200)),
            ("007S", Duration::from_secs(7)),
            ("2M", Duration::from_secs(120)),
            ("1H", Duration::from_secs(3600)),
            ("99999999H", Duration::from_secs(359_999_996_400)),
        ];
        for (value, expected) in cases {
            assert_eq!(parse(value.as_bytes()), Ok(expected), "{value}");
        }
    }

    #[test]
    fn everything_else_is_malformed() {
        let cases = [
            "",
            "S",
            "1",
            "1s",
            "1h",
            "1x",
            "-1S",
            "+1S",
            " 1S",
            "1S ",
            "1 S",
            "1.5S",
            "1SS",
            "123456789S",
            "000000001S",
            "1e3S",
            "0x1S",
            "\u{661}S",
            "1\0S",
            "m1",
        ];
        for value in cases {
            assert_eq!(parse(value.as_bytes()), Err(Malformed), "{value:?}");
        }
    }

    #[test]
    fn written_in_the_finest_unit_that_fits() {
        let cases = [
            (Duration::ZERO, "0n"),
            (Duration::from_nanos(1), "1n"),
            (Duration::from_nanos(99_999_999), "99999999n"),
            (Duration::from_nanos(100_000_000), "100000u"),
            (Duration::from_nanos(100_000_999), "100000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(100_000), "100000S"),
            (Duration::from_secs(100_000_000), "1666666M"),
            (Duration::from_secs(6_000_000_000), "1666666H"),
            (Duration::MAX, "99999999H"),
        ];
        for (timeout, expected) in cases {
            assert_eq!(format(timeout).as_bytes(), expected.as_bytes());
        }
    }

    fn any_timeout() -> impl Strategy<Value = Duration> {
        // By orders of magnitude: evenly drawn seconds would never show a small unit.
        (0u32..64, any::<u64>(), 0u32..1_000_000_000)
            .prop_map(|(shift, secs, nanos)| Duration::new(secs >> shift, nanos))
    }

    proptest! {
        #[test]
        fn a_written_timeout_is_legal_and_never_longer(timeout in any_timeout()) {
            let read = parse(format(timeout).as_bytes()).expect("we write what we read");
            prop_assert!(read <= timeout);
            // What rounding takes is one part in 100,000: a coarser unit keeps at least six digits.
            if timeout <= Duration::from_secs(3_600 * VALUE_MAX) {
                prop_assert!((timeout - read).as_secs_f64() <= timeout.as_secs_f64() * 1e-5);
            }
        }

        #[test]
        fn a_forwarded_timeout_is_never_longer(value in "[0-9]{1,8}[HMSmun]") {
            let received = parse(value.as_bytes()).expect("the grammar");
            prop_assert!(parse(format(received).as_bytes()).expect("ours") <= received);
        }

        #[test]
        fn no_octets_make_it_panic(value in proptest::collection::vec(any::<u8>(), 0..12)) {
            let accepted = parse(&value).is_ok();
            let legal = (2..=9).contains(&value.len())
                && value[..value.len() - 1].iter().all(u8::is_ascii_digit)
                && b"HMSmun".contains(&value[value.len() - 1]);
            prop_assert_eq!(accepted, legal);
        }
    }
}
