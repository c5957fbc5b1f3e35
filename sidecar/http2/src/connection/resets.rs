//! The budget of resets: a bucket, and what happens when it is empty. Resets by the peer cost what
//! resets that it makes us do cost.
//!
//! Only a rapid reset costs anything: one that takes back a stream before it has held its place among
//! the concurrent streams for long, and before anything was answered. The others are bounded by the
//! number of streams at once, and every deadline and every cancelled parent makes many of them.
//!
//! A peer that has spent the budget is on probation: each new stream is paid for ahead, and held
//! when there is nothing to pay with: the owner lets it go on when it is as old as no rapid reset is
//! ([`Connection::held_until`](super::Connection::held_until)). So calls are never refused for those that
//! were taken back beside them, and what is taken back at once reaches nobody. Only what somebody else
//! answered earns anything: an answer of our own costs a peer nothing to get.

use std::time::Duration;

use super::budget::Bucket;
use crate::Budget;

/// A stream that is older than this when it is reset was not opened for that.
const RAPID: Duration = Duration::from_millis(10);

/// Rapid resets that an answered stream pays for. With one, an application that takes back every other
/// call would live at the edge of its budget; with two it may take back two thirds of them for good.
/// What reaches a backend to be taken back is at most so many times what it answers.
const EARNED_BY_ANSWER: u32 = 2;

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
    /// It was taken on probation, for nothing: until it is old enough nobody hears of it.
    Held { opened: Duration },
    /// Its reset costs nothing, and its end earns nothing.
    Settled,
}

impl Stake {
    fn is_rapid(self, now: Duration) -> bool {
        match self {
            Stake::Unpaid { opened } | Stake::Paid { opened } | Stake::Held { opened } => {
                now < opened + RAPID
            }
            Stake::Settled => false,
        }
    }

    /// Until when nobody may hear of the stream, if it is held.
    pub(super) fn held_until(self) -> Option<Duration> {
        match self {
            Stake::Held { opened } => Some(opened + RAPID),
            Stake::Unpaid { .. } | Stake::Paid { .. } | Stake::Settled => None,
        }
    }
}

/// What a reset by the peer was.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum ByPeer {
    /// Nothing out of the ordinary, or paid for out of the budget.
    Taken,
    /// It took back a stream that nobody had heard of: two frames that did nothing.
    TookBackHeld,
}

impl Resets {
    pub(super) fn new(rules: Budget) -> Resets {
        Resets {
            bucket: Bucket::strict(rules),
            is_on_probation: false,
        }
    }

    /// How a new stream is taken.
    pub(super) fn admit(&mut self, now: Duration) -> Stake {
        self.is_on_probation &= !self.bucket.is_full(now);
        match self.is_on_probation {
            false => Stake::Unpaid { opened: now },
            true if self.bucket.spend(now) => Stake::Paid { opened: now },
            true => Stake::Held { opened: now },
        }
    }

    /// The peer reset a stream.
    pub(super) fn note_by_peer(&mut self, now: Duration, stake: Stake) -> ByPeer {
        match stake {
            _ if !stake.is_rapid(now) => self.settle(stake),
            Stake::Unpaid { .. } => {
                self.note_violation(now);
            }
            Stake::Held { .. } => return ByPeer::TookBackHeld,
            Stake::Paid { .. } | Stake::Settled => {}
        }
        ByPeer::Taken
    }

    /// The peer made us reset a stream. False: once too often.
    pub(super) fn note_violation(&mut self, now: Duration) -> bool {
        let was_left = self.bucket.spend(now);
        self.is_on_probation |= self.bucket.is_empty(now);
        was_left
    }

    /// A stream ended normally: it gets back what it paid, and what was answered earns
    /// [`EARNED_BY_ANSWER`] more.
    pub(super) fn earn(&mut self, stake: Stake) {
        self.settle(stake);
        let was_answered = stake != Stake::Settled;
        self.bucket.earn(u32::from(was_answered) * EARNED_BY_ANSWER);
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
        (0..9).for_each(|_| {
            resets.note_by_peer(Duration::ZERO, unpaid());
        });
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

    fn held(at: u32) -> Stake {
        Stake::Held { opened: at * MS }
    }

    /// Of nine streams that come at once, those that go on at once.
    fn at_once(resets: &mut Resets, at: u32) -> usize {
        let go_on = |stake: &Stake| stake.held_until().is_none();
        let stakes = (0..9).map(|_| resets.admit(at * MS));
        stakes.filter(go_on).count()
    }

    #[test]
    fn on_probation_streams_go_on_as_fast_as_time_refills_and_the_others_are_held() {
        let mut resets = spent();
        for at in (20..200).step_by(20) {
            assert_eq!(resets.admit((at - 1) * MS), held(at - 1));
            assert_eq!(resets.admit(at * MS), paid(at));
            resets.note_by_peer(at * MS, paid(at));
        }
    }

    #[test]
    fn what_is_held_is_taken_back_for_two_frames_and_no_token() {
        let mut resets = spent();
        assert_eq!(held(1).held_until(), Some(MS + RAPID));
        let taken_back = resets.note_by_peer(2 * MS, held(1));
        assert_eq!(taken_back, ByPeer::TookBackHeld);
        let late = resets.note_by_peer(MS + RAPID, held(1));
        assert_eq!(late, ByPeer::Taken);
        assert_eq!(resets.admit(20 * MS), paid(20), "the one of 20 ms");
    }

    #[test]
    fn streams_that_end_well_end_probation() {
        let mut resets = spent();
        resets.earn(held(1));
        assert_eq!(at_once(&mut resets, 2), 2);
        (0..2).for_each(|_| resets.earn(held(3)));
        assert_eq!(at_once(&mut resets, 4), 9);
    }

    #[test]
    fn answers_of_our_own_earn_nothing() {
        let mut resets = spent();
        for _ in 0..9 {
            assert_eq!(resets.admit(20 * MS), paid(20));
            resets.settle(paid(20));
            resets.earn(Stake::Settled);
        }
        assert_eq!(resets.admit(20 * MS), paid(20), "the one of 20 ms");
        assert_eq!(resets.admit(20 * MS), held(20));
    }

    #[test]
    fn streams_that_held_their_place_are_reset_for_nothing() {
        let mut resets = resets();
        (0..99).for_each(|_| {
            resets.note_by_peer(RAPID, unpaid());
        });
        assert_eq!(resets.admit(RAPID), Stake::Unpaid { opened: RAPID });

        let mut resets = spent();
        assert_eq!(resets.admit(20 * MS), paid(20));
        resets.note_by_peer(29 * MS, paid(20));
        assert_eq!(resets.admit(29 * MS), held(29), "it was rapid");
        assert_eq!(resets.admit(40 * MS), paid(40));
        resets.note_by_peer(40 * MS + RAPID, paid(40));
        assert_eq!(at_once(&mut resets, 50), 1, "what it paid");
    }

    #[test]
    fn whoever_takes_back_two_of_three_is_never_on_probation() {
        let mut resets = resets();
        for _ in 0..1_000 {
            for _ in 0..2 {
                assert_eq!(resets.admit(Duration::ZERO), unpaid());
                resets.note_by_peer(Duration::ZERO, unpaid());
            }
            assert_eq!(resets.admit(Duration::ZERO), unpaid());
            resets.earn(unpaid());
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
