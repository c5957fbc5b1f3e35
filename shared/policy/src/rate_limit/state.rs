//! What one limit remembers, whatever its algorithm.

use std::time::Duration;

use super::{FixedWindow, RateAlgorithm, RateLimit, RateVerdict, SlidingWindow};
use super::{TokenBucket, WarmingBucket};
use crate::Tick;

/// The state of a limit, or of one key of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitState {
    /// Token bucket or leaky bucket.
    Bucket(TokenBucket),
    /// One of them, with a warm-up.
    Warming(WarmingBucket),
    /// Fixed window.
    Fixed(FixedWindow),
    /// Sliding window.
    Sliding(SlidingWindow),
}

impl LimitState {
    /// The state before the first call. Only with these `rules` may it be asked.
    pub fn new(rules: &RateLimit) -> LimitState {
        match (rules.algorithm, rules.warm_up) {
            (RateAlgorithm::TokenBucket | RateAlgorithm::LeakyBucket, None) => {
                LimitState::Bucket(TokenBucket::default())
            }
            (RateAlgorithm::TokenBucket | RateAlgorithm::LeakyBucket, Some(_)) => {
                LimitState::Warming(WarmingBucket::default())
            }
            (RateAlgorithm::FixedWindow, _) => LimitState::Fixed(FixedWindow::default()),
            (RateAlgorithm::SlidingWindow, _) => LimitState::Sliding(SlidingWindow::default()),
        }
    }

    /// A call came: may it go on?
    /// `patience` is the longest wait that is of use to it.
    pub fn take(&mut self, rules: &RateLimit, now: Tick, patience: Duration) -> RateVerdict {
        match self {
            LimitState::Bucket(bucket) => step(bucket, bucket.take(rules, now, patience)),
            LimitState::Warming(bucket) => step(bucket, bucket.take(rules, now, patience)),
            LimitState::Fixed(window) => step(window, window.take(rules, now)),
            LimitState::Sliding(window) => window.take(rules, now),
        }
    }

    /// It is as if it had never been asked: to forget it changes nothing.
    pub fn is_at_rest(&self, rules: &RateLimit, now: Tick) -> bool {
        match self {
            LimitState::Bucket(bucket) => bucket.resets_at() <= now,
            LimitState::Warming(bucket) => bucket.is_at_rest(now),
            LimitState::Fixed(window) => window.is_at_rest(rules, now),
            LimitState::Sliding(window) => window.is_at_rest(rules, now),
        }
    }
}

fn step<S>(state: &mut S, (next, verdict): (S, RateVerdict)) -> RateVerdict {
    *state = next;
    verdict
}
