//! Rate limits: may a call go on now, later, or not at all?
//!
//! [`RateLimit`] is what the operator says. [`LimitState`] is what one limit remembers, [`KeyTable`]
//! the same for a limit that counts each method, caller or header value by itself. Each algorithm is
//! a file. What fits into one word is a [`Word`](crate::Word), so that workers share it without a lock.
//!
//! Unknown here: which call it is, who waits, and what the answer to a refused call looks like.

mod bucket;
mod fixed_window;
mod keys;
mod rules;
mod sliding_window;
mod state;
mod verdict;
mod warm_up;

#[cfg(test)]
mod known_settings;
#[cfg(test)]
mod properties;

pub use bucket::TokenBucket;
pub use fixed_window::FixedWindow;
pub use keys::KeyTable;
pub use rules::{LimitField, LimitKey, RateAlgorithm, RateLimit};
pub use sliding_window::SlidingWindow;
pub use state::LimitState;
pub use verdict::RateVerdict;
pub use warm_up::WarmingBucket;
