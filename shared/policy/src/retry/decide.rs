//! Retry decision: given how an attempt ended, try again or stop?
//!
//! Knows nothing of time sources, bodies, budgets or connections: the caller charges the
//! budget (see `RetryBudget`), waits and resends. Follows gRFC A6 for attempts, back-off,
//! pushback and transparent retries; differs from it in that a status alone is never enough
//! unless the method is declared idempotent.

use std::time::Duration;

use super::{AttemptEnd, CallFacts, Processed, Pushback, RetryPolicy};
use crate::{Class, Code, Origin, Rule, classify_grpc};

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Try again.
    Retry {
        /// Wait this long first.
        after: Duration,
        /// A replay of what was refused or above a GOAWAY: not charged to the budget and not counted as an attempt.
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
    /// Another tier retries, or none does.
    NotOurTier,
    /// The request may have been processed, or the code would only come back.
    NotRetryable,
    /// The server asked for no retry.
    PushedBack,
    /// All attempts are used.
    AttemptsSpent,
    /// The deadline comes before the next attempt could start.
    NoTimeLeft,
}

impl StopReason {
    /// Which rule kept the call from a retry. `None`: there was nothing to retry, or it is not for us to do.
    pub fn rule(self) -> Option<Rule> {
        let name = match self {
            StopReason::Succeeded | StopReason::NotOurTier | StopReason::NotRetryable => {
                return None;
            }
            StopReason::Committed => "committed",
            StopReason::NotReplayable => "not_replayable",
            StopReason::PushedBack => "pushed_back",
            StopReason::AttemptsSpent => "attempts_spent",
            StopReason::NoTimeLeft => "no_time_left",
        };
        Some(Rule::Fixed(name))
    }
}

