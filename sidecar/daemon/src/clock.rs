//! Time and seeds: the only file of the sidecar that reads a clock or asks the system for
//! randomness.
//!
//! Everything else is given a [`Tick`] (nanoseconds since the process started) or a seed. Knows
//! nothing of what they are used for. See `docs/ARCHITECTURE.md`, "Time is an argument".
#![expect(
    clippy::disallowed_methods,
    reason = "this is the one file that may read the clock"
)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use outrider_policy::Tick;

/// The clock of one process. Copies agree with each other: all count from the same start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    start_unix: Duration,
}

impl Clock {
    /// Starts counting now.
    pub fn start() -> Clock {
        Clock {
            start: Instant::now(),
            start_unix: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }

    /// One that has run for so long, for tests.
    #[cfg(test)]
    pub fn started_ago(ago: Duration) -> Clock {
        let clock = Clock::start();
        let start = clock.start.checked_sub(ago);
        Clock {
            start: start.expect("the machine runs longer"),
            ..clock
        }
    }

    /// Time since the process started; never goes backwards.
    pub fn now(self) -> Tick {
        Tick::ZERO + self.start.elapsed()
    }

    /// How long until `instant`; zero when it has passed.
    pub fn until(self, instant: Instant) -> Duration {
        instant.saturating_duration_since(Instant::now())
    }

    /// Time since 1970-01-01 UTC at `tick`, as the wall clock stood when the process started.
    ///
    /// For logs. A later step of the wall clock is not followed, so that durations in one log
    /// always add up.
    pub fn unix(self, tick: Tick) -> Duration {
        self.start_unix + tick.since(Tick::ZERO)
    }
}

/// Seconds since 1970-01-01 UTC by the wall clock of this moment: for the life of certificates.
pub fn unix_seconds() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

/// A seed from the operating system, for a worker's own small generator.
pub fn seed() -> u64 {
    rand::random()
}

/// A wait between half of `longest` and all of it, so that many sidecars do not come at once.
pub fn spread(longest: Duration, seed: u64) -> Duration {
    let share = (seed % 1_000) as f64 / 1_000.0;
    longest.mul_f64(0.5 + share / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_goes_backwards() {
        let clock = Clock::start();
        let first = clock.now();
        assert!(clock.now() >= first);
    }

    #[test]
    fn a_passed_instant_is_no_time_away() {
        let before = Instant::now();
        assert_eq!(Clock::start().until(before), Duration::ZERO);
    }

    #[test]
    fn wall_time_moves_with_the_tick() {
        let clock = Clock::start();
        let second = Tick::ZERO + Duration::from_secs(1);
        assert_eq!(
            clock.unix(second) - clock.unix(Tick::ZERO),
            Duration::from_secs(1)
        );
    }

    #[test]
    fn two_seeds_differ() {
        assert_ne!(seed(), seed());
    }

    #[test]
    fn a_spread_wait_is_half_at_least_and_never_longer() {
        let longest = Duration::from_secs(30);
        for seed in [0, 1, 999, 1_000, u64::MAX] {
            let wait = spread(longest, seed);
            assert!((longest / 2..=longest).contains(&wait), "{seed}: {wait:?}");
        }
        assert_ne!(spread(longest, 0), spread(longest, 999));
    }
}
