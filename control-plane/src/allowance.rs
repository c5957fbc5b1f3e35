//! How much one stream may write down: the journal is everybody's, and short.
//!
//! Knows no journal; whoever is over the allowance says nothing more for a while.

use std::time::{Duration, Instant};

/// Most events of one stream in a [`WINDOW`]. 64; a sidecar has a handful to tell.
const EVENTS_MAX: u32 = 64;

/// 10 s.
const WINDOW: Duration = Duration::from_secs(10);

/// What is left of one stream's allowance.
#[derive(Debug)]
pub struct Allowance {
    left: u32,
    since: Instant,
}

impl Allowance {
    /// A full one.
    pub fn new(now: Instant) -> Allowance {
        Allowance {
            left: EVENTS_MAX,
            since: now,
        }
    }

    /// May one more event be written down? Then it is taken off.
    pub fn take(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) >= WINDOW {
            *self = Allowance::new(now);
        }
        let taken = self.left > 0;
        self.left = self.left.saturating_sub(1);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn one_sidecar_cannot_fill_the_journal() {
        let now = clock::now();
        let mut allowance = Allowance::new(now);
        let taken = (0..1_000).filter(|_| allowance.take(now)).count();
        assert_eq!(taken, 64);
        assert!(allowance.take(now + WINDOW));
    }
}
