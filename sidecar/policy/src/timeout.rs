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
