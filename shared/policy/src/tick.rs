//! A point on the monotonic clock, as a plain number.
//!
//! Knows nothing of where time comes from: the one place that reads the clock makes ticks,
//! everybody else passes them on.

use std::ops::Add;
use std::time::Duration;

/// Nanoseconds since the process started. 64 bits last 584 years, so nothing here wraps:
/// sums saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(u64);

impl Tick {
    /// The start of the process.
    pub const ZERO: Tick = Tick(0);
    /// The end of time; a sum that would pass it stays there.
    pub const MAX: Tick = Tick(u64::MAX);

    /// The point `nanos` nanoseconds after the start of the process.
    pub const fn from_nanos(nanos: u64) -> Tick {
        Tick(nanos)
    }

    /// Nanoseconds since the start of the process.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time passed from `earlier` to `self`; zero if `earlier` is in fact later.
    pub const fn since(self, earlier: Tick) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Tick {
    type Output = Tick;

    /// Saturates at [`Tick::MAX`].
    fn add(self, span: Duration) -> Tick {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Tick(self.0.saturating_add(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_differences_saturate() {
        let late = Tick::from_nanos(u64::MAX - 1);
        assert_eq!(late + Duration::from_nanos(5), Tick::MAX);
        assert_eq!(Tick::ZERO + Duration::MAX, Tick::MAX);
        assert_eq!(Tick::ZERO.since(late), Duration::ZERO);
        assert_eq!(
            Tick::from_nanos(7).since(Tick::from_nanos(4)),
            Duration::from_nanos(3)
        );
    }
}
