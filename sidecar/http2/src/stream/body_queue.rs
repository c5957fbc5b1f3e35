//! Body octets of one stream that the peer's windows hold back.
//!
//! Stored in pieces, each what was given of one frame. Grown as one buffer, the queues of 90 stalled streams left as much
//! unused memory in the allocator as they held: 16, 32 and 64 KiB each. Knows no windows.

use std::collections::VecDeque;

use crate::Ends;
use crate::frame::may_join;

/// Octets of a full piece: one frame's (RFC 9113 4.2, SETTINGS_MAX_FRAME_SIZE as it begins).
const PIECE_BYTES: usize = 16 << 10;

/// A piece that grows to more is made for a full one at once, until its frame has ended.
const GROWN_BYTES_MAX: usize = 4 << 10;

/// Octets in order. Small while nothing has ever waited: thousands of streams may be open.
#[derive(Default)]
pub(crate) struct BodyQueue(Option<Box<Pieces>>);

/// Octets of one frame, or of several small ones. Invariant: not empty.
#[derive(Default)]
struct Piece {
    octets: Vec<u8>,
    has_ended: bool,
}

#[derive(Default)]
struct Pieces {
    pieces: VecDeque<Piece>,
    /// Consumed of the first piece. Invariant: less than its length, 0 without one.
    start: usize,
    len: usize,
}

impl BodyQueue {
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |pieces| pieces.len)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first octets, as many as lie in one piece; none only when nothing waits.
    pub(crate) fn front(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |pieces| pieces.front())
    }

    /// What ends behind the first `count` octets of [`front`](Self::front); never the stream.
    pub(crate) fn ends_behind(&self, count: usize) -> Ends {
        let first = self.0.as_ref().and_then(|pieces| pieces.pieces.front());
        match first.is_some_and(|piece| piece.has_ended) && count == self.front().len() {
            true => Ends::Frame,
            false => Ends::Nothing,
        }
    }

    pub(crate) fn append(&mut self, bytes: &[u8], ends: Ends) {
        if !bytes.is_empty() {
            self.0.get_or_insert_default().append(bytes, ends);
        }
    }

    /// Drops the first `count` octets, all if there are fewer.
    pub(crate) fn consume(&mut self, count: usize) {
        if let Some(pieces) = &mut self.0 {
            pieces.consume(count);
        }
    }
}

impl Pieces {
    fn front(&self) -> &[u8] {
        self.pieces
            .front()
            .and_then(|piece| piece.octets.get(self.start..))
            .unwrap_or_default()
    }

    fn append(&mut self, mut bytes: &[u8], ends: Ends) {
        self.len += bytes.len();
        if let Some(last) = self.pieces.back_mut()
            && may_join(last.octets.len(), last.has_ended, bytes.len())
        {
            bytes = last.fill(bytes);
        }
        while !bytes.is_empty() {
            let mut piece = Piece::default();
            bytes = piece.fill(bytes);
            self.pieces.push_back(piece);
        }
        if let Some(last) = self.pieces.back_mut()
            && ends != Ends::Nothing
        {
            last.end();
        }
    }

    fn consume(&mut self, count: usize) {
        let mut left = count.min(self.len);
        self.len -= left;
        while left > 0 {
            let front = self.front().len();
            if left < front {
                self.start += left;
                return;
            }
            left -= front;
            self.start = 0;
            self.pieces.pop_front();
        }
    }
}

impl Piece {
    /// Takes what fits; returns the rest.
    fn fill<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let room = PIECE_BYTES.saturating_sub(self.octets.len());
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        if self.octets.len() + now.len() > GROWN_BYTES_MAX {
            self.octets.reserve_exact(room);
        }
        self.octets.extend_from_slice(now);
        later
    }

    /// The frame has ended: only small ones join it, so most of its spare memory is given back.
    fn end(&mut self) {
        self.has_ended = true;
        if self.octets.capacity() > self.octets.len() + GROWN_BYTES_MAX {
            self.octets.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ends_of(is_whole: bool) -> Ends {
        if is_whole { Ends::Frame } else { Ends::Nothing }
    }

    fn pieces(queue: &BodyQueue) -> Vec<&Piece> {
        let pieces = queue.0.iter();
        pieces.flat_map(|pieces| &pieces.pieces).collect()
    }

    proptest! {
        #[test]
        fn octets_leave_in_the_order_in_which_they_came(
            steps in prop::collection::vec((0_usize..40_000, any::<bool>(), 0_usize..40_000), 1..20),
        ) {
            let mut queue = BodyQueue::default();
            let (mut came, mut left) = (0_usize, 0_usize);
            for (more, is_whole, fewer) in steps {
                let bytes: Vec<u8> = (came..came + more).map(|at| at as u8).collect();
                queue.append(&bytes, ends_of(is_whole));
                came += more;
                let front = queue.front();
                prop_assert_eq!(front.is_empty(), came == left);
                for (at, octet) in front.iter().enumerate() {
                    prop_assert_eq!(*octet, (left + at) as u8);
                }
                queue.consume(fewer);
                left += fewer.min(came - left);
                prop_assert_eq!(queue.len(), came - left);
                prop_assert_eq!(queue.is_empty(), pieces(&queue).is_empty());
            }
        }

        #[test]
        fn memory_is_what_waits_two_pieces_and_a_little_for_each_frame(
            steps in prop::collection::vec((1_usize..20_000, any::<bool>()), 1..20),
        ) {
            let mut queue = BodyQueue::default();
            for (more, is_whole) in steps {
                queue.append(&vec![0; more], ends_of(is_whole));
                queue.consume(more / 2);
                let pieces = pieces(&queue);
                let capacity: usize = pieces.iter().map(|piece| piece.octets.capacity()).sum();
                let spare = pieces.len() * GROWN_BYTES_MAX;
                prop_assert!(capacity < queue.len() + spare + 2 * PIECE_BYTES, "{} {}", capacity, queue.len());
            }
        }
    }
}
