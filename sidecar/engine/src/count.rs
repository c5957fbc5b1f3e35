//! Counts that go down again: how much is held, how many wait. Below zero is our bug, and tests see it.
//!
//! A contained panic may leave a count wrong until `panic/rebuild.rs` counts again at the end of the turn.
//! Until then, and in release builds, a count stays at zero.

use std::cell::Cell;

use crate::engine::Engine;

impl Engine {
    /// In debug builds: panics if `holds` is false, except in the turn of a contained panic.
    pub(crate) fn assert_sound(&self, holds: bool, what: &str) {
        debug_assert!(holds || self.calls.is_damaged(), "{what}");
    }

    /// `count` less `by`, which is in it.
    pub(crate) fn less(&self, count: usize, by: usize) -> usize {
        self.assert_sound(by <= count, "a count below zero");
        count.saturating_sub(by)
    }

    /// Takes one call off `count`, which has it.
    pub(crate) fn less_one(&self, count: &Cell<u32>) {
        self.assert_sound(count.get() > 0, "a count below zero");
        count.set(count.get().saturating_sub(1));
    }

    /// So many octets are no longer kept for a retry.
    pub(crate) fn release_replay_bytes(&mut self, bytes: usize) {
        self.replay_bytes = self.less(self.replay_bytes, bytes);
    }
}

// What debug builds assert, release builds pass over.
#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    #[should_panic(expected = "a count below zero")]
    fn a_count_below_zero_is_seen() {
        let engine = Engine::new(Settings::new("orders"), 1);
        engine.less_one(&Cell::new(0));
    }

    #[test]
    fn in_the_turn_of_a_contained_panic_a_count_stays_at_zero() {
        let engine = Engine::new(Settings::new("orders"), 1);
        engine.calls.note_panic();
        assert_eq!(engine.less(1, 2), 0);
        engine.calls.note_rebuilt();
        assert_eq!(engine.less(2, 1), 1);
    }
}
