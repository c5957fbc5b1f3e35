//! Deadline arithmetic: one absolute point in time for a call and all its attempts.
//!
//! The clock starts at the first HEADERS of the call, not at its half close. A deadline only
//! ever moves nearer: every function here returns at most what it was given.

use std::time::Duration;

use crate::Tick;

/// The deadline of a call that arrived at `arrived`: the nearer of what the caller asked
/// (`grpc-timeout`) and what the policy allows; `None` if neither says anything.
pub fn earliest(
    arrived: Tick,
    grpc_timeout: Option<Duration>,
    policy_timeout: Option<Duration>,
) -> Option<Tick> {
    let timeouts = [grpc_timeout, policy_timeout];
    timeouts
        .into_iter()
        .flatten()
        .min()
        .map(|timeout| arrived + timeout)
}

/// The deadline of an attempt that starts at `now`, within the deadline of its call.
pub fn of_attempt(
    now: Tick,
    call_deadline: Option<Tick>,
    per_try_timeout: Option<Duration>,
) -> Option<Tick> {
    let attempt_deadline = per_try_timeout.map(|timeout| now + timeout);
    [call_deadline, attempt_deadline]
        .into_iter()
        .flatten()
        .min()
}

/// Time left until `deadline`; zero once it has passed.
pub fn remaining(deadline: Tick, now: Tick) -> Duration {
    deadline.since(now)
}

/// Has `deadline` passed? It has at the very tick it names.
pub fn is_over(deadline: Tick, now: Tick) -> bool {
    now >= deadline
}
