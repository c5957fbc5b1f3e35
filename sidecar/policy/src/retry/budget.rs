//! Retry budget: retries stay a small share of the calls, whatever fails.
//!
//! Two purses. Every call puts `percent` of a token into the first, which forgets over 10 s;
//! time alone fills the second at `min_per_second`. A retry is paid if the fuller one holds a
//! whole token, and it is taken from both: so the allowance is the larger of the two, not
//! their sum. Charged when the retry is decided, not when it is sent, and never given back.
//!
//! Shared between workers, so the value packs into one word: time is kept in steps of 100 ms.
//! The idea of a budget is Finagle's; gRFC A6 throttles to the same end.

use crate::Tick;

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

    /// The whole state in one word.
    pub const fn to_bits(self) -> u64 {
        (self.step as u64) << (2 * PURSE_BITS)
            | (self.by_calls as u64) << PURSE_BITS
            | self.by_time as u64
    }

    /// The inverse of [`to_bits`](RetryBudget::to_bits); every word is a legal state.
    pub const fn from_bits(bits: u64) -> RetryBudget {
        RetryBudget {
            by_calls: (bits >> PURSE_BITS) as u32 & PURSE_MAX,
            by_time: bits as u32 & PURSE_MAX,
            step: (bits >> (2 * PURSE_BITS)) as u32,
        }
    }

    /// Lets time pass. A `now` behind another worker's changes nothing.
    fn at(self, rules: &BudgetRules, now: Tick) -> RetryBudget {
        let step = step_of(now).max(self.step);
        let steps = step - self.step;
        let income = rules
            .min_per_second
            .saturating_mul(TOKEN / 10)
            .saturating_mul(steps);
        RetryBudget {
            by_calls: forget(self.by_calls, steps),
            by_time: self
                .by_time
                .saturating_add(income)
                .min(time_purse_max(rules)),
            step,
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
