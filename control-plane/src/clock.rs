//! The one place of the control plane where the time is read; elsewhere it is an argument.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Time since 1970-01-01 UTC. Milliseconds; 0 if the machine's clock is before.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the control plane reads the time of day"
)]
pub fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// Time since 1970-01-01 UTC. Seconds.
pub fn unix_seconds() -> i64 {
    unix_ms() / 1_000
}

/// A moment that no change of the machine's clock moves.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the control plane reads the steady clock"
)]
pub fn now() -> Instant {
    Instant::now()
}
