//! Bytes in one piece, appended at the end and consumed at the front.

/// A flat queue. Consuming moves a mark; the rest is moved to the front only when at least
/// as much is consumed, so every byte is moved at most once on average.
#[derive(Default)]
pub(crate) struct ByteQueue {
    bytes: Vec<u8>,
    /// Consumed. Invariant: start <= bytes.len(), and 0 when nothing is left.
    start: usize,
}

/// Less is not worth a move.
const MOVE_MIN: usize = 16 << 10;

impl ByteQueue {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Append here, and nothing but append.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Drops the first `count` bytes, all if there are fewer.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count.min(self.len());
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        } else if self.start >= MOVE_MIN && self.start >= self.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    /// Gives memory above `capacity` back, if nothing waits.
    pub(crate) fn shrink(&mut self, capacity: usize) {
        if self.is_empty() && self.bytes.capacity() > capacity {
            self.bytes = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_moves() {
        let mut queue = ByteQueue::default();
        let (mut written, mut read) = (0_u32, 0_u32);
        for round in 0..2_000 {
            for _ in 0..round % 40 {
                queue.tail().extend_from_slice(&written.to_be_bytes());
                written += 1;
            }
            while queue.len() > 20_000 {
                assert_eq!(queue.as_slice()[..4], read.to_be_bytes());
                queue.consume(4);
                read += 1;
            }
        }
        assert_eq!(queue.len(), (written - read) as usize * 4);
        assert!(queue.bytes.len() < 80_000);
    }

    #[test]
    fn consuming_too_much_empties() {
        let mut queue = ByteQueue::default();
        queue.tail().push(1);
        queue.consume(5);
        assert!(queue.is_empty());
    }
}
