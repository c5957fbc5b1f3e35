//! How long to wait before the next attempt: doubling, capped, jittered (gRFC A6).

use std::time::Duration;

use crate::random::jittered;

/// Waits between attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BackOff {
    /// Wait before the second attempt; doubles with every further one. Default 25 ms.
    pub base: Duration,
    /// The wait doubles no further than this. Default 1 s.
    pub cap: Duration,
    /// Each wait is changed at random by up to this much, both ways, after the cap.
    /// Percent, 0 to 100; default 20. At 0 the clients that failed together return together.
    pub jitter_percent: u8,
}

impl Default for BackOff {
    fn default() -> BackOff {
        BackOff {
            base: Duration::from_millis(25),
            cap: Duration::from_secs(1),
            jitter_percent: 20,
        }
    }
}

impl BackOff {
    /// The wait after `attempts` attempts (at least one).
    pub fn delay(&self, attempts: u8, random: u64) -> Duration {
        let doublings = u32::from(attempts.saturating_sub(1)).min(31);
        let delay = self.base.saturating_mul(1 << doublings).min(self.cap);
        jittered(delay, self.jitter_percent, random)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIDDLE: u64 = 1 << 63;

    #[test]
    fn doubles_from_the_base_up_to_the_cap() {
        let back_off = BackOff::default();
        let cases = [
            (0, 25),
            (1, 25),
            (2, 50),
            (3, 100),
            (6, 800),
            (7, 1000),
            (255, 1000),
        ];
        for (attempts, millis) in cases {
            let delay = back_off.delay(attempts, MIDDLE);
            assert_eq!(delay, Duration::from_millis(millis), "{attempts}");
        }
    }

    #[test]
    fn jitter_reaches_a_fifth_both_ways() {
        let back_off = BackOff::default();
        assert_eq!(back_off.delay(1, 0), Duration::from_millis(20));
        assert_eq!(back_off.delay(1, u64::MAX), Duration::from_millis(30));
    }

    proptest! {
        #[test]
        fn no_delay_leaves_its_bounds(attempts: u8, random: u64, base_ms in 0u64..100_000) {
            let cap = Duration::from_secs(1);
            let back_off = BackOff { base: Duration::from_millis(base_ms), cap, jitter_percent: 20 };
            let delay = back_off.delay(attempts, random);
            prop_assert!(delay <= cap * 12 / 10);
            prop_assert!(delay >= back_off.base.min(cap) * 8 / 10);
        }
    }
}
