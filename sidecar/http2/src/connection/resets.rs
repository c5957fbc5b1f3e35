//! The budget of resets: a token bucket, and what happens when it is empty (CVE-2023-44487).
//!
//! Only a rapid reset costs a token: the peer resets a stream that is younger than
//! [`RAPID_RESET_AGE`] and has no response yet. Other resets are bounded by the number of concurrent
//! streams; deadlines and cancelled parent calls make many of them. A reset that the peer makes us
//! send costs as much (CVE-2025-8671).
//!
//! A peer that has spent its budget is throttled: each new stream prepays a token. Without a token
//! the stream is held until it is too old for a rapid reset
//! ([`Connection::held_until`](super::Connection::held_until)). So no call is refused for resets of
//! other calls, and a rapidly reset stream never reaches a backend. Only responses of an upstream put
//! tokens back: a local reply costs the peer nothing to get.

use std::time::Duration;

use super::budget::Bucket;
use crate::Budget;

/// A reset of a stream of this age or older is not rapid.
const RAPID_RESET_AGE: Duration = Duration::from_millis(10);

/// Tokens that an answered stream puts back. With one, an application that cancels every other call
/// would use up its whole budget; with two it may cancel two thirds of its calls for good. A backend
/// sees at most this many cancelled calls for each one it answers.
const TOKENS_PER_ANSWER: u32 = 2;

#[derive(Debug)]
pub(super) struct Resets {
    bucket: Bucket,
    is_throttled: bool,
}

/// What a stream costs the reset budget.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum ResetCharge {
    /// A rapid reset costs a token.
    OnReset { opened: Duration },
    /// Opened while throttled, for a token.
    Prepaid { opened: Duration },
    /// Opened while throttled, without a token: held until it is too old for a rapid reset.
    Held { opened: Duration },
    /// Its reset costs nothing, and its end puts nothing back.
    Exempt,
}

impl ResetCharge {
    fn is_rapid(self, now: Duration) -> bool {
        match self {
            ResetCharge::OnReset { opened }
            | ResetCharge::Prepaid { opened }
            | ResetCharge::Held { opened } => now < opened + RAPID_RESET_AGE,
            ResetCharge::Exempt => false,
        }
    }

    /// When a held stream may go on; `None` if it is not held.
    pub(super) fn held_until(self) -> Option<Duration> {
        match self {
            ResetCharge::Held { opened } => Some(opened + RAPID_RESET_AGE),
            ResetCharge::OnReset { .. } | ResetCharge::Prepaid { .. } | ResetCharge::Exempt => None,
        }
    }
}

/// How a reset by the peer counts.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum PeerReset {
    /// Free, or paid out of the reset budget.
    Counted,
    /// It reset a held stream: two frames that did nothing.
    OfHeldStream,
}

impl Resets {
    pub(super) fn new(rules: Budget) -> Resets {
        Resets {
            bucket: Bucket::strict(rules),
            is_throttled: false,
        }
    }

    /// The charge of a new stream.
    pub(super) fn admit(&mut self, now: Duration) -> ResetCharge {
        self.is_throttled &= !self.bucket.is_full(now);
        match self.is_throttled {
            false => ResetCharge::OnReset { opened: now },
            true if self.bucket.spend(now) => ResetCharge::Prepaid { opened: now },
            true => ResetCharge::Held { opened: now },
        }
    }

    /// The peer reset a stream.
    pub(super) fn note_by_peer(&mut self, now: Duration, reset_charge: ResetCharge) -> PeerReset {
        match reset_charge {
            _ if !reset_charge.is_rapid(now) => self.refund(reset_charge),
            ResetCharge::OnReset { .. } => {
                self.note_violation(now);
            }
            ResetCharge::Held { .. } => return PeerReset::OfHeldStream,
            ResetCharge::Prepaid { .. } | ResetCharge::Exempt => {}
        }
        PeerReset::Counted
    }

    /// The peer made us reset a stream. False: the budget was spent already.
    pub(super) fn note_violation(&mut self, now: Duration) -> bool {
        let was_left = self.bucket.spend(now);
        self.is_throttled |= self.bucket.is_empty(now);
        was_left
    }

    /// A stream ended normally: puts its token back and, if an upstream answered it,
    /// [`TOKENS_PER_ANSWER`] more.
    pub(super) fn note_normal_end(&mut self, reset_charge: ResetCharge) {
        self.refund(reset_charge);
        let was_answered = reset_charge != ResetCharge::Exempt;
        self.bucket
            .deposit(u32::from(was_answered) * TOKENS_PER_ANSWER);
    }

