//! The worker's allowance for stream windows above their initial size.
//!
//! Memory of stalled streams is at most the sum of stream windows. Each stream has its
//! initial window for nothing; what it grows beyond that comes out of this pool, so a worker's
//! bound does not depend on how many connections it carries.

use std::cell::Cell;
use std::rc::Rc;

/// Bytes of window growth that all connections of one worker share. A clone is the same pool.
#[derive(Clone, Debug)]
pub struct WindowPool {
    left: Rc<Cell<usize>>,
}

impl WindowPool {
    /// Growth allowed by default: 8 MiB for a worker.
    pub const BYTES_DEFAULT: usize = 8 << 20;

    /// A pool of `bytes`. 0 keeps every stream at its initial window.
    pub fn new(bytes: usize) -> WindowPool {
        WindowPool {
            left: Rc::new(Cell::new(bytes)),
        }
    }

    /// Bytes that are not taken.
    pub fn left(&self) -> usize {
        self.left.get()
    }

    /// Takes all of `bytes` or nothing.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let Some(left) = self.left.get().checked_sub(bytes) else {
            return false;
        };
        self.left.set(left);
        true
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        self.left.set(self.left.get().saturating_add(bytes));
    }
}

impl Default for WindowPool {
    fn default() -> WindowPool {
        WindowPool::new(Self::BYTES_DEFAULT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_all_or_nothing_and_clones_share() {
        let pool = WindowPool::new(10);
        let same = pool.clone();
        assert!(pool.take(7));
        assert!(!same.take(4));
        same.give_back(7);
        assert_eq!(pool.left(), 10);
    }
}
