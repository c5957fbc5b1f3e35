//! What a random number is turned into. Where it comes from is not known here.

use std::time::Duration;

/// Maps a random number evenly to `0..below` (0 if `below` is 0) without a division (Lemire 2019).
pub(crate) const fn scale(random: u64, below: u64) -> u64 {
    ((random as u128 * below as u128) >> 64) as u64
}

/// `span` changed by up to `percent` (100 at most) both ways.
pub(crate) fn jittered(span: Duration, percent: u8, random: u64) -> Duration {
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let reach = nanos / 100 * u64::from(percent.min(100));
    let above_lowest = scale(random, reach.saturating_mul(2).saturating_add(1));
    Duration::from_nanos((nanos - reach).saturating_add(above_lowest))
}
