//! What is remembered of streams that are gone (RFC 9113 5.1, "closed").
//!
//! A peer may not know yet that we reset a stream: what it sends meanwhile is ignored, but no
//! more of it than the window it was given. Frames on a stream that it ended itself are its
//! fault. Memory is bounded; of a stream that fell out of it nothing is known.

use std::collections::VecDeque;

use crate::StreamId;

/// What may come on a stream that is gone.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Gone {
    /// We reset it: late frames are ignored.
    ByUs,
    /// The peer had ended its side, then our side ended.
    Ended,
    /// The peer reset it.
    ByPeer,
    /// Long ago, or its number was skipped.
    Unknown,
}

#[derive(Default)]
pub(super) struct Closed {
    /// Streams we reset, and what the peer may still send on each.
    by_us: VecDeque<(StreamId, u32)>,
    others: VecDeque<(StreamId, Gone)>,
}

/// More resets than this in one round trip are answered less gently.
const BY_US_MAX: usize = 1_024;
const OTHERS_MAX: usize = 64;

impl Closed {
    pub(super) fn note_reset(&mut self, id: StreamId, window: u32) {
        if self.by_us.len() == BY_US_MAX {
            self.by_us.pop_front();
        }
        self.by_us.push_back((id, window));
    }

    /// The peer reset a stream, too. True: the resets crossed, once.
    pub(super) fn take_crossing_reset(&mut self, id: StreamId) -> bool {
        let Some(at) = self.by_us.iter().rposition(|(other, _)| *other == id) else {
            return false;
        };
        self.by_us.remove(at);
        self.note(id, Gone::ByPeer);
        true
    }

    pub(super) fn note(&mut self, id: StreamId, how: Gone) {
        if self.others.len() == OTHERS_MAX {
            self.others.pop_front();
        }
        self.others.push_back((id, how));
    }

    pub(super) fn find(&self, id: StreamId) -> Gone {
        if self.by_us.iter().rev().any(|(other, _)| *other == id) {
            return Gone::ByUs;
        }
        let other = self.others.iter().rev().find(|(other, _)| *other == id);
        other.map_or(Gone::Unknown, |(_, how)| *how)
    }

    /// A late DATA frame on a stream we reset. False: beyond the window it had.
    pub(super) fn take_late_data(&mut self, id: StreamId, frame_len: u32) -> bool {
        let Some((_, window)) = self.by_us.iter_mut().rev().find(|(other, _)| *other == id) else {
            return false;
        };
        let Some(left) = window.checked_sub(frame_len) else {
            return false;
        };
        *window = left;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_data_is_bounded_by_the_window() {
        let mut closed = Closed::default();
        closed.note_reset(StreamId::new(1), 10);
        assert!(closed.take_late_data(StreamId::new(1), 10));
        assert!(!closed.take_late_data(StreamId::new(1), 1));
        assert!(!closed.take_late_data(StreamId::new(3), 0));
    }

    #[test]
    fn resets_cross_once() {
        let mut closed = Closed::default();
        closed.note_reset(StreamId::new(1), 10);
        assert!(closed.take_crossing_reset(StreamId::new(1)));
        assert!(!closed.take_crossing_reset(StreamId::new(1)));
        assert_eq!(closed.find(StreamId::new(1)), Gone::ByPeer);
    }

    #[test]
    fn memory_is_bounded() {
        let mut closed = Closed::default();
        for id in 1..10_000 {
            closed.note_reset(StreamId::new(id), 0);
            closed.note(StreamId::new(id + 10_000), Gone::Ended);
        }
        assert_eq!(
            (closed.by_us.len(), closed.others.len()),
            (BY_US_MAX, OTHERS_MAX)
        );
        assert_eq!(closed.find(StreamId::new(1)), Gone::Unknown);
        assert_eq!(closed.find(StreamId::new(9_999)), Gone::ByUs);
        assert_eq!(closed.find(StreamId::new(19_999)), Gone::Ended);
    }
}
