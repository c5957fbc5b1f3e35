//! The budget of resets: a bucket, and what happens when it is empty. Resets by the peer cost what
//! resets that it makes us do cost.
//!
//! Only a rapid reset costs anything: one that takes back a stream before it has held its place among
//! the concurrent streams for long, and before anything was answered. The others are bounded by the
//! number of streams at once, and every deadline and every cancelled parent makes many of them.
//!
//! A peer that has spent the budget is on probation: each new stream is paid for ahead, and refused
//! when there is nothing to pay with. So whoever cancels a thousand calls at once loses nothing but
//! a moment, and whoever does nothing else opens no more streams than time refills. Only what
//! somebody else answered earns anything: an answer of our own costs a peer nothing to get.

use std::time::Duration;

use super::budget::Bucket;
use crate::Budget;

/// A stream that is older than this when it is reset was not opened for that.
const RAPID: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Resets {
    bucket: Bucket,
    is_on_probation: bool,
}

/// What a stream has to do with the budget.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Stake {
    /// Its rapid reset costs a token.
    Unpaid { opened: Duration },
    /// It was taken on probation, for a token.
    Paid { opened: Duration },
    /// Its reset costs nothing, and its end earns nothing.
    Settled,
}

impl Stake {
    fn is_rapid(self, now: Duration) -> bool {
        match self {
            Stake::Unpaid { opened } | Stake::Paid { opened } => now < opened + RAPID,
            Stake::Settled => false,
        }
    }
}

impl Resets {
    pub(super) fn new(rules: Budget) -> Resets {
        Resets {
            bucket: Bucket::new(rules),
            is_on_probation: false,
        }
    }

    /// May a new stream be taken, and how?
    pub(super) fn admit(&mut self, now: Duration) -> Option<Stake> {
        self.is_on_probation &= !self.bucket.is_full(now);
        if !self.is_on_probation {
            return Some(Stake::Unpaid { opened: now });
        }
        let is_paid = self.bucket.spend(now);
        is_paid.then_some(Stake::Paid { opened: now })
    }

    /// The peer reset a stream.
    pub(super) fn note_by_peer(&mut self, now: Duration, stake: Stake) {
        match stake {
            _ if !stake.is_rapid(now) => self.settle(stake),
            Stake::Unpaid { .. } => {
                self.note_violation(now);
            }
            Stake::Paid { .. } | Stake::Settled => {}
        }
    }

    /// The peer made us reset a stream. False: once too often.
    pub(super) fn note_violation(&mut self, now: Duration) -> bool {
        let was_left = self.bucket.spend(now);
        self.is_on_probation |= self.bucket.is_empty(now);
        was_left
    }

    /// A stream ended normally: it gets back what it paid, and what was answered earns one more.
    pub(super) fn earn(&mut self, stake: Stake) {
        self.settle(stake);
        self.bucket.earn(u32::from(stake != Stake::Settled));
    }

    /// The stream has no more to do with the budget: what it paid comes back, and that is all.
    pub(super) fn settle(&mut self, stake: Stake) {
        let paid = matches!(stake, Stake::Paid { .. });
        self.bucket.earn(u32::from(paid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn resets() -> Resets {
        Resets::new(Budget {
            burst: 4,
            refill_per_second: 50,
        })
    }

    fn spent() -> Resets {
        let mut resets = resets();
        (0..9).for_each(|_| resets.note_by_peer(Duration::ZERO, unpaid()));
        resets
    }

    fn unpaid() -> Stake {
        Stake::Unpaid {
            opened: Duration::ZERO,
        }
    }

    fn paid(at: u32) -> Stake {
        Stake::Paid { opened: at * MS }
    }

    #[test]
    fn on_probation_streams_come_as_fast_as_time_refills() {
        let mut resets = spent();
        for at in (20..200).step_by(20) {
            assert_eq!(resets.admit((at - 1) * MS), None, "{at}");
            assert_eq!(resets.admit(at * MS), Some(paid(at)), "{at}");
            resets.note_by_peer(at * MS, paid(at));
        }
    }

    #[test]
    fn streams_that_end_well_end_probation() {
        let mut resets = spent();
        assert_eq!(resets.admit(20 * MS), Some(paid(20)));
        for doubled in [2, 4] {
            (0..doubled / 2).for_each(|_| resets.earn(paid(20)));
            let admitted = (0..9).filter(|_| resets.admit(20 * MS).is_some()).count();
            let all = if doubled == 4 { 9 } else { doubled };
            assert_eq!(admitted, all);
        }
    }

    #[test]
    fn answers_of_our_own_earn_nothing() {
        let mut resets = spent();
        for _ in 0..9 {
            assert_eq!(resets.admit(20 * MS), Some(paid(20)));
            resets.settle(paid(20));
            resets.earn(Stake::Settled);
        }
        assert_eq!(resets.admit(20 * MS), Some(paid(20)), "the one of 20 ms");
        assert_eq!(resets.admit(20 * MS), None);
    }

    #[test]
    fn streams_that_held_their_place_are_reset_for_nothing() {
        let mut resets = resets();
        (0..99).for_each(|_| resets.note_by_peer(RAPID, unpaid()));
        assert_eq!(resets.admit(RAPID), Some(Stake::Unpaid { opened: RAPID }));

        let mut resets = spent();
        assert_eq!(resets.admit(20 * MS), Some(paid(20)));
        resets.note_by_peer(29 * MS, paid(20));
        assert_eq!(resets.admit(29 * MS), None, "it was rapid");
        assert_eq!(resets.admit(40 * MS), Some(paid(40)));
        resets.note_by_peer(40 * MS + RAPID, paid(40));
        let admitted = (0..9).filter(|_| resets.admit(50 * MS).is_some()).count();
        assert_eq!(admitted, 1, "what it paid");
    }

    #[test]
    fn violations_are_too_many_when_nothing_is_left() {
        let mut resets = spent();
        assert!(!resets.note_violation(19 * MS));
        assert!(resets.note_violation(20 * MS));
        assert!(!resets.note_violation(20 * MS));
    }
}
