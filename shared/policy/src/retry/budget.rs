//! Retry budget: retries stay a small share of the calls, whatever fails.
//!
//! Two purses. Every call puts `percent` of a token into the first, which forgets over 10 s;
//! time alone fills the second at `min_per_second`. A retry is paid if the fuller one holds a
//! whole token, and it is taken from both: so the allowance is the larger of the two, not
//! their sum. Charged when the retry is decided, not when it is sent, and never given back.
//!
//! Shared between workers, so the value packs into one word: time is kept in steps of 100 ms.
//! The idea of a budget is Finagle's; gRFC A6 throttles to the same end.

use crate::{Tick, Word};

/// One retry, in hundredths of a token; a call earns `percent` of these.
const TOKEN: u32 = 100;
/// A step of time. Nanoseconds.
const STEP_NANOS: u64 = 100_000_000;
/// Steps in the 10 s over which calls are remembered.
const WINDOW_STEPS: u32 = 100;
/// A full purse is empty long before this many steps (10 minutes).
const FORGET_STEPS: u32 = 6_000;

const PURSE_BITS: u32 = 17;
/// Most that a purse holds: 1,310 tokens. A larger allowance loses only depth for bursts: the
/// rate at which it fills stays what the rules say.
const PURSE_MAX: u32 = (1 << PURSE_BITS) - 1;
const STEP_BITS: u32 = 64 - 2 * PURSE_BITS;
/// 30 bits of 100 ms are 3.4 years; after that the budget neither forgets nor fills by time.
const STEP_MAX: u64 = (1 << STEP_BITS) - 1;

/// How many retries are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BudgetRules {
    /// Retries as a share of the calls of the last 10 s. Percent, 0 to 100; default 20.
    pub percent: u8,
    /// Retries per second that are allowed however few the calls; up to 10 s of them may be
    /// saved. Default 3; 0 leaves the share alone.
    pub min_per_second: u32,
}

impl Default for BudgetRules {
    fn default() -> BudgetRules {
        BudgetRules {
            percent: 20,
            min_per_second: 3,
        }
    }
}

/// What is left to spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RetryBudget {
    // Invariant: by_calls <= PURSE_MAX, by_time <= PURSE_MAX, step <= STEP_MAX.
    by_calls: u32,
    by_time: u32,
    step: u32,
}

impl RetryBudget {
    /// A budget that starts at `now` with the time purse full: the first failure of a young
    /// process may be retried.
    pub fn new(rules: &BudgetRules, now: Tick) -> RetryBudget {
        RetryBudget {
            by_calls: 0,
            by_time: time_purse_max(rules),
            step: step_of(now),
        }
    }

    /// A call arrived (a call, not an attempt).
    pub fn call_seen(self, rules: &BudgetRules, now: Tick) -> RetryBudget {
        let seen = self.at(rules, now);
        let by_calls = (seen.by_calls + u32::from(rules.percent.min(100))).min(PURSE_MAX);
        RetryBudget { by_calls, ..seen }
    }

    /// A retry was decided: may it be made?
    pub fn spend(self, rules: &BudgetRules, now: Tick) -> (RetryBudget, bool) {
        let before = self.at(rules, now);
        if before.by_calls.max(before.by_time) < TOKEN {
            return (before, false);
        }
        let after = RetryBudget {
            by_calls: before.by_calls.saturating_sub(TOKEN),
            by_time: before.by_time.saturating_sub(TOKEN),
            ..before
        };
        (after, true)
    }

    /// Lets time pass. A `now` behind another worker's changes nothing.
    fn at(self, rules: &BudgetRules, now: Tick) -> RetryBudget {
        let step = step_of(now).max(self.step);
        let steps = step - self.step;
        let income = rules
            .min_per_second
            .saturating_mul(TOKEN / 10)
            .saturating_mul(steps);
        // Where no share is allowed, none that was earned before the rules changed is left.
        let by_calls = match rules.percent {
            0 => 0,
            _ => forget(self.by_calls, steps),
        };
        RetryBudget {
            by_calls,
            by_time: self
                .by_time
                .saturating_add(income)
                .min(time_purse_max(rules)),
            step,
        }
    }
}

