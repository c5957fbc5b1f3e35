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
