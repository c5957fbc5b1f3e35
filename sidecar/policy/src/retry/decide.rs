//! Retry decision: given how an attempt ended, try again or stop?
//!
//! Knows nothing of time sources, bodies, budgets or connections: the caller charges the
//! budget (see `RetryBudget`), waits and resends. Follows gRFC A6 for attempts, back-off,
//! pushback and transparent retries; differs from it in that a status alone is never enough
//! unless the method is declared idempotent.

use std::time::Duration;

use super::{BackOff, Pushback};
use crate::{Class, Code, CodeSet, Origin, classify_grpc};

/// Attempts that no configuration can exceed (gRFC A6).
const ATTEMPTS_CEILING: u8 = 5;

/// When and how often to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RetryPolicy {
    /// Attempts in all, the first included. 1 to 5; default 2; 1 turns retries off.
    pub attempts_max: u8,
    /// Codes that are retried for idempotent methods, or if the request was surely not
    /// processed. Default UNAVAILABLE.
    pub on: CodeSet,
    /// Waits between attempts.
    pub back_off: BackOff,
}

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy {
            attempts_max: 2,
            on: CodeSet::EMPTY.with(Code::Unavailable),
            back_off: BackOff::default(),
        }
    }
}

impl RetryPolicy {
    /// What leaves its range, as (field, problem).
    pub(crate) fn problem(&self) -> Option<(&'static str, &'static str)> {
        if !(1..=ATTEMPTS_CEILING).contains(&self.attempts_max) {
            return Some(("retry.attempts_max", "not in 1 to 5"));
        }
        if self.on.contains(Code::Ok) {
            return Some(("retry.on", "OK is not a failure"));
        }
        if self.back_off.base > self.back_off.cap {
            return Some(("retry.back_off.base", "longer than the cap"));
        }
        (self.back_off.jitter_percent > 100)
            .then_some(("retry.back_off.jitter_percent", "over 100"))
    }
}

/// Did the application see the request? Decided where the fact is known, never guessed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Processed {
    /// It did: it answered.
    Yes,
    /// Surely not: connect failure, refused stream, id above a GOAWAY, or the mark of a
    /// verified peer.
    No,
    /// Nobody can tell.
    Unknown,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptEnd {
    /// Its status, ours or the server's.
    pub code: Code,
    /// Did the application see it?
    pub processed: Processed,
    /// What the server said about retrying.
    pub pushback: Option<Pushback>,
    /// The stream was above the last id of a GOAWAY (RFC 9113 6.8).
    pub above_goaway: bool,
}

/// What else the decision needs to know of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallFacts {
    /// The method is declared idempotent.
    pub idempotent: bool,
    /// Attempts that ended so far, this one included, free replays not.
    pub attempts: u8,
    /// The whole request so far is still held.
    pub replayable: bool,
    /// Response headers have been passed on.
    pub committed: bool,
    /// Time until the call's deadline; `None` without one.
    pub remaining: Option<Duration>,
    /// Policy may retry here: false on inbound hops and for calls made on behalf of a retry.
    pub may_retry: bool,
    /// The one free replay of this call is gone.
    pub free_replay_used: bool,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Try again.
    Retry {
        /// Wait this long first.
        after: Duration,
        /// A replay above a GOAWAY: not charged to the budget and not counted as an attempt.
        free: bool,
    },
    /// Pass the failure on.
    Stop(StopReason),
}

/// Why a call is not tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// The attempt succeeded.
    Succeeded,
    /// The caller has seen response headers.
    Committed,
    /// The request is no longer held.
    NotReplayable,
    /// Another tier retries, or nobody.
    NotOurTier,
    /// The request may have been processed, or the code would only come back.
    NotRetryable,
    /// The server asked for no retry.
    PushedBack,
    /// All attempts are used.
    AttemptsSpent,
    /// The deadline comes before the next attempt could start.
    NoTimeLeft,
    /// The budget is empty. Never returned here: the caller charges the budget.
    BudgetSpent,
}

/// Decides whether to try again.
///
/// The one free replay of a stream above a GOAWAY is not a matter of policy: nothing was
/// processed and nothing is multiplied, so every hop may make it.
pub fn decide_retry(
    policy: &RetryPolicy,
    facts: &CallFacts,
    end: &AttemptEnd,
    random: u64,
) -> Verdict {
    let free = end.above_goaway && !facts.free_replay_used;
    let forbidden =
        forbids_any(facts, end).or_else(|| forbids_charged(policy, facts, end).filter(|_| !free));
    if let Some(reason) = forbidden {
        return Verdict::Stop(reason);
    }
    let after = if free {
        Duration::ZERO
    } else {
        wait(policy, facts, end, random)
    };
    match facts.remaining {
        Some(remaining) if remaining <= after => Verdict::Stop(StopReason::NoTimeLeft),
        Some(_) | None => Verdict::Retry { after, free },
    }
}

/// What forbids even a free replay.
fn forbids_any(facts: &CallFacts, end: &AttemptEnd) -> Option<StopReason> {
    if end.code == Code::Ok {
        Some(StopReason::Succeeded)
    } else if facts.committed {
        Some(StopReason::Committed)
    } else if !facts.replayable {
        Some(StopReason::NotReplayable)
    } else {
        None
    }
}

/// What forbids a retry that counts.
fn forbids_charged(
    policy: &RetryPolicy,
    facts: &CallFacts,
    end: &AttemptEnd,
) -> Option<StopReason> {
    if !facts.may_retry {
        Some(StopReason::NotOurTier)
    } else if !is_retryable(policy, facts, end) {
        Some(StopReason::NotRetryable)
    } else if end.pushback == Some(Pushback::Stop) {
        Some(StopReason::PushedBack)
    } else if facts.attempts >= policy.attempts_max.min(ATTEMPTS_CEILING) {
        Some(StopReason::AttemptsSpent)
    } else {
        None
    }
}

fn is_retryable(policy: &RetryPolicy, facts: &CallFacts, end: &AttemptEnd) -> bool {
    match end.processed {
        Processed::No => policy.on.contains(end.code) || is_fault(end.code),
        Processed::Yes | Processed::Unknown => facts.idempotent && policy.on.contains(end.code),
    }
}

/// Would another endpoint answer differently? A caller's fault, an exhausted quota or a
/// cancellation comes back the same, however surely it was not processed.
fn is_fault(code: Code) -> bool {
    match classify_grpc(code, Origin::Application) {
        Class::EndpointFault | Class::HalfFault => true,
        Class::Success | Class::Overload | Class::CallerFault | Class::Neutral => false,
    }
}

fn wait(policy: &RetryPolicy, facts: &CallFacts, end: &AttemptEnd, random: u64) -> Duration {
    match end.pushback {
        Some(Pushback::After(asked)) => asked,
        Some(Pushback::Stop) | None => policy.back_off.delay(facts.attempts, random),
    }
}
