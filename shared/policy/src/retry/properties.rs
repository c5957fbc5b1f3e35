//! What must hold of retries under any sequence of failures, decision and budget together.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    AttemptEnd, BudgetRules, CallFacts, Processed, Pushback, RetryBudget, RetryPolicy, Verdict,
    decide_retry,
};
use crate::{Code, Tick};

/// The facts of a call that was not tried yet.
fn fresh_call(idempotent: bool, remaining: Duration) -> CallFacts {
    CallFacts {
        idempotent,
        attempts: 0,
        replayable: true,
        committed: false,
        remaining: Some(remaining),
        may_retry: true,
        free_replay_used: false,
    }
}

fn any_end() -> impl Strategy<Value = AttemptEnd> {
    let codes = (0u32..17).prop_map(Code::from_u32);
    let processed = prop_oneof![
        Just(Processed::Yes),
        Just(Processed::No),
        Just(Processed::Unknown)
    ];
    let pushback = prop_oneof![
        Just(None),
        Just(Some(Pushback::Stop)),
        (0u64..2_000).prop_map(|millis| Some(Pushback::After(Duration::from_millis(millis)))),
    ];
    (codes, processed, pushback, any::<bool>()).prop_map(|(code, processed, pushback, refused)| {
        AttemptEnd {
            code,
            processed: if refused { Processed::No } else { processed },
            pushback,
            refused,
        }
    })
}

/// Tells a call that an attempt ended so, and takes the time of the wait from what is left.
fn step(policy: &RetryPolicy, facts: &mut CallFacts, end: &AttemptEnd, random: u64) -> Verdict {
    let is_free = end.refused && !facts.free_replay_used;
    facts.attempts += u8::from(!is_free);
    let verdict = decide_retry(policy, facts, end, random);
    if let Verdict::Retry { after, free } = verdict {
        facts.free_replay_used |= free;
        facts.remaining = facts.remaining.map(|left| left.saturating_sub(after));
    }
    verdict
}

proptest! {
    /// Attempts are bounded, none starts at or after the deadline, and what may have been
    /// processed is repeated only if the method is idempotent.
    #[test]
    fn a_call_is_safe_whatever_its_attempts_end_in(
        ends in proptest::collection::vec(any_end(), 1..20),
        idempotent: bool,
        attempts_max in 1u8..=5,
        remaining_ms in 0u64..3_000,
        random: u64,
    ) {
        let policy = RetryPolicy { attempts_max, ..RetryPolicy::default() };
        let mut facts = fresh_call(idempotent, Duration::from_millis(remaining_ms));
        let mut sent = 1;
        for end in ends {
            let Verdict::Retry { free, .. } = step(&policy, &mut facts, &end, random) else {
                break;
            };
            sent += 1;
            prop_assert!(facts.remaining > Some(Duration::ZERO), "it starts before the deadline");
            prop_assert!(idempotent || end.processed == Processed::No);
            prop_assert!(free || end.pushback != Some(Pushback::Stop));
        }
        prop_assert!(sent <= u32::from(attempts_max) + 1);
    }

    /// An endpoint that fails every attempt gets at most 1.2 attempts a call, the floor and what
    /// was saved at the start, whatever the policy allows a single call; one more a call when it
    /// says each time that it did nothing.
    #[test]
    fn a_failing_service_is_not_stormed(
        bursts in proptest::collection::vec((0u64..3_000, 0u32..80), 1..60),
        attempts_max in 1u8..=5,
        refused: bool,
    ) {
        let policy = RetryPolicy { attempts_max, ..RetryPolicy::default() };
        let rules = BudgetRules::default();
        let each = if refused { 2.2 } else { 1.2 };
        let end = AttemptEnd {
            code: Code::Unavailable,
            processed: Processed::No,
            pushback: None,
            refused,
        };
        let mut now = Tick::ZERO;
        let mut budget = RetryBudget::new(&rules, now);
        let (mut calls, mut attempts) = (0, 0);
        for (pause_ms, arriving) in bursts {
            now = now + Duration::from_millis(pause_ms);
            for _ in 0..arriving {
                calls += 1;
                attempts += 1;
                budget = budget.call_seen(&rules, now);
                let mut facts = fresh_call(true, Duration::MAX);
                while let Verdict::Retry { free, .. } = step(&policy, &mut facts, &end, 0) {
                    if !free {
                        let (next, allowed) = budget.spend(&rules, now);
                        budget = next;
                        if !allowed {
                            break;
                        }
                    }
                    attempts += 1;
                }
            }
            let floor = 30.0 + 3.0 * now.since(Tick::ZERO).as_secs_f64();
            prop_assert!(f64::from(attempts) <= each * f64::from(calls) + floor);
        }
    }
}
