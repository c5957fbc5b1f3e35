//! Body octets of one stream that the peer's windows hold back.
//!
//! Stored in pieces of one size. Grown as one buffer, the queues of 90 stalled streams left as much
//! unused memory in the allocator as they held: 16, 32 and 64 KiB each. Knows no frames and no windows.

use std::collections::VecDeque;

/// Octets of a full piece: one frame's (RFC 9113 4.2, SETTINGS_MAX_FRAME_SIZE as it begins).
const PIECE_BYTES: usize = 16 << 10;

/// A piece that comes to more is made for a full one at once.
const GROWN_BYTES_MAX: usize = 4 << 10;

/// Octets in order. Small while nothing has ever waited: thousands of streams may be open.
#[derive(Default)]
pub(crate) struct BodyQueue(Option<Box<Pieces>>);

/// Invariant: no piece is empty, and all but the last are full.
#[derive(Default)]
struct Pieces {
    pieces: VecDeque<Vec<u8>>,
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

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.0.get_or_insert_default().append(bytes);
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
            .and_then(|piece| piece.get(self.start..))
            .unwrap_or_default()
    }

    fn append(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len();
        if let Some(last) = self.pieces.back_mut() {
            bytes = fill(last, bytes);
        }
        while !bytes.is_empty() {
            let mut piece = Vec::new();
            bytes = fill(&mut piece, bytes);
            self.pieces.push_back(piece);
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

/// Takes what fits; returns the rest.
fn fill<'b>(piece: &mut Vec<u8>, bytes: &'b [u8]) -> &'b [u8] {
    let room = PIECE_BYTES.saturating_sub(piece.len());
    let (now, later) = bytes.split_at(room.min(bytes.len()));
    if piece.len() + now.len() > GROWN_BYTES_MAX {
        piece.reserve_exact(room);
    }
    piece.extend_from_slice(now);
    later
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(queue: &BodyQueue) -> Vec<&Vec<u8>> {
        let pieces = queue.0.iter();
        pieces.flat_map(|pieces| &pieces.pieces).collect()
    }

    proptest! {
        #[test]
        fn octets_leave_in_the_order_in_which_they_came(
            steps in prop::collection::vec((0_usize..40_000, 0_usize..40_000), 1..20),
        ) {
            let mut queue = BodyQueue::default();
            let (mut came, mut left) = (0_usize, 0_usize);
            for (more, fewer) in steps {
                let bytes: Vec<u8> = (came..came + more).map(|at| at as u8).collect();
                queue.append(&bytes);
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
        fn memory_is_what_waits_and_less_than_two_pieces(
            steps in prop::collection::vec(1_usize..20_000, 1..20),
        ) {
            let mut queue = BodyQueue::default();
            for more in steps {
                queue.append(&vec![0; more]);
                queue.consume(more / 2);
                let capacity: usize = pieces(&queue).iter().map(|piece| piece.capacity()).sum();
                prop_assert!(capacity < queue.len() + 2 * PIECE_BYTES, "{} {}", capacity, queue.len());
            }
        }
    }
}
