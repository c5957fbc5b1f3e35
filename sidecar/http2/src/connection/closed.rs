//! Remembers closed streams, to judge late frames on them (RFC 9113 5.1, "closed").
//!
//! A peer may not know yet that we reset a stream: late frames are ignored, up to the window it had.
//! The same holds when the peer reset it: libraries send what they had queued behind their own reset
//! (netty: DATA of a call that is cancelled at once). A frame behind the peer's own END_STREAM is an
//! error. Memory is bounded: the oldest streams are forgotten and become `Unknown`.

use std::collections::VecDeque;

use crate::StreamId;

/// How a stream was closed, which decides what a late frame on it means.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum ClosedState {
    /// We reset it: late frames are ignored.
    ResetByUs,
    /// The peer had ended its side, then our side ended.
    Ended,
    /// The peer reset it.
    ResetByPeer,
    /// Closed long ago, or its number was skipped.
    Unknown,
}

#[derive(Default)]
pub(super) struct ClosedStreams {
    resets: VecDeque<Reset>,
    ended: VecDeque<StreamId>,
}

/// A stream that was reset.
struct Reset {
    stream: StreamId,
    by_peer: bool,
    /// What the peer may still send on it. Octets.
    window: u32,
}

/// Resets remembered. With more in one round trip the oldest become `Unknown`, and late frames on them
/// are no longer ignored.
const RESETS_MAX: usize = 1_024;
const ENDED_MAX: usize = 64;

impl ClosedStreams {
    /// We reset it; the peer could still send `window` octets on it.
    pub(super) fn note_reset(&mut self, stream: StreamId, window: u32) {
        self.note(Reset {
            stream,
            by_peer: false,
            window,
        });
    }

    /// The peer reset it, and could still send `window` octets on it.
    pub(super) fn note_reset_by_peer(&mut self, stream: StreamId, window: u32) {
        self.note(Reset {
            stream,
            by_peer: true,
            window,
        });
    }

    fn note(&mut self, reset: Reset) {
        if self.resets.len() == RESETS_MAX {
            self.resets.pop_front();
        }
        self.resets.push_back(reset);
    }

    pub(super) fn note_ended(&mut self, stream: StreamId) {
        if self.ended.len() == ENDED_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back(stream);
    }

    /// The peer sent RST_STREAM on a closed stream. True: it crossed our own reset; counted once.
    pub(super) fn take_crossing_reset(&mut self, id: StreamId) -> bool {
        match self.reset_of(id) {
            Some(reset) if !reset.by_peer => {
                reset.by_peer = true;
                true
            }
            Some(_) | None => false,
        }
    }

    pub(super) fn find(&self, id: StreamId) -> ClosedState {
        let reset = self.resets.iter().rev().find(|reset| reset.stream == id);
        match reset.map(|reset| reset.by_peer) {
            Some(false) => ClosedState::ResetByUs,
            Some(true) => ClosedState::ResetByPeer,
            None if self.ended.iter().rev().any(|ended| *ended == id) => ClosedState::Ended,
            None => ClosedState::Unknown,
        }
    }

    /// A late DATA frame on a stream that was reset. False: beyond the window it had.
    pub(super) fn take_late_data(&mut self, id: StreamId, frame_len: u32) -> bool {
        let Some(reset) = self.reset_of(id) else {
            return false;
        };
        let left = reset.window.checked_sub(frame_len);
        reset.window = left.unwrap_or(reset.window);
        left.is_some()
    }

    fn reset_of(&mut self, id: StreamId) -> Option<&mut Reset> {
        let mut latest = self.resets.iter_mut().rev();
        latest.find(|reset| reset.stream == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_data_is_bounded_by_the_window() {
        let mut closed = ClosedStreams::default();
        closed.note_reset(StreamId::new(1), 10);
        assert!(closed.take_late_data(StreamId::new(1), 10));
        assert!(!closed.take_late_data(StreamId::new(1), 1));
        assert!(!closed.take_late_data(StreamId::new(3), 0));
    }

    #[test]
    fn late_data_behind_a_reset_of_the_peer_is_bounded_by_the_window_too() {
        let mut closed = ClosedStreams::default();
        closed.note_reset_by_peer(StreamId::new(1), 10);
        assert_eq!(closed.find(StreamId::new(1)), ClosedState::ResetByPeer);
        assert!(closed.take_late_data(StreamId::new(1), 10));
        assert!(!closed.take_late_data(StreamId::new(1), 1));
    }

    #[test]
    fn resets_cross_once() {
        let mut closed = ClosedStreams::default();
        closed.note_reset(StreamId::new(1), 10);
        assert!(closed.take_crossing_reset(StreamId::new(1)));
        assert!(!closed.take_crossing_reset(StreamId::new(1)));
        assert_eq!(closed.find(StreamId::new(1)), ClosedState::ResetByPeer);
    }

    #[test]
    fn memory_is_bounded() {
        let mut closed = ClosedStreams::default();
        for id in 1..10_000 {
            closed.note_reset(StreamId::new(id), 0);
            closed.note_ended(StreamId::new(id + 10_000));
        }
        assert_eq!(
            (closed.resets.len(), closed.ended.len()),
            (RESETS_MAX, ENDED_MAX)
        );
        assert_eq!(closed.find(StreamId::new(1)), ClosedState::Unknown);
        assert_eq!(closed.find(StreamId::new(9_999)), ClosedState::ResetByUs);
        assert_eq!(closed.find(StreamId::new(19_999)), ClosedState::Ended);
    }
}
