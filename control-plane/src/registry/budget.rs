//! Limits how often a member may join and leave: each change is a disk write and a publication.
//!
//! Leaving is never delayed, only joining: a member that has changed too often becomes an endpoint
//! again with its first announcement after the window.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::members::MemberId;

/// Most changes of one member in a [`WINDOW`]; with more it may not join. 5: an application that
/// restarts twice.
const CHANGES_MAX: usize = 5;

/// 10 s.
const WINDOW: Duration = Duration::from_secs(10);

/// The last changes of each member.
#[derive(Debug, Default)]
pub(super) struct ChangeBudget(BTreeMap<MemberId, VecDeque<Duration>>);

impl ChangeBudget {
    /// A member joined or left.
    pub fn count(&mut self, now: Duration, member: MemberId) {
        let changes = self.0.entry(member).or_default();
        if changes.len() == CHANGES_MAX {
            changes.pop_front();
        }
        changes.push_back(now);
    }

    /// How long the member may not join yet; zero: it may.
    pub fn wait(&self, now: Duration, member: MemberId) -> Duration {
        let changes = self.0.get(&member);
        let full = changes.filter(|changes| changes.len() == CHANGES_MAX);
        let oldest = full.and_then(VecDeque::front);
        oldest.map_or(Duration::ZERO, |at| (*at + WINDOW).saturating_sub(now))
    }

    /// Forgets members that have changed nothing for a window.
    pub fn sweep(&mut self, now: Duration) {
        self.0
            .retain(|_, changes| changes.back().is_some_and(|last| *last + WINDOW > now));
    }
}

/// Why a member is no endpoint for `wait`.
pub(super) fn changed_too_often(wait: Duration) -> String {
    let seconds = wait.as_secs() + 1;
    format!(
        "it changed more than {CHANGES_MAX} times in {} s: it is an endpoint again in {seconds} s",
        WINDOW.as_secs()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_changes_in_ten_seconds_and_the_next_when_the_first_is_over() {
        let member = MemberId::new([1; 8]);
        let mut budget = ChangeBudget::default();
        let seconds = Duration::from_secs;
        for at in 0..5 {
            assert_eq!(budget.wait(seconds(at), member), Duration::ZERO, "{at}");
            budget.count(seconds(at), member);
        }
        assert_eq!(budget.wait(seconds(5), member), seconds(5));
        assert_eq!(budget.wait(seconds(5), MemberId::UNKNOWN), Duration::ZERO);
        assert_eq!(budget.wait(seconds(10), member), Duration::ZERO);
        budget.sweep(seconds(13));
        assert_eq!(budget.0.len(), 1);
        budget.sweep(seconds(14));
        assert_eq!(budget.0.len(), 0);
    }
}
