//! How often each of many may do something: events written down, joins, renewals.
//!
//! Counts in windows that begin with the first of them; who has used its allowance up waits for the next.
//! Knows nothing of what is counted.

#![expect(
    clippy::disallowed_types,
    reason = "beside the data path: the lock is held for a look into a map"
)]

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So often in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At most.
    pub most: u32,
    /// In so much time.
    pub window: Duration,
}

/// Events that a member makes in the journal, which is everybody's, and short. 64 in 10 s: a sidecar has a
/// handful to tell.
const EVENTS: Rate = Rate {
    most: 64,
    window: Duration::from_secs(10),
};

/// Keys kept at most before those whose window is over are forgotten.
const KEYS_KEPT: usize = 1_024;

/// What is left to each.
#[derive(Debug)]
pub struct Allowances<K> {
    rate: Rate,
    used: Mutex<BTreeMap<K, Used>>,
}

#[derive(Clone, Copy, Debug)]
struct Used {
    count: u32,
    since: Instant,
}

impl<K: Ord> Default for Allowances<K> {
    fn default() -> Allowances<K> {
        Allowances::new(EVENTS)
    }
}

impl<K: Ord> Allowances<K> {
    /// So often each.
    pub fn new(rate: Rate) -> Allowances<K> {
        let used = Mutex::default();
        Allowances { rate, used }
    }

    /// May this one do it once more? Then it is counted.
    pub fn take(&self, key: K, now: Instant) -> bool {
        let Rate { most, window } = self.rate;
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
        let may = used.count < most;
        used.count += u32::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn each_has_its_own_until_the_next_window() {
        let now = clock::now();
        let allowances = Allowances::default();
        let taken = |key: u8, now| (0..1_000).filter(|_| allowances.take(key, now)).count();
        assert_eq!(taken(1, now), 64);
        assert_eq!(taken(2, now), 64);
        assert_eq!(taken(1, now + EVENTS.window), 64);
    }

    #[test]
    fn who_has_not_come_for_a_window_is_forgotten() {
        let now = clock::now();
        let allowances = Allowances::default();
        for key in 0..KEYS_KEPT {
            allowances.take(key, now);
        }
        allowances.take(KEYS_KEPT, now + EVENTS.window);
        assert_eq!(allowances.used.lock().expect("no panic").len(), 1);
    }
}
