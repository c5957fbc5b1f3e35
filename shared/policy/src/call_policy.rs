//! What one route wants of its calls: times, contract and retries, already effective.
//!
//! Which timeouts apply to which method was decided when the configuration was rendered, not here.

use std::time::Duration;

use crate::{RetryPolicy, Sampling};

/// The effective policy of a route. The default invents no deadline and retries only what is
/// provably unprocessed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallPolicy {
    /// Longest time for the whole call, all attempts included. Default none.
    pub timeout: Option<Duration>,
    /// Longest time for one attempt; at most `timeout`. Default none.
    pub per_try_timeout: Option<Duration>,
    /// Longest time a call waits, within its deadline, while no endpoint can be reached. Default none:
    /// it fails at once when its tries have, as in gRPC without `wait_for_ready`.
    pub wait_for_ready: Option<Duration>,
    /// One request message, one response message. The wire does not show it: a document or a
    /// descriptor declares it. Default false.
    pub unary: bool,
    /// Doing it twice is doing it once. Default false.
    pub idempotent: bool,
    /// When and how often to try again.
    pub retry: RetryPolicy,
    /// Which of the traces that begin with a call of this route are recorded. Default 1 %.
    pub sampling: Sampling,
}

impl CallPolicy {
    /// What contradicts itself or leaves its range, as (field, problem).
    pub(crate) fn problem(&self) -> Option<(&'static str, &'static str)> {
        if let (Some(whole), Some(one)) = (self.timeout, self.per_try_timeout)
            && one > whole
        {
            return Some((
                "per_try_timeout",
                "longer than the timeout of the whole call",
            ));
        }
        self.retry.problem()
    }
}
