//! Resets as a budget (CVE-2023-44487, CVE-2025-8671): cancelling is a right, and costs what it makes
//! us do.
//!
//! A peer that has spent the budget is on probation: each new stream is paid for ahead, and refused
//! when there is nothing to pay with. So whoever cancels a thousand calls at once loses nothing but
//! a moment, and whoever does nothing else opens no more streams than time refills.

use std::time::Duration;

use super::budget::Bucket;
use crate::Budget;

#[derive(Debug)]
pub(super) struct Resets {
    bucket: Bucket,
    is_on_probation: bool,
}

impl Resets {
    pub(super) fn new(rules: Budget) -> Resets {
        Resets {
            bucket: Bucket::new(rules),
            is_on_probation: false,
        }
    }

    /// The peer reset a stream. On probation that was paid for when the stream was taken.
    pub(super) fn note_by_peer(&mut self, now: Duration) {
        if !self.is_on_probation {
            self.note_violation(now);
        }
    }

    /// The peer made us reset a stream. False: once too often.
    pub(super) fn note_violation(&mut self, now: Duration) -> bool {
        let was_left = self.bucket.spend(now);
        self.is_on_probation |= self.bucket.is_empty(now);
        was_left
    }

    /// May a new stream be taken?
    pub(super) fn admits(&mut self, now: Duration) -> bool {
        if !self.is_on_probation {
            return true;
        }
        self.is_on_probation = !self.bucket.is_full(now);
        !self.is_on_probation || self.bucket.spend(now)
    }

    /// A stream ended normally. On probation it gets back what it paid, too.
    pub(super) fn earn(&mut self) {
        self.bucket.earn(1 + u32::from(self.is_on_probation));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn spent() -> Resets {
        let mut resets = Resets::new(Budget {
            burst: 4,
            refill_per_second: 50,
        });
        (0..9).for_each(|_| resets.note_by_peer(Duration::ZERO));
        resets
    }

    #[test]
    fn on_probation_streams_come_as_fast_as_time_refills() {
        let mut resets = spent();
        for round in 1..10 {
            assert!(!resets.admits((20 * round - 1) * MS), "{round}");
            assert!(resets.admits(20 * round * MS), "{round}");
            resets.note_by_peer(20 * round * MS);
        }
    }

    #[test]
    fn streams_that_end_well_end_probation() {
        let mut resets = spent();
        assert!(resets.admits(20 * MS));
        for doubled in [2, 4] {
            (0..doubled / 2).for_each(|_| resets.earn());
            let admitted = (0..9).filter(|_| resets.admits(20 * MS)).count();
            let all = if doubled == 4 { 9 } else { doubled };
            assert_eq!(admitted, all);
        }
    }

    #[test]
    fn violations_are_too_many_when_nothing_is_left() {
        let mut resets = spent();
        assert!(!resets.note_violation(19 * MS));
        assert!(resets.note_violation(20 * MS));
        assert!(!resets.note_violation(20 * MS));
    }
}
