//! The one lock on the way of a call, for state that workers share and that is larger than a word.
//!
//! It is held for one decision, which is a pure step: no wait, no other lock, no look at a socket.

use std::sync::{MutexGuard, PoisonError};

/// A state behind a lock.
#[derive(Debug)]
#[expect(
    clippy::disallowed_types,
    reason = "workers must agree, and the state is larger than a word"
)]
pub(super) struct Lock<S>(std::sync::Mutex<S>);

#[expect(
    clippy::disallowed_types,
    reason = "workers must agree, and the state is larger than a word"
)]
impl<S> Lock<S> {
    pub(super) fn new(state: S) -> Lock<S> {
        Lock(std::sync::Mutex::new(state))
    }

    /// A step that panicked has left a state like any other.
    pub(super) fn lock(&self) -> MutexGuard<'_, S> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
