//! Panics on purpose, for tests and the simulation: a countdown in the places where one could happen.
//!
//! Outside of them it is nothing at all: no state, no instruction.

#[cfg(any(test, feature = "simulation"))]
use std::cell::RefCell;
#[cfg(any(test, feature = "simulation"))]
use std::collections::VecDeque;
#[cfg(any(test, feature = "simulation"))]
use std::rc::Rc;

/// Where a panic strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failpoint {
    /// While an event of a call is handled.
    Call,
    /// Inside a connection's HTTP/2, in the middle of a field block among others.
    Codec,
}

/// How often each place may still be passed before it panics, and after that, and so on. Its clones
/// burn together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failpoints {
    #[cfg(any(test, feature = "simulation"))]
    left: Rc<[RefCell<VecDeque<u32>>; 2]>,
}

impl Failpoints {
    /// This place is passed once more; panics if that was once too often.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn hit(&self, at: Failpoint) {
        let mut left = self.left[at as usize].borrow_mut();
        if let Some(first) = left.front_mut() {
            *first = first.saturating_sub(1);
            if *first == 0 {
                left.pop_front();
                drop(left);
                std::panic::panic_any(InjectedPanic);
            }
        }
    }

    /// Nothing burns outside of tests.
    #[cfg(not(any(test, feature = "simulation")))]
    #[inline(always)]
    pub(crate) fn hit(&self, _: Failpoint) {}

    /// Panics the `counts[0]`th time from now that `at` is passed, the `counts[1]`th after that...
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn arm(&self, at: Failpoint, counts: &[u32]) {
        self.left[at as usize].replace(counts.iter().copied().collect());
    }
}

/// What an injected panic carries, so that a hook can tell it from a real one.
#[cfg(any(test, feature = "simulation"))]
#[derive(Clone, Copy, Debug)]
pub struct InjectedPanic;
