//! State that several workers must agree on: a `Copy` value in one atomic word.
//!
//! All memory orderings of the sidecar's decision state are in this file. The rules themselves are
//! pure steps in `policy`; here they run in a compare-exchange loop.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use outrider_policy::Word;

/// No state packs to this: nothing has used the word yet.
const UNUSED: u64 = u64::MAX;

/// A state shared by all workers of the process. It begins with its first step.
#[derive(Debug)]
pub(crate) struct AtomicWord<S> {
    bits: AtomicU64,
    state: PhantomData<S>,
}

impl<S> Default for AtomicWord<S> {
    fn default() -> AtomicWord<S> {
        AtomicWord {
            bits: AtomicU64::new(UNUSED),
            state: PhantomData,
        }
    }
}

impl<S: Word> AtomicWord<S> {
    /// Replaces the state by the next one and returns the answer that came with it. `advance` may run
    /// more than once, when another worker was faster.
    // Relaxed is enough: the word is the whole state, nothing else is published through it.
    pub(crate) fn step<T>(&self, first: impl Fn() -> S, advance: impl Fn(S) -> (S, T)) -> T {
        let mut seen = self.bits.load(Ordering::Relaxed);
        loop {
            let state = match seen {
                UNUSED => first(),
                bits => S::from_bits(bits),
            };
            let (next, answer) = advance(state);
            match self.bits.compare_exchange_weak(
                seen,
                next.to_bits(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return answer,
                Err(current) => seen = current,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[derive(Clone, Copy)]
    struct Count(u64);

    impl Word for Count {
        fn to_bits(self) -> u64 {
            self.0
        }

        fn from_bits(bits: u64) -> Count {
            Count(bits)
        }
    }

    #[test]
    fn a_step_that_another_worker_overtakes_is_made_again() {
        let word = AtomicWord::<Count>::default();
        let step = || word.step(|| Count(7), |count| (Count(count.0 + 1), count.0));
        let overtaken = Cell::new(false);
        let seen = word.step(
            || Count(7),
            |count| {
                if !overtaken.replace(true) {
                    assert_eq!(step(), 7);
                }
                (Count(count.0 + 1), count.0)
            },
        );
        assert_eq!((seen, step()), (8, 9));
    }
}
