//! The latency baseline of a cluster: how long an answer takes, and how much answers differ.
//!
//! Each endpoint's [`Estimate`](super::Estimate) is relative to it. Both parts are of logarithms: the
//! mean over the answers of all endpoints, and the mean distance (the noise) of an answer from its own
//! endpoint's mean. The last eight answers make most of the mean, the last 32 most of the noise. TCP keeps its
//! round-trip time like this (RFC 6298).

use std::time::Duration;

use super::Log2Ratio;

/// What an answer changes of the mean: one part in 2^3. Quick, so that a change that all
/// endpoints share is not held against one of them.
const LEVEL_SHIFT: u32 = 3;

/// What an answer changes of the noise: one part in 2^5.
const NOISE_SHIFT: u32 = 5;

/// An answer counts as at most this far from the mean, 256 times more or less: one outlier
/// then moves an [`Estimate`](super::Estimate) by half an octave at most.
pub(super) const FARTHEST: Log2Ratio = Log2Ratio::hundredths(800);

/// Least difference that is not noise: half as much again. What an endpoint farther away or a
/// busier machine costs is no reason to leave it alone.
const MARGIN_MIN: Log2Ratio = Log2Ratio::hundredths(58);

/// Latency that is too long for any endpoint before the first answer.
const OVERLONG_UNKNOWN: Duration = Duration::from_millis(30);

/// The noise before the first answer: that of exponentially distributed answers, as of a queue.
/// Less, and the first answers of a noisy cluster put endpoints aside.
const NOISE_UNKNOWN: Log2Ratio = Log2Ratio::hundredths(150);

/// Mean and noise of a cluster's latencies. Default: no answer yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencyBaseline {
    /// Mean latency; `None` before the first answer.
    level: Option<Log2Ratio>,
    /// Mean distance of an answer from its endpoint's mean.
    noise: Log2Ratio,
}

impl Default for LatencyBaseline {
    fn default() -> LatencyBaseline {
        LatencyBaseline {
            level: None,
            noise: NOISE_UNKNOWN,
        }
    }
}

impl LatencyBaseline {
    /// An answer took `latency`, of an endpoint that is believed to be slower by `excess`.
    pub fn observe(self, latency: Duration, excess: Log2Ratio) -> LatencyBaseline {
        let Some(level) = self.level else {
            let level = Some(Log2Ratio::of(latency));
            return LatencyBaseline { level, ..self };
        };
        let distance = self.excess(latency);
        let strayed = (distance - excess).magnitude();
        let noise = self.noise + (strayed - self.noise).part(NOISE_SHIFT);
        let level = Some(level + distance.part(LEVEL_SHIFT));
        LatencyBaseline { level, noise }
    }

    /// How much longer than the mean `latency` is, within [`FARTHEST`].
    pub(super) fn excess(&self, latency: Duration) -> Log2Ratio {
        let Some(level) = self.level else {
            return Log2Ratio::ZERO;
        };
        let none = Log2Ratio::ZERO - FARTHEST;
        (Log2Ratio::of(latency) - level).clamp(none, FARTHEST)
    }

    /// Differences up to this decide nothing: seven eighths of the noise. The mean of an endpoint's
    /// last sixteen answers hardly ever strays so far; one that is three times slower is farther away
    /// even where answers are exponentially distributed (1.6 octaves to 1.3).
    pub(super) fn margin(&self) -> Log2Ratio {
        (self.noise - self.noise.part(3)).max(MARGIN_MIN)
    }

    /// The latency of an endpoint that differs by `excess`; zero before the first answer.
    pub(super) fn latency(&self, excess: Log2Ratio) -> Duration {
        self.level
            .map_or(Duration::ZERO, |level| (level + excess).span())
    }

    /// Whether an attempt took so long that its endpoint is to blame, not an impatient caller: twice the
    /// mean, or more where answers differ more; 30 ms before the first answer. Used for
    /// [`Origin::OurDeadline`](crate::Origin::OurDeadline).
    pub fn is_overlong(&self, elapsed: Duration) -> bool {
        let beyond = Log2Ratio::ONE.max(self.noise + self.noise);
        let overlong = self.level.map(|level| (level + beyond).span());
        elapsed >= overlong.unwrap_or(OVERLONG_UNKNOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn after(millis: impl IntoIterator<Item = u64>) -> LatencyBaseline {
        let answers = millis.into_iter();
        answers.fold(LatencyBaseline::default(), |baseline, latency| {
            baseline.observe(ms(latency), Log2Ratio::ZERO)
        })
    }

    #[test]
    fn nothing_is_far_from_what_is_not_known() {
        let unknown = LatencyBaseline::default();
        assert_eq!(unknown.excess(ms(900)), Log2Ratio::ZERO);
        assert_eq!(unknown.latency(Log2Ratio::ZERO), Duration::ZERO);
        assert!(unknown.is_overlong(ms(30)) && !unknown.is_overlong(ms(29)));
    }

    #[test]
    fn a_steady_latency_is_usual_and_without_noise() {
        let steady = after([4; 40]);
        let close = |span: Duration, millis| span.abs_diff(ms(millis)) < Duration::from_micros(10);
        assert!(close(steady.latency(Log2Ratio::ZERO), 4));
        assert!(steady.is_overlong(ms(9)) && !steady.is_overlong(ms(7)));
        assert_eq!(steady.margin(), MARGIN_MIN);
    }

    #[test]
    fn what_changed_is_usual_after_some_answers() {
        let changed = after([2; 40].into_iter().chain([40; 24]));
        assert!(changed.latency(Log2Ratio::ZERO) > ms(30));
    }

    #[test]
    fn noise_widens_the_margin() {
        let noisy = after((0..200).map(|turn| if turn % 2 == 0 { 1 } else { 16 }));
        assert!(noisy.margin() > Log2Ratio::hundredths(120), "{noisy:?}");
    }

    #[test]
    fn no_outlier_counts_for_more_than_the_farthest() {
        let steady = after([2; 40]);
        assert_eq!(steady.excess(ms(3_600_000)), FARTHEST);
        assert_eq!(steady.excess(Duration::ZERO), Log2Ratio::ZERO - FARTHEST);
    }
}
