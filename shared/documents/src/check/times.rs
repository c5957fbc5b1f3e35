//! How long calls may take and wait: what is written for a service and for its methods.

use std::time::Duration;

use serde_saphyr::{Location, Spanned};

use super::Checker;

/// A duration and where it was written.
#[derive(Clone, Copy)]
pub(super) struct Written {
    pub(super) duration: Duration,
    pub(super) at: Location,
}

pub(super) fn check_written(
    value: &Option<Spanned<String>>,
    checker: &mut Checker<'_, '_>,
) -> Option<Written> {
    let at = value.as_ref()?.referenced;
    let duration = checker.duration(value)?;
    Some(Written { duration, at })
}

/// What a service says for its methods.
#[derive(Clone, Copy)]
pub(super) struct ServiceLevel {
    pub(super) times: Times,
    /// How long they wait for an endpoint that can be reached.
    pub(super) ready: Option<Duration>,
}

/// The two timeouts of a call.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) whole: Option<Written>,
    pub(super) per_try: Option<Written>,
}

impl Times {
    pub(super) fn or(self, other: Times) -> Times {
        Times {
            whole: self.whole.or(other.whole),
            per_try: self.per_try.or(other.per_try),
        }
    }

    pub(super) fn check(self, checker: &mut Checker<'_, '_>) {
        if let (Some(whole), Some(per_try)) = (self.whole, self.per_try)
            && per_try.duration > whole.duration
        {
            let message = format!(
                "`perTryTimeout` of {:?} is longer than the `timeout` of {:?} for the whole call",
                per_try.duration, whole.duration
            );
            // The later one of the two was written last, so it is the one to change.
            let later = |a: Location, b: Location| if a.line() < b.line() { b } else { a };
            checker.refuse(later(per_try.at, whole.at), message);
        }
    }
}
