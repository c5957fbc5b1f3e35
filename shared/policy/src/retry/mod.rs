//! Retries: decide, pay for it, wait.

mod attempt;
mod decide;
mod policy;

mod backoff;
mod budget;
mod pushback;

#[cfg(test)]
mod properties;

pub use attempt::{AttemptEnd, CallFacts, Processed};
pub use backoff::BackOff;
pub use budget::{BudgetRules, RetryBudget};
pub use decide::{StopReason, Verdict, decide_retry};
pub use policy::RetryPolicy;
pub use pushback::Pushback;
