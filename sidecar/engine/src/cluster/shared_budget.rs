//! State that several workers must agree on: a `Copy` value in one atomic word.
//!
//! All memory orderings of the sidecar's decision state are in this file. The rules themselves are
//! pure steps in `policy`; here they run in a compare-exchange loop.

use std::sync::atomic::{AtomicU64, Ordering};

use outrider_policy::{BudgetRules, RetryBudget, Tick};

/// No budget packs to this (its step would be 3.4 years old): nobody has used the word yet.
const UNUSED: u64 = u64::MAX;

/// A retry budget shared by all workers of the process. It begins with its first call.
#[derive(Debug)]
pub struct SharedBudget(AtomicU64);

impl Default for SharedBudget {
    fn default() -> SharedBudget {
        SharedBudget(AtomicU64::new(UNUSED))
    }
}

impl SharedBudget {
    /// A call was received: it earns its share of a retry.
    pub fn call_seen(&self, rules: &BudgetRules, now: Tick) {
        self.step(rules, now, |budget| (budget.call_seen(rules, now), ()));
    }

    /// Pays for one retry; `false` when the budget is spent.
    pub fn spend(&self, rules: &BudgetRules, now: Tick) -> bool {
        self.step(rules, now, |budget| budget.spend(rules, now))
    }

    // Relaxed is enough: the word is the whole state, nothing else is published through it.
    fn step<T>(
        &self,
        rules: &BudgetRules,
        now: Tick,
        advance: impl Fn(RetryBudget) -> (RetryBudget, T),
    ) -> T {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let budget = match seen {
                UNUSED => RetryBudget::new(rules, now),
                bits => RetryBudget::from_bits(bits),
            };
            let (next, answer) = advance(budget);
            match self.0.compare_exchange_weak(
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
    use outrider_policy::{BudgetRules, Tick};

    use super::SharedBudget;

    #[test]
    fn a_young_process_may_retry_but_not_without_end() {
        let (budget, rules) = (SharedBudget::default(), BudgetRules::default());
        let allowed = (0..1000)
            .filter(|_| budget.spend(&rules, Tick::ZERO))
            .count();
        assert!((1..100).contains(&allowed), "{allowed}");
    }
}
