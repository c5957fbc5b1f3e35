//! Ratios and spans of time as logarithms: one octave is twice as much.
//!
//! Latencies are compared as ratios, and one answer of 300 ms among answers of 2 ms must weigh
//! something and not everything. A sum of logarithms does both, in whole numbers.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Steps to an octave.
const STEPS: i32 = 1 << 16;

/// A ratio (1 octave is twice, -1 half), or a span of time as its ratio to a nanosecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Log2Ratio(i32);

impl Log2Ratio {
    /// Equal.
    pub const ZERO: Log2Ratio = Log2Ratio(0);
    /// Twice as much.
    pub const ONE: Log2Ratio = Log2Ratio(STEPS);

    /// `hundredths` of an octave.
    pub(super) const fn hundredths(hundredths: i32) -> Log2Ratio {
        Log2Ratio(hundredths * STEPS / 100)
    }

    /// A span of time; less than a nanosecond counts as one.
    pub fn of(span: Duration) -> Log2Ratio {
        log2(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
    }

    /// One more call beside `in_flight`: nothing if there is none, an octave beside one.
    pub fn of_load(in_flight: u32) -> Log2Ratio {
        match in_flight {
            0 => Log2Ratio::ZERO,
            count => log2(u64::from(count) + 1),
        }
    }

    /// How many times `part` is in `whole`.
    pub(super) fn of_ratio(whole: u32, part: u32) -> Log2Ratio {
        log2(u64::from(whole)) - log2(u64::from(part))
    }

    /// The span of time again.
    pub fn span(self) -> Duration {
        let whole = self.0.div_euclid(STEPS);
        let mantissa = (STEPS + self.0.rem_euclid(STEPS)) as u64;
        let nanos = match whole {
            ..0 => 0,
            0..=16 => mantissa >> (16 - whole),
            17..=63 => mantissa << (whole - 16),
            64.. => u64::MAX,
        };
        Duration::from_nanos(nanos)
    }

    /// One part in `2^shift` of it.
    pub(super) const fn part(self, shift: u32) -> Log2Ratio {
        Log2Ratio(self.0 >> shift)
    }

    pub(super) const fn magnitude(self) -> Log2Ratio {
        Log2Ratio(self.0.abs())
    }
}

impl Add for Log2Ratio {
    type Output = Log2Ratio;

    fn add(self, other: Log2Ratio) -> Log2Ratio {
        Log2Ratio(self.0 + other.0)
    }
}

impl Sub for Log2Ratio {
    type Output = Log2Ratio;

    fn sub(self, other: Log2Ratio) -> Log2Ratio {
        Log2Ratio(self.0 - other.0)
    }
}

/// Between powers of two a straight line: at most a twelfth of an octave too little.
fn log2(value: u64) -> Log2Ratio {
    let value = value.max(1);
    let whole = value.ilog2();
    let fraction = (value << (63 - whole) << 1) >> 48;
    Log2Ratio(whole as i32 * STEPS + fraction as i32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_octave_is_twice_as_much() {
        let of = |millis| Log2Ratio::of(Duration::from_millis(millis));
        assert_eq!(of(2) - of(1), Log2Ratio::ONE);
        assert_eq!(of(1) - of(8), Log2Ratio::hundredths(-300));
        let tenfold = of(20) - of(2);
        assert!(tenfold > Log2Ratio::hundredths(320) && tenfold < Log2Ratio::hundredths(340));
        assert_eq!(Log2Ratio::of(Duration::ZERO), Log2Ratio::ZERO);
    }

    #[test]
    fn load_costs_nothing_while_there_is_none() {
        assert_eq!(Log2Ratio::of_load(0), Log2Ratio::ZERO);
        assert_eq!(Log2Ratio::of_load(1), Log2Ratio::ONE);
        assert_eq!(Log2Ratio::of_load(7), Log2Ratio::hundredths(300));
        assert_eq!(Log2Ratio::of_load(u32::MAX), Log2Ratio::hundredths(3200));
    }

    proptest! {
        #[test]
        fn a_span_comes_back_within_a_thousandth(nanos in 1u64..) {
            let back = Log2Ratio::of(Duration::from_nanos(nanos)).span().as_nanos() as f64;
            let nanos = nanos as f64;
            prop_assert!((back - nanos).abs() <= nanos / 1_000.0 + 1.0, "{back} for {nanos}");
        }

        #[test]
        fn more_is_never_less(a: u64, b: u64) {
            let (a, b) = (a.min(b), a.max(b));
            prop_assert!(Log2Ratio::of(Duration::from_nanos(a)) <= Log2Ratio::of(Duration::from_nanos(b)));
        }
    }
}
