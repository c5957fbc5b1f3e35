//! A rate limit of a cluster, one for all workers.
//!
//! What fits into one word is an atomic word. The rest is behind a lock, which is held for one decision:
//! a table of keys, a sliding window, a bucket that warms up.

use std::time::Duration;

use outrider_policy::{
    FixedWindow, KeyTable, LimitKey, LimitState, RateAlgorithm, RateLimit, RateVerdict, Tick,
    TokenBucket,
};

use super::atomic_word::AtomicWord;
use super::lock::Lock;

/// A rate limit with its state, shared by all workers of the process.
#[derive(Debug)]
pub(crate) struct SharedLimit {
    pub(crate) rules: RateLimit,
    state: State,
}

#[derive(Debug)]
enum State {
    Bucket(AtomicWord<TokenBucket>),
    Fixed(AtomicWord<FixedWindow>),
    Locked(Lock<LimitState>),
    /// `None` until the first call, which brings the seed.
    Keyed(Lock<Option<KeyTable>>),
}

impl SharedLimit {
    /// A limit that nothing has used yet.
    pub(crate) fn new(rules: &RateLimit) -> SharedLimit {
        SharedLimit {
            rules: rules.clone(),
            state: State::new(rules),
        }
    }

    /// A call came. `key` is what the limit counts by, `seed` gives a random number for a table of keys
    /// that is new, `patience` is the longest wait that is of use to the call.
    pub(crate) fn take(
        &self,
        key: &[u8],
        seed: impl FnOnce() -> u64,
        now: Tick,
        patience: Duration,
    ) -> RateVerdict {
        let rules = &self.rules;
        match &self.state {
            State::Bucket(word) => word.step(TokenBucket::default, |bucket| {
                bucket.take(rules, now, patience)
            }),
            State::Fixed(word) => word.step(FixedWindow::default, |window| window.take(rules, now)),
            State::Locked(lock) => lock.lock().take(rules, now, patience),
            State::Keyed(lock) => {
                let mut table = lock.lock();
                let table = table.get_or_insert_with(|| KeyTable::new(rules, seed()));
                table.take(key, rules, now, patience)
            }
        }
    }
}

impl State {
    fn new(rules: &RateLimit) -> State {
        if rules.key != LimitKey::Service {
            return State::Keyed(Lock::new(None));
        }
        match (rules.algorithm, rules.warm_up) {
            (RateAlgorithm::TokenBucket | RateAlgorithm::LeakyBucket, None) => {
                State::Bucket(AtomicWord::default())
            }
            (RateAlgorithm::FixedWindow, _) => State::Fixed(AtomicWord::default()),
            (RateAlgorithm::TokenBucket | RateAlgorithm::LeakyBucket, Some(_))
            | (RateAlgorithm::SlidingWindow, _) => State::Locked(Lock::new(LimitState::new(rules))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    /// Each kind of state, 1,000 calls in an hour.
    fn limits() -> Vec<RateLimit> {
        let rules = RateLimit {
            period: HOUR,
            ..RateLimit::new("orders", 1_000)
        };
        let of = |algorithm| RateLimit {
            algorithm,
            ..rules.clone()
        };
        let by_method = RateLimit {
            key: LimitKey::Method,
            ..rules.clone()
        };
        vec![
            of(RateAlgorithm::TokenBucket),
            of(RateAlgorithm::SlidingWindow),
            of(RateAlgorithm::FixedWindow),
            by_method,
        ]
    }

    #[test]
    fn calls_of_all_workers_together_get_exactly_the_limit() {
        for rules in limits() {
            let limit = SharedLimit::new(&rules);
            let take = |_: &u32| limit.take(b"/a.B/C", || 7, Tick::ZERO, Duration::ZERO);
            let admitted = |call: &u32| matches!(take(call), RateVerdict::Admit { .. });
            assert_eq!((0..4_000).filter(admitted).count(), 1_000, "{rules:?}");
        }
    }
}