/// Decides whether to try again.
///
/// The one free replay of a stream that was refused, or above a GOAWAY, is not a matter of policy:
/// nothing was processed, and it is one more a call at most, so every hop may make it (gRFC A6,
/// transparent retries).
pub fn decide_retry(
    policy: &RetryPolicy,
    facts: &CallFacts,
    end: &AttemptEnd,
    random: u64,
) -> Verdict {
    let free = end.refused && !facts.free_replay_used;
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
    } else if facts.attempts >= policy.attempts_max.min(*RetryPolicy::ATTEMPTS.end()) {
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

#[cfg(test)]
mod tests {
    use super::StopReason::*;
    use super::*;
    use crate::CodeSet;

    const MIDDLE: u64 = 1 << 63;

    /// A first attempt of an idempotent call that may be tried again.
    const CALL: CallFacts = CallFacts {
        idempotent: true,
        attempts: 1,
        replayable: true,
        committed: false,
        remaining: None,
        may_retry: true,
        free_replay_used: false,
    };

    const LOST: AttemptEnd = AttemptEnd {
        code: Code::Unavailable,
        processed: Processed::Unknown,
        pushback: None,
        refused: false,
    };

    /// Above a GOAWAY.
    const ABOVE: AttemptEnd = AttemptEnd {
        processed: Processed::No,
        refused: true,
        ..LOST
    };

    /// A call with one fact changed.
    fn call(change: impl Fn(&mut CallFacts)) -> CallFacts {
        let mut facts = CALL;
        change(&mut facts);
        facts
    }

    /// An end with one fact changed.
    fn end(change: impl Fn(&mut AttemptEnd)) -> AttemptEnd {
        let mut end = LOST;
        change(&mut end);
        end
    }

    fn left(millis: u64) -> CallFacts {
        call(|facts| facts.remaining = Some(Duration::from_millis(millis)))
    }

    fn pushed(millis: u64) -> AttemptEnd {
        let after = Pushback::After(Duration::from_millis(millis));
        end(|end| end.pushback = Some(after))
    }

    /// `Ok`: a charged retry after so many milliseconds.
    type Expected = Result<u64, StopReason>;

    fn check(cases: &[(&str, CallFacts, AttemptEnd, Expected)]) {
        for (rule, facts, end, expected) in cases {
            let expected = match *expected {
                Ok(millis) => Verdict::Retry {
                    after: Duration::from_millis(millis),
                    free: false,
                },
                Err(reason) => Verdict::Stop(reason),
            };
            let verdict = decide_retry(&RetryPolicy::default(), facts, end, MIDDLE);
            assert_eq!(verdict, expected, "{rule}");
        }
    }

    #[test]
    fn a_status_is_retried_only_if_listed_and_idempotent() {
        let once = call(|facts| facts.idempotent = false);
        let answered = end(|end| end.processed = Processed::Yes);
        let not_listed = end(|end| end.code = Code::Internal);
        let good = end(|end| end.code = Code::Ok);
        check(&[
            ("listed and idempotent", CALL, LOST, Ok(25)),
            ("the application's answer", CALL, answered, Ok(25)),
            ("not idempotent", once, LOST, Err(NotRetryable)),
            ("not listed", CALL, not_listed, Err(NotRetryable)),
            ("a success", CALL, good, Err(Succeeded)),
        ]);
    }

    #[test]
    fn what_was_surely_not_processed_is_retried_for_every_method() {
        let once = call(|facts| facts.idempotent = false);
        let unsent = |code| AttemptEnd {
            processed: Processed::No,
            code,
            ..LOST
        };
        let refused = unsent(Code::PermissionDenied);
        let exhausted = unsent(Code::ResourceExhausted);
        let cancelled = unsent(Code::Cancelled);
        let late = unsent(Code::DeadlineExceeded);
        check(&[
            ("connect failure", once, unsent(Code::Unavailable), Ok(25)),
            ("a fault not listed", once, unsent(Code::Internal), Ok(25)),
            ("a refusal comes back", once, refused, Err(NotRetryable)),
            ("a quota comes back", once, exhausted, Err(NotRetryable)),
            ("nobody waits", once, cancelled, Err(NotRetryable)),
            ("no time anywhere", once, late, Err(NotRetryable)),
        ]);
    }

    #[test]
    fn a_listed_code_is_retried_even_if_it_is_no_fault() {
        let policy = RetryPolicy {
            on: CodeSet::EMPTY.with(Code::ResourceExhausted),
            ..RetryPolicy::default()
        };
        let exhausted = end(|end| end.code = Code::ResourceExhausted);
        let verdict = decide_retry(&policy, &CALL, &exhausted, MIDDLE);
        assert!(matches!(verdict, Verdict::Retry { free: false, .. }));
        let verdict = decide_retry(&policy, &CALL, &LOST, MIDDLE);
        assert_eq!(verdict, Verdict::Stop(NotRetryable));
    }

    #[test]
    fn pushback_is_obeyed() {
        let stop = end(|end| end.pushback = Some(Pushback::Stop));
        let not_listed = AttemptEnd {
            code: Code::Internal,
            ..pushed(7)
        };
        check(&[
            ("a delay replaces the back-off", CALL, pushed(700), Ok(700)),
            ("zero means at once", CALL, pushed(0), Ok(0)),
            ("stop", CALL, stop, Err(PushedBack)),
            (
                "no code made retryable",
                CALL,
                not_listed,
                Err(NotRetryable),
            ),
            ("past the deadline", left(700), pushed(700), Err(NoTimeLeft)),
        ]);
    }

    #[test]
    fn stops_when_the_deadline_leaves_no_room_for_a_try() {
        check(&[
            ("room", left(26), LOST, Ok(25)),
            ("it would start at its end", left(25), LOST, Err(NoTimeLeft)),
            ("over, even for a free one", left(0), ABOVE, Err(NoTimeLeft)),
        ]);
    }

    #[test]
    fn stops_when_nothing_can_be_sent_again() {
        let committed = call(|facts| facts.committed = true);
        let gone = call(|facts| facts.replayable = false);
        let spent = call(|facts| facts.attempts = 2);
        let inbound = call(|facts| facts.may_retry = false);
        check(&[
            ("committed", committed, LOST, Err(Committed)),
            ("committed above a GOAWAY", committed, ABOVE, Err(Committed)),
            ("not held", gone, LOST, Err(NotReplayable)),
            ("not held above a GOAWAY", gone, ABOVE, Err(NotReplayable)),
            ("attempts", spent, LOST, Err(AttemptsSpent)),
            ("another tier", inbound, LOST, Err(NotOurTier)),
        ]);
    }

    #[test]
    fn one_replay_above_a_goaway_is_free() {
        let cases = [
            ("at once", CALL),
            ("not counted", call(|facts| facts.attempts = 2)),
            ("on every hop", call(|facts| facts.may_retry = false)),
            ("any method", call(|facts| facts.idempotent = false)),
        ];
        let free = Verdict::Retry {
            after: Duration::ZERO,
            free: true,
        };
        for (rule, facts) in cases {
            let verdict = decide_retry(&RetryPolicy::default(), &facts, &ABOVE, MIDDLE);
            assert_eq!(verdict, free, "{rule}");
        }
    }

    #[test]
    fn a_second_replay_above_a_goaway_is_a_retry_like_any_other() {
        let used = call(|facts| facts.free_replay_used = true);
        let inbound = CallFacts {
            may_retry: false,
            ..used
        };
        check(&[
            ("charged", used, ABOVE, Ok(25)),
            ("a matter of policy", inbound, ABOVE, Err(NotOurTier)),
        ]);
    }

    #[test]
    fn no_policy_exceeds_five_attempts() {
        let policy = RetryPolicy {
            attempts_max: 200,
            ..RetryPolicy::default()
        };
        let fifth = call(|facts| facts.attempts = 5);
        let verdict = decide_retry(&policy, &fifth, &LOST, MIDDLE);
        assert_eq!(verdict, Verdict::Stop(AttemptsSpent));
    }
}
