//! When to ask for the next certificate. Pure arithmetic.
//!
//! Half of a life is left for the control plane to come back in; the jitter keeps certificates
//! that were issued together from being renewed together.

use std::time::Duration;

/// Longest wait between two tries.
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// Shortest one: a control plane that is away is not hammered for the last moments of a life.
const AGAIN_MIN: Duration = Duration::from_millis(200);

/// Time from receipt to the first try: half of the life, -10 % to +10 %. `random` is any number,
/// evenly spread.
pub fn first_after(life: Duration, random: u64) -> Duration {
    life.mul_f64(0.5 * (0.9 + 0.2 * share(random)))
}

/// Longest time from the word that another root signs to the first try. 10 min: certificates of the
/// old root are gone soon after, and a mesh of 10,000 does not ask all at once.
const PROMOTED: Duration = Duration::from_secs(600);

/// Time to the first try for who has a certificate of a root that signs no longer: any moment within
/// 10 min, and not later than `due`, when it would try anyway.
pub fn after_promotion(due: Duration, random: u64) -> Duration {
    due.min(PROMOTED.mul_f64(share(random)))
}

/// Time from a failed try to the next: a tenth of what is left, so that it is tried at least some
/// times more, and half of that to all of it, by `random`.
pub fn next_after_failure(left: Duration, random: u64) -> Duration {
    let longest = (left / 10).clamp(AGAIN_MIN, AGAIN_MAX);
    longest.mul_f64(0.5 + 0.5 * share(random))
}

/// From 0 to 1.
fn share(random: u64) -> f64 {
    random as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_try_is_at_half_life_with_jitter() {
        for (random, seconds) in [(0, 45), (u64::MAX / 2, 50), (u64::MAX, 55)] {
            let first = first_after(Duration::from_secs(100), random);
            let off = first.abs_diff(Duration::from_secs(seconds));
            assert!(off < Duration::from_millis(1), "{first:?}");
        }
    }

    #[test]
    fn a_promotion_is_answered_within_ten_minutes_and_never_later_than_without_it() {
        let (hour, minute) = (Duration::from_secs(3_600), Duration::from_secs(60));
        assert_eq!(after_promotion(hour, 0), Duration::ZERO);
        assert_eq!(after_promotion(hour, u64::MAX), 10 * minute);
        assert_eq!(after_promotion(minute, u64::MAX), minute);
    }

    #[test]
    fn tries_come_closer_as_the_end_does() {
        let cases = [(86_400, 30_000), (100, 10_000), (5, 500), (0, 200)];
        for (left, longest) in cases {
            let left = Duration::from_secs(left);
            let longest = Duration::from_millis(longest);
            assert_eq!(next_after_failure(left, u64::MAX), longest);
            assert_eq!(next_after_failure(left, 0), longest / 2);
        }
    }
}
