//! Retries: decide, pay for it, wait.

mod backoff;
mod budget;
mod decide;
mod pushback;

pub use backoff::BackOff;
pub use budget::{BudgetRules, RetryBudget};
pub use decide::{
    AttemptEnd, CallFacts, Processed, RetryPolicy, StopReason, Verdict, decide_retry,
};
pub use pushback::Pushback;
