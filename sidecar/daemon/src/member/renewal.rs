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

/// Time from a failed try to the next: a tenth of what is left, so that it is tried at least some
/// times more, and half of that to all of it, by `random`.
pub fn again_after(left: Duration, random: u64) -> Duration {
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
    fn tries_come_closer_as_the_end_does() {
        let cases = [(86_400, 30_000), (100, 10_000), (5, 500), (0, 200)];
        for (left, longest) in cases {
            let left = Duration::from_secs(left);
            let longest = Duration::from_millis(longest);
            assert_eq!(again_after(left, u64::MAX), longest);
            assert_eq!(again_after(left, 0), longest / 2);
        }
    }
}
