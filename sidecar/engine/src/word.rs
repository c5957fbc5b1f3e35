//! State that several workers must agree on: a `Copy` value in one atomic word.
//!
//! All memory orderings of the sidecar's decision state are in this file. The rules themselves are
//! pure steps in `policy`; here they run in a compare-exchange loop.

use std::sync::atomic::{AtomicU64, Ordering};

use outrider_policy::{BudgetRules, RetryBudget, Tick};

/// A retry budget shared by all workers of the process.
#[derive(Debug, Default)]
pub struct SharedBudget(AtomicU64);

impl SharedBudget {
    /// A call was received: it earns its share of a retry.
    pub fn call_seen(&self, rules: &BudgetRules, now: Tick) {
        self.step(|budget| (budget.call_seen(rules, now), ()));
    }

    /// Pays for one retry; `false` when the budget is spent.
    pub fn spend(&self, rules: &BudgetRules, now: Tick) -> bool {
        self.step(|budget| budget.spend(rules, now))
    }

    // Relaxed is enough: the word is the whole state, nothing else is published through it.
    fn step<T>(&self, advance: impl Fn(RetryBudget) -> (RetryBudget, T)) -> T {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let (next, answer) = advance(RetryBudget::from_bits(seen));
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
