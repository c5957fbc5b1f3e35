//! Rate limits by key: events, joins, renewals, warnings.
//!
//! Counts in fixed windows; a window begins with the first use. Knows nothing of what is counted.

#![expect(
    clippy::disallowed_types,
    reason = "beside the data path: the lock is held for a look into a map"
)]

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// At most `max` uses in a `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Most uses.
    pub max: u32,
    /// Length of the window.
    pub window: Duration,
}

/// Events of one member in the journal. 64 in 10 s: a sidecar reports a handful.
const EVENTS: Rate = Rate {
    max: 64,
    window: Duration::from_secs(10),
};

/// With this many keys, those whose window is over are dropped. 1,024.
const KEYS_KEPT: usize = 1_024;

/// A rate limiter with one window for each key.
#[derive(Debug)]
pub struct RateLimiter<K> {
    rate: Rate,
    used: Mutex<BTreeMap<K, Used>>,
}

#[derive(Clone, Copy, Debug)]
struct Used {
    count: u32,
    since: Instant,
}

impl<K: Ord> Default for RateLimiter<K> {
    fn default() -> RateLimiter<K> {
        RateLimiter::new(EVENTS)
    }
}

impl<K: Ord> RateLimiter<K> {
    /// Limits each key to `rate`.
    pub fn new(rate: Rate) -> RateLimiter<K> {
        let used = Mutex::default();
        RateLimiter { rate, used }
    }

    /// Is one more use allowed? If so, it is counted.
    pub fn take(&self, key: K, now: Instant) -> bool {
        let Rate { max, window } = self.rate;
        let is_over = |used: &Used| now.saturating_duration_since(used.since) >= window;
        let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEYS_KEPT {
            all.retain(|_, used| !is_over(used));
        }
        let fresh = Used {
            count: 0,
            since: now,
        };
        let used = all.entry(key).or_insert(fresh);
        if is_over(used) {
            *used = fresh;
        }
        let may = used.count < max;
        used.count += u32::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn each_key_has_its_own_limit_until_the_next_window() {
        let now = clock::now();
        let limiter = RateLimiter::default();
        let taken = |key: u8, now| (0..1_000).filter(|_| limiter.take(key, now)).count();
        assert_eq!(taken(1, now), 64);
        assert_eq!(taken(2, now), 64);
        assert_eq!(taken(1, now + EVENTS.window), 64);
    }

    #[test]
    fn a_key_without_use_for_a_window_is_dropped() {
        let now = clock::now();
        let limiter = RateLimiter::default();
        for key in 0..KEYS_KEPT {
            limiter.take(key, now);
        }
        limiter.take(KEYS_KEPT, now + EVENTS.window);
        assert_eq!(limiter.used.lock().expect("no panic").len(), 1);
    }
}
