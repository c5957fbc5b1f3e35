//! What a route allows in the way of retries.

use std::ops::RangeInclusive;

use super::BackOff;
use crate::{Code, CodeSet};

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
    /// What `attempts_max` may be (gRFC A6: at most 5).
    pub const ATTEMPTS: RangeInclusive<u8> = 1..=5;

    /// What leaves its range, as (field, problem).
    pub(crate) fn problem(&self) -> Option<(&'static str, &'static str)> {
        if !RetryPolicy::ATTEMPTS.contains(&self.attempts_max) {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

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
}
