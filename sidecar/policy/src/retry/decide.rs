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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIDDLE: u64 = 1 << 63;

    /// A first attempt of an idempotent call that may be tried again.
    const FACTS: CallFacts = CallFacts {
        idempotent: true,
        attempts: 1,
        replayable: true,
        committed: false,
        remaining: None,
        may_retry: true,
        free_replay_used: false,
    };

    const UNAVAILABLE: AttemptEnd = AttemptEnd {
        code: Code::Unavailable,
        processed: Processed::Unknown,
        pushback: None,
        above_goaway: false,
    };

    const ABOVE_GOAWAY: AttemptEnd = AttemptEnd {
        processed: Processed::No,
        above_goaway: true,
        ..UNAVAILABLE
    };

    const fn retry(millis: u64) -> Verdict {
        Verdict::Retry {
            after: Duration::from_millis(millis),
            free: false,
        }
    }

    const FREE: Verdict = Verdict::Retry {
        after: Duration::ZERO,
        free: true,
    };

    fn check(cases: &[(&str, CallFacts, AttemptEnd, Verdict)]) {
        for (rule, facts, end, expected) in cases {
            let verdict = decide_retry(&RetryPolicy::default(), facts, end, MIDDLE);
            assert_eq!(verdict, *expected, "{rule}");
        }
    }

    #[test]
    fn a_status_is_retried_only_if_listed_and_idempotent() {
        let not_idempotent = CallFacts {
            idempotent: false,
            ..FACTS
        };
        let end = |code, processed| AttemptEnd {
            code,
            processed,
            ..UNAVAILABLE
        };
        let not_retryable = Verdict::Stop(StopReason::NotRetryable);
        check(&[
            ("listed and idempotent", FACTS, UNAVAILABLE, retry(25)),
            (
                "answered by the application",
                FACTS,
                end(Code::Unavailable, Processed::Yes),
                retry(25),
            ),
            ("not idempotent", not_idempotent, UNAVAILABLE, not_retryable),
            (
                "not listed",
                FACTS,
                end(Code::Internal, Processed::Unknown),
                not_retryable,
            ),
            (
                "a success",
                FACTS,
                end(Code::Ok, Processed::Yes),
                Verdict::Stop(StopReason::Succeeded),
            ),
        ]);
    }

    #[test]
    fn what_was_surely_not_processed_is_retried_for_every_method() {
        let facts = CallFacts {
            idempotent: false,
            ..FACTS
        };
        let end = |code| AttemptEnd {
            code,
            processed: Processed::No,
            ..UNAVAILABLE
        };
        let not_retryable = Verdict::Stop(StopReason::NotRetryable);
        check(&[
            ("connect failure", facts, end(Code::Unavailable), retry(25)),
            (
                "a fault that is not listed",
                facts,
                end(Code::Internal),
                retry(25),
            ),
            (
                "a refusal comes back",
                facts,
                end(Code::PermissionDenied),
                not_retryable,
            ),
            (
                "a quota comes back",
                facts,
                end(Code::ResourceExhausted),
                not_retryable,
            ),
            (
                "nobody waits any more",
                facts,
                end(Code::Cancelled),
                not_retryable,
            ),
            (
                "no time left anywhere",
                facts,
                end(Code::DeadlineExceeded),
                not_retryable,
            ),
        ]);
        let on = CodeSet::EMPTY.with(Code::ResourceExhausted);
        let policy = RetryPolicy {
            on,
            ..RetryPolicy::default()
        };
        let verdict = decide_retry(&policy, &facts, &end(Code::ResourceExhausted), MIDDLE);
        assert_eq!(verdict, retry(25), "unless the policy lists it");
    }

    #[test]
    fn pushback_is_obeyed() {
        let end = |pushback| AttemptEnd {
            pushback: Some(pushback),
            ..UNAVAILABLE
        };
        let after = |millis| end(Pushback::After(Duration::from_millis(millis)));
        let not_listed = AttemptEnd {
            code: Code::Internal,
            ..after(7)
        };
        let hurried = CallFacts {
            remaining: Some(Duration::from_millis(700)),
            ..FACTS
        };
        check(&[
            (
                "a delay replaces the back-off",
                FACTS,
                after(700),
                retry(700),
            ),
            ("zero means at once", FACTS, after(0), retry(0)),
            (
                "stop",
                FACTS,
                end(Pushback::Stop),
                Verdict::Stop(StopReason::PushedBack),
            ),
            (
                "it makes no code retryable",
                FACTS,
                not_listed,
                Verdict::Stop(StopReason::NotRetryable),
            ),
            (
                "within the deadline",
                hurried,
                after(700),
                Verdict::Stop(StopReason::NoTimeLeft),
            ),
        ]);
    }

    #[test]
    fn stops_when_the_deadline_leaves_no_room_for_a_try() {
        let left = |millis| CallFacts {
            remaining: Some(Duration::from_millis(millis)),
            ..FACTS
        };
        check(&[
            ("room", left(26), UNAVAILABLE, retry(25)),
            (
                "it would start at its deadline",
                left(25),
                UNAVAILABLE,
                Verdict::Stop(StopReason::NoTimeLeft),
            ),
            (
                "it is over",
                left(0),
                ABOVE_GOAWAY,
                Verdict::Stop(StopReason::NoTimeLeft),
            ),
        ]);
    }

    #[test]
    fn stops_when_nothing_can_be_sent_again() {
        let committed = CallFacts {
            committed: true,
            ..FACTS
        };
        let gone = CallFacts {
            replayable: false,
            ..FACTS
        };
        let spent = CallFacts {
            attempts: 2,
            ..FACTS
        };
        let inbound = CallFacts {
            may_retry: false,
            ..FACTS
        };
        check(&[
            (
                "committed",
                committed,
                UNAVAILABLE,
                Verdict::Stop(StopReason::Committed),
            ),
            (
                "committed, above a GOAWAY",
                committed,
                ABOVE_GOAWAY,
                Verdict::Stop(StopReason::Committed),
            ),
            (
                "not held",
                gone,
                ABOVE_GOAWAY,
                Verdict::Stop(StopReason::NotReplayable),
            ),
            (
                "attempts",
                spent,
                UNAVAILABLE,
                Verdict::Stop(StopReason::AttemptsSpent),
            ),
            (
                "another tier",
                inbound,
                UNAVAILABLE,
                Verdict::Stop(StopReason::NotOurTier),
            ),
        ]);
    }

    #[test]
    fn one_replay_above_a_goaway_is_free() {
        let spent = CallFacts {
            attempts: 2,
            ..FACTS
        };
        let inbound = CallFacts {
            may_retry: false,
            idempotent: false,
            ..FACTS
        };
        let used = CallFacts {
            free_replay_used: true,
            ..FACTS
        };
        let used_inbound = CallFacts {
            free_replay_used: true,
            ..inbound
        };
        check(&[
            ("at once", FACTS, ABOVE_GOAWAY, FREE),
            ("not counted", spent, ABOVE_GOAWAY, FREE),
            ("on every hop", inbound, ABOVE_GOAWAY, FREE),
            ("the second is charged", used, ABOVE_GOAWAY, retry(25)),
            (
                "and is policy",
                used_inbound,
                ABOVE_GOAWAY,
                Verdict::Stop(StopReason::NotOurTier),
            ),
        ]);
    }

    #[test]
    fn no_policy_exceeds_five_attempts() {
        let policy = RetryPolicy {
            attempts_max: 200,
            ..RetryPolicy::default()
        };
        let facts = CallFacts {
            attempts: 5,
            ..FACTS
        };
        let verdict = decide_retry(&policy, &facts, &UNAVAILABLE, MIDDLE);
        assert_eq!(verdict, Verdict::Stop(StopReason::AttemptsSpent));
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let base = RetryPolicy::default();
        let slow = BackOff {
            base: Duration::from_secs(2),
            ..BackOff::default()
        };
        let wild = BackOff {
            jitter_percent: 101,
            ..BackOff::default()
        };
        let cases = [
            (base, None),
            (
                RetryPolicy {
                    on: base.on.with(Code::Ok),
                    ..base
                },
                Some("retry.on"),
            ),
            (
                RetryPolicy {
                    back_off: slow,
                    ..base
                },
                Some("retry.back_off.base"),
            ),
            (
                RetryPolicy {
                    back_off: wild,
                    ..base
                },
                Some("retry.back_off.jitter_percent"),
            ),
        ];
        for (policy, field) in cases {
            assert_eq!(policy.problem().map(|(field, _)| field), field);
        }
    }

    fn any_end() -> impl Strategy<Value = AttemptEnd> {
        let processed = prop_oneof![
            Just(Processed::Yes),
            Just(Processed::No),
            Just(Processed::Unknown)
        ];
        (
            0u32..17,
            processed,
            any::<Option<bool>>(),
            any::<u16>(),
            any::<bool>(),
        )
            .prop_map(|(code, processed, pushed, millis, goaway)| AttemptEnd {
                code: Code::from_u32(code),
                processed: if goaway { Processed::No } else { processed },
                pushback: pushed.map(|stop| match stop {
                    true => Pushback::Stop,
                    false => Pushback::After(Duration::from_millis(u64::from(millis))),
                }),
                above_goaway: goaway,
            })
    }

    proptest! {
        /// A whole call under any sequence of ends: attempts are bounded, nothing starts after
        /// the deadline, and what may have been processed is repeated only if idempotent.
        #[test]
        fn a_call_is_safe_whatever_its_attempts_end_in(
            ends in proptest::collection::vec(any_end(), 1..20),
            idempotent: bool,
            attempts_max in 1u8..=5,
            remaining_ms in 0u64..3_000,
            random: u64,
        ) {
            let policy = RetryPolicy { attempts_max, ..RetryPolicy::default() };
            let mut facts = CallFacts {
                idempotent,
                remaining: Some(Duration::from_millis(remaining_ms)),
                attempts: 0,
                ..FACTS
            };
            let mut sent = 1;
            for end in ends {
                let is_free = end.above_goaway && !facts.free_replay_used;
                facts.attempts += u8::from(!is_free);
                let Verdict::Retry { after, free } = decide_retry(&policy, &facts, &end, random) else {
                    break;
                };
                sent += 1;
                facts.free_replay_used |= free;
                let left = facts.remaining.expect("it has a deadline");
                prop_assert!(after < left, "it starts before the deadline");
                facts.remaining = Some(left - after);
                prop_assert!(idempotent || end.processed == Processed::No);
                prop_assert!(free || end.pushback != Some(Pushback::Stop));
            }
            prop_assert!(sent <= u32::from(attempts_max) + 1);
        }
    }
}
