//! A cluster's retry budget, one for all workers.

use outrider_policy::{BudgetRules, RetryBudget, Tick};

use super::atomic_word::AtomicWord;

/// A retry budget shared by all workers of the process. It begins with its first call.
#[derive(Debug, Default)]
pub(crate) struct SharedBudget(AtomicWord<RetryBudget>);

impl SharedBudget {
    /// A call was received: it earns its share of a retry.
    pub(crate) fn call_seen(&self, rules: &BudgetRules, now: Tick) {
        self.step(rules, now, |budget| (budget.call_seen(rules, now), ()));
    }

    /// Pays for one retry; `false` when the budget is spent.
    pub(crate) fn spend(&self, rules: &BudgetRules, now: Tick) -> bool {
        self.step(rules, now, |budget| budget.spend(rules, now))
    }

    fn step<T>(
        &self,
        rules: &BudgetRules,
        now: Tick,
        advance: impl Fn(RetryBudget) -> (RetryBudget, T),
    ) -> T {
        self.0.step(|| RetryBudget::new(rules, now), advance)
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
