//! What the workers of the process share of a cluster.
//!
//! It survives each change of configuration that does not concern it: the budget as long as there is the
//! cluster, a rate limit as long as its settings are the same.

use std::sync::{Arc, OnceLock};

use outrider_policy::RateLimit;

use super::shared_budget::SharedBudget;
use super::shared_limit::SharedLimit;

/// State of a cluster, one for all workers. A clone is the same state.
#[derive(Clone, Debug, Default)]
pub struct SharedState {
    pub(crate) budget: Arc<SharedBudget>,
    /// Made at the first look, or from the state of the version before.
    limits: OnceLock<Vec<Arc<SharedLimit>>>,
}

impl SharedState {
    /// The limits of these rules, which are the cluster's, in their order.
    pub(crate) fn limits(&self, rules: &[RateLimit]) -> &[Arc<SharedLimit>] {
        let make = |rules| Arc::new(SharedLimit::new(rules));
        self.limits.get_or_init(|| rules.iter().map(make).collect())
    }

    /// The state of a cluster under new `rules`, with what is left of that under the `old` ones.
    pub(crate) fn under(&self, old: &[RateLimit], rules: &[RateLimit]) -> SharedState {
        let known = self.limits(old);
        let limit = |rules: &RateLimit| {
            let kept = known.iter().find(|limit| limit.rules == *rules);
            kept.map_or_else(|| Arc::new(SharedLimit::new(rules)), Arc::clone)
        };
        SharedState {
            budget: Arc::clone(&self.budget),
            limits: OnceLock::from(rules.iter().map(limit).collect::<Vec<_>>()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_survives_a_change_of_the_others() {
        let [a, b, c] = ["a", "b", "c"].map(|name| RateLimit::new(name, 1));
        let faster = RateLimit {
            limit: 2,
            ..a.clone()
        };
        let (old, new) = ([a, b], [faster, c, RateLimit::new("b", 1)]);
        let before = SharedState::default();
        let after = before.under(&old, &new);
        let kept = |old_index: usize, new_index: usize| {
            Arc::ptr_eq(
                &before.limits(&old)[old_index],
                &after.limits(&new)[new_index],
            )
        };
        assert!(kept(1, 2));
        assert!(!kept(0, 0));
        assert!(Arc::ptr_eq(&before.budget, &after.budget));
    }
}