    /// Puts a prepaid token back.
    pub(super) fn refund(&mut self, reset_charge: ResetCharge) {
        let paid = matches!(reset_charge, ResetCharge::Prepaid { .. });
        self.bucket.deposit(u32::from(paid));
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
            resets.note_by_peer(Duration::ZERO, on_reset());
        });
        resets
    }

    fn on_reset() -> ResetCharge {
        ResetCharge::OnReset {
            opened: Duration::ZERO,
        }
    }

    fn prepaid(at: u32) -> ResetCharge {
        ResetCharge::Prepaid { opened: at * MS }
    }

    fn held(at: u32) -> ResetCharge {
        ResetCharge::Held { opened: at * MS }
    }

    /// Of nine streams opened together, how many are not held.
    fn at_once(resets: &mut Resets, at: u32) -> usize {
        let go_on = |reset_charge: &ResetCharge| reset_charge.held_until().is_none();
        let reset_charges = (0..9).map(|_| resets.admit(at * MS));
        reset_charges.filter(go_on).count()
    }

    #[test]
    fn while_throttled_streams_go_on_as_fast_as_time_refills_and_the_others_are_held() {
        let mut resets = spent();
        for at in (20..200).step_by(20) {
            assert_eq!(resets.admit((at - 1) * MS), held(at - 1));
            assert_eq!(resets.admit(at * MS), prepaid(at));
            resets.note_by_peer(at * MS, prepaid(at));
        }
    }

    #[test]
    fn a_reset_of_a_held_stream_costs_two_frames_and_no_token() {
        let mut resets = spent();
        assert_eq!(held(1).held_until(), Some(MS + RAPID_RESET_AGE));
        let reset = resets.note_by_peer(2 * MS, held(1));
        assert_eq!(reset, PeerReset::OfHeldStream);
        let late = resets.note_by_peer(MS + RAPID_RESET_AGE, held(1));
        assert_eq!(late, PeerReset::Counted);
        assert_eq!(resets.admit(20 * MS), prepaid(20), "the one of 20 ms");
    }

    #[test]
    fn streams_that_end_normally_end_throttling() {
        let mut resets = spent();
        resets.note_normal_end(held(1));
        assert_eq!(at_once(&mut resets, 2), 2);
        (0..2).for_each(|_| resets.note_normal_end(held(3)));
        assert_eq!(at_once(&mut resets, 4), 9);
    }

    #[test]
    fn local_replies_put_nothing_back() {
        let mut resets = spent();
        for _ in 0..9 {
            assert_eq!(resets.admit(20 * MS), prepaid(20));
            resets.refund(prepaid(20));
            resets.note_normal_end(ResetCharge::Exempt);
        }
        assert_eq!(resets.admit(20 * MS), prepaid(20), "the one of 20 ms");
        assert_eq!(resets.admit(20 * MS), held(20));
    }

    #[test]
    fn resets_of_older_streams_are_free() {
        let mut resets = resets();
        (0..99).for_each(|_| {
            resets.note_by_peer(RAPID_RESET_AGE, on_reset());
        });
        assert_eq!(
            resets.admit(RAPID_RESET_AGE),
            ResetCharge::OnReset {
                opened: RAPID_RESET_AGE
            }
        );

        let mut resets = spent();
        assert_eq!(resets.admit(20 * MS), prepaid(20));
        resets.note_by_peer(29 * MS, prepaid(20));
        assert_eq!(resets.admit(29 * MS), held(29), "it was rapid");
        assert_eq!(resets.admit(40 * MS), prepaid(40));
        resets.note_by_peer(40 * MS + RAPID_RESET_AGE, prepaid(40));
        assert_eq!(at_once(&mut resets, 50), 1, "what it paid");
    }

    #[test]
    fn a_peer_that_resets_two_of_three_streams_is_never_throttled() {
        let mut resets = resets();
        for _ in 0..1_000 {
            for _ in 0..2 {
                assert_eq!(resets.admit(Duration::ZERO), on_reset());
                resets.note_by_peer(Duration::ZERO, on_reset());
            }
            assert_eq!(resets.admit(Duration::ZERO), on_reset());
            resets.note_normal_end(on_reset());
        }
    }

    #[test]
    fn a_violation_without_a_token_is_one_too_many() {
        let mut resets = spent();
        assert!(!resets.note_violation(19 * MS));
        assert!(resets.note_violation(20 * MS));
        assert!(!resets.note_violation(20 * MS));
    }
}