/// Only a budget whose step is 3.4 years old packs to `u64::MAX`.
impl Word for RetryBudget {
    fn to_bits(self) -> u64 {
        u64::from(self.step) << (2 * PURSE_BITS)
            | u64::from(self.by_calls) << PURSE_BITS
            | u64::from(self.by_time)
    }

    fn from_bits(bits: u64) -> RetryBudget {
        RetryBudget {
            by_calls: (bits >> PURSE_BITS) as u32 & PURSE_MAX,
            by_time: bits as u32 & PURSE_MAX,
            step: (bits >> (2 * PURSE_BITS)) as u32,
        }
    }
}

/// A hundredth goes with every step, rounded up so that an idle budget ends at nothing.
fn forget(purse: u32, steps: u32) -> u32 {
    if steps >= FORGET_STEPS {
        return 0;
    }
    (0..steps).fold(purse, |left, _| left - left.div_ceil(WINDOW_STEPS))
}

fn time_purse_max(rules: &BudgetRules) -> u32 {
    rules
        .min_per_second
        .saturating_mul(10 * TOKEN)
        .min(PURSE_MAX)
}

fn step_of(now: Tick) -> u32 {
    (now.as_nanos() / STEP_NANOS).min(STEP_MAX) as u32
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const fn ms(millis: u64) -> Tick {
        Tick::from_nanos(millis * 1_000_000)
    }

    /// Spends until the budget refuses.
    fn drain(budget: RetryBudget, rules: &BudgetRules, now: Tick) -> (RetryBudget, u32) {
        let mut state = budget;
        for paid in 0.. {
            let (next, allowed) = state.spend(rules, now);
            state = next;
            if !allowed {
                return (state, paid);
            }
        }
        unreachable!("a budget is finite")
    }

    fn calls(budget: RetryBudget, rules: &BudgetRules, now: Tick, count: u32) -> RetryBudget {
        (0..count).fold(budget, |budget, _| budget.call_seen(rules, now))
    }

    #[test]
    fn time_alone_pays_three_a_second_and_saves_ten_seconds_of_it() {
        let rules = BudgetRules::default();
        let (budget, saved) = drain(RetryBudget::new(&rules, ms(0)), &rules, ms(0));
        assert_eq!(saved, 30);
        let (budget, paid) = drain(budget, &rules, ms(1_000));
        assert_eq!(paid, 3);
        let (_, paid) = drain(budget, &rules, ms(3_600_000));
        assert_eq!(paid, 30);
    }

    #[test]
    fn a_fifth_of_the_calls_is_paid_when_that_is_more() {
        let rules = BudgetRules::default();
        let budget = calls(RetryBudget::new(&rules, ms(0)), &rules, ms(0), 1_000);
        assert_eq!(drain(budget, &rules, ms(0)).1, 200);
    }

    #[test]
    fn the_allowance_is_the_larger_purse_and_not_the_sum() {
        let rules = BudgetRules::default();
        let budget = calls(RetryBudget::new(&rules, ms(0)), &rules, ms(0), 150);
        assert_eq!(drain(budget, &rules, ms(0)).1, 30);
    }

    #[test]
    fn calls_are_forgotten_over_ten_seconds() {
        let rules = BudgetRules {
            min_per_second: 0,
            ..BudgetRules::default()
        };
        let budget = calls(RetryBudget::new(&rules, ms(0)), &rules, ms(0), 1_000);
        let after_ten_seconds = drain(budget, &rules, ms(10_000)).1;
        // 37 % of 200, less the rounding up of each step.
        assert!(
            (65..=74).contains(&after_ten_seconds),
            "{after_ten_seconds}"
        );
        assert_eq!(drain(budget, &rules, ms(120_000)).1, 0);
        assert_eq!(drain(budget, &rules, Tick::MAX).1, 0);
    }

    #[test]
    fn rules_of_zero_allow_nothing() {
        let rules = BudgetRules {
            percent: 0,
            min_per_second: 0,
        };
        let budget = calls(RetryBudget::new(&rules, ms(0)), &rules, ms(0), 1_000);
        assert_eq!(drain(budget, &rules, ms(60_000)).1, 0);
    }

    #[test]
    fn a_clock_behind_another_workers_earns_nothing() {
        let rules = BudgetRules::default();
        let (drained, _) = drain(RetryBudget::new(&rules, ms(0)), &rules, ms(5_000));
        assert_eq!(drained.spend(&rules, ms(4_000)), (drained, false));
    }

    #[test]
    fn packing_keeps_steps_of_100_ms_and_purses_of_1310_tokens() {
        let rules = BudgetRules {
            percent: 100,
            min_per_second: u32::MAX,
        };
        let budget = calls(RetryBudget::new(&rules, ms(0)), &rules, ms(199), 2_000);
        assert_eq!(
            (budget.step, budget.by_calls, budget.by_time),
            (1, PURSE_MAX, PURSE_MAX)
        );
        assert_eq!(RetryBudget::from_bits(budget.to_bits()), budget);
        assert_eq!(drain(budget, &rules, ms(199)).1, 1_310);
        let last = RetryBudget::new(&rules, Tick::MAX);
        assert_eq!(u64::from(last.step), STEP_MAX);
        assert_eq!(RetryBudget::from_bits(last.to_bits()), last);
    }

    proptest! {
        #[test]
        fn every_word_is_a_legal_state(bits: u64, now: u64) {
            let budget = RetryBudget::from_bits(bits);
            prop_assert_eq!(budget.to_bits(), bits);
            let rules = BudgetRules::default();
            let (next, _) = budget.call_seen(&rules, Tick::from_nanos(now)).spend(&rules, Tick::MAX);
            prop_assert_eq!(RetryBudget::from_bits(next.to_bits()), next);
        }

        /// Whatever comes when: retries <= 20 % of calls + 3/s + the 30 saved at the start.
        #[test]
        fn attempts_never_exceed_calls_by_more_than_a_fifth_and_the_floor(
            events in proptest::collection::vec((0u64..2_000, 0u32..60, 0u32..60), 1..60),
        ) {
            let rules = BudgetRules::default();
            let mut budget = RetryBudget::new(&rules, ms(0));
            let (mut now_ms, mut seen, mut paid) = (0, 0, 0);
            for (pause_ms, arriving, wanted) in events {
                now_ms += pause_ms;
                budget = calls(budget, &rules, ms(now_ms), arriving);
                seen += arriving;
                for _ in 0..wanted {
                    let (next, allowed) = budget.spend(&rules, ms(now_ms));
                    budget = RetryBudget::from_bits(next.to_bits());
                    paid += u32::from(allowed);
                }
                let floor = 30.0 + 3.0 * Duration::from_millis(now_ms).as_secs_f64();
                prop_assert!(f64::from(paid) <= 0.2 * f64::from(seen) + floor);
            }
        }

        /// Every attempt fails and is to be retried: a steady load grows by a fifth at most.
        #[test]
        fn a_steady_load_above_the_floor_grows_by_a_fifth(per_second in 15u32..300) {
            let rules = BudgetRules::default();
            let mut budget = RetryBudget::new(&rules, ms(0));
            let mut paid = 0;
            for call in 0..u64::from(per_second) * 60 {
                let now = ms(call * 1_000 / u64::from(per_second));
                let (next, allowed) = budget.call_seen(&rules, now).spend(&rules, now);
                budget = next;
                paid += u32::from(allowed);
            }
            prop_assert!(paid <= per_second * 60 / 5 + 30);
            prop_assert!(paid >= per_second * 60 / 5 * 9 / 10, "{} of {}", paid, per_second * 60);
        }
    }
}
