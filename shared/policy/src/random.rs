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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_of_the_range_are_reached_and_not_passed() {
        assert_eq!(scale(0, 10), 0);
        assert_eq!(scale(u64::MAX, 10), 9);
        assert_eq!(scale(u64::MAX, 0), 0);
        let second = Duration::from_secs(1);
        assert_eq!(jittered(second, 20, 0), Duration::from_millis(800));
        assert_eq!(jittered(second, 20, u64::MAX), Duration::from_millis(1200));
        assert_eq!(jittered(second, 0, u64::MAX), second);
    }

    proptest! {
        #[test]
        fn jitter_stays_within_its_percent(nanos in 0u64..1 << 60, percent: u8, random: u64) {
            let span = Duration::from_nanos(nanos);
            let reach = span.as_nanos() * u128::from(percent.min(100)) / 100;
            let changed = jittered(span, percent, random);
            prop_assert!(changed.as_nanos().abs_diff(span.as_nanos()) <= reach);
        }
    }
}
