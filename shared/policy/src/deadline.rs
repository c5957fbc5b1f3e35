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

/// Time left until `deadline`; zero once it has passed.
pub fn remaining(deadline: Tick, now: Tick) -> Duration {
    deadline.since(now)
}

/// Has `deadline` passed? It has at the very tick it names.
pub fn is_over(deadline: Tick, now: Tick) -> bool {
    now >= deadline
}

/// Are these the last moments before `deadline`, of a call that began at `started`?
///
/// gRPC's servers run a timer of their own and end the call with RST_STREAM CANCEL (gRPC over HTTP/2,
/// "Client Cancellation"). Their time begins when they read what is left in `grpc-timeout`, so it ends
/// after ours by what the way takes; but what is sent is rounded down, timers may count in whole
/// milliseconds or from when a loop last looked at its clock, and two clocks run apart. So the last
/// twentieth of the call's time counts, from [`MARGIN_MIN`] to [`MARGIN_MAX`], and in a long call what
/// two clocks may differ by, a two-thousandth (the kernel slews by 500 ppm at most).
pub fn is_at_hand(started: Tick, deadline: Tick, now: Tick) -> bool {
    let given = deadline.since(started);
    let margin = (given / 20)
        .clamp(MARGIN_MIN, MARGIN_MAX)
        .max(given / 2_000);
    remaining(deadline, now) <= margin
}

/// Twice what a timer in whole milliseconds may be early by.
pub const MARGIN_MIN: Duration = Duration::from_millis(2);

/// The turn of a busy server's loop. Much more, and what a server cancels for another reason would be
/// called late.
pub const MARGIN_MAX: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    const fn at(millis: u64) -> Tick {
        Tick::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn the_nearer_of_caller_and_policy_counts() {
        let cases = [
            ("nobody asks, none is invented", None, None, None),
            ("the caller alone", Some(ms(200)), None, Some(at(300))),
            ("the policy alone", None, Some(ms(500)), Some(at(600))),
            (
                "the caller is stricter",
                Some(ms(200)),
                Some(ms(500)),
                Some(at(300)),
            ),
            (
                "the policy is stricter",
                Some(ms(900)),
                Some(ms(500)),
                Some(at(600)),
            ),
            (
                "a spent timeout is over on arrival",
                Some(ms(0)),
                Some(ms(500)),
                Some(at(100)),
            ),
            (
                "a timeout beyond time saturates",
                Some(Duration::MAX),
                None,
                Some(Tick::MAX),
            ),
        ];
        for (rule, caller, policy, expected) in cases {
            assert_eq!(earliest(at(100), caller, policy), expected, "{rule}");
        }
    }

    #[test]
    fn a_deadline_is_over_at_its_own_tick() {
        assert!(!is_over(at(100), at(99)));
        assert!(is_over(at(100), at(100)));
        assert_eq!(remaining(at(100), at(100)), Duration::ZERO);
        assert_eq!(remaining(at(100), at(250)), Duration::ZERO);
        assert_eq!(remaining(at(100), at(40)), ms(60));
    }

    #[test]
    fn the_last_moments_are_a_share_of_the_time_given() {
        // Time given, and the last millisecond before them, counted from the deadline.
        for (given, margin) in [
            (1, 1),
            (20, 2),
            (100, 5),
            (1_000, 50),
            (60_000, 50),
            (3_600_000, 1_800),
        ] {
            let (started, deadline) = (at(1_000), at(1_000 + given));
            let at_hand = |left: u64| is_at_hand(started, deadline, at(1_000 + given - left));
            assert!(at_hand(0) && at_hand(margin), "{given}");
            assert!(margin == given || !at_hand(margin + 1), "{given}");
            assert!(is_at_hand(started, deadline, at(9_000_000)), "over");
        }
    }

    proptest! {
        /// A chain of hops, each with time spent, a policy or none, and a deadline on the wire.
        #[test]
        fn deadlines_only_shrink_from_hop_to_hop(
            first in 0u64..10_000_000_000,
            hops in proptest::collection::vec((0u64..1_000_000_000, any::<Option<u32>>()), 1..6),
        ) {
            let mut now = Tick::from_nanos(1);
            let mut timeout = Duration::from_nanos(first);
            let mut end = now + timeout;
            for (spent, policy) in hops {
                let policy = policy.map(|nanos| Duration::from_nanos(u64::from(nanos)));
                let deadline = earliest(now, Some(timeout), policy).expect("the caller has one");
                prop_assert!(deadline <= end);
                now = now + Duration::from_nanos(spent);
                let text = crate::timeout::format(remaining(deadline, now));
                timeout = crate::timeout::parse(text.as_bytes()).expect("ours");
                end = deadline.max(now);
            }
        }
    }
}
