//! Joins that are counted and not yet written down, and how often a token may be used.
//!
//! A join must not wait for the disk, on which everybody else writes too; how often a token was used is
//! for operators to read, and may be written after it.

#![expect(
    clippy::disallowed_types,
    reason = "beside the data path: the lock is held for a look into a map"
)]

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::members::rate_limit::{Rate, RateLimiter};

/// Joins with one token. 50 in a second: a service of 200 instances is there after four; each costs a
/// signature and an event.
const JOINS: Rate = Rate {
    max: 50,
    window: Duration::from_secs(1),
};

/// Of all tokens.
#[derive(Debug)]
pub struct Joins {
    pub rate: RateLimiter<[u8; 8]>,
    /// Held by the one who writes.
    pub writing: tokio::sync::Mutex<()>,
    unwritten: Mutex<BTreeMap<[u8; 8], u64>>,
}

impl Default for Joins {
    fn default() -> Joins {
        Joins {
            rate: RateLimiter::new(JOINS),
            writing: tokio::sync::Mutex::default(),
            unwritten: Mutex::default(),
        }
    }
}

impl Joins {
    /// One more. True: it is the first that is not written, so somebody has to.
    pub fn count(&self, token: [u8; 8]) -> bool {
        let mut unwritten = self.lock();
        let is_first = unwritten.is_empty();
        *unwritten.entry(token).or_default() += 1;
        is_first
    }

    /// Those that are not written.
    pub fn unwritten(&self) -> BTreeMap<[u8; 8], u64> {
        self.lock().clone()
    }

    /// These have been written.
    pub fn subtract(&self, written: &BTreeMap<[u8; 8], u64>) {
        let mut unwritten = self.lock();
        unwritten.retain(|token, count| {
            *count -= written.get(token).copied().unwrap_or(0).min(*count);
            *count > 0
        });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<[u8; 8], u64>> {
        self.unwritten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
