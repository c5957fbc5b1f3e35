//! The estimate of one endpoint: how much slower than the baseline it is, and whether it fails.
//!
//! A belief decides only as far as it is more than noise, and none holds for good: an endpoint that
//! stands aside gets a trial, one call, after one turn, then after two, four and so on up to 32 of
//! its turns, and after a minute at the latest. A trial whose answer is quick makes the wait a quarter as
//! long, and takes a quarter of what is more than noise. It must not end the wait: where answers are
//! exponentially distributed, a third of those of an endpoint that is three times slower are quick.
//!
//! Peak EWMA (Finagle, tower, linkerd) takes the slowest answer for the truth and forgets it with time
//! alone, over ten seconds: one cold start costs an endpoint its traffic for a minute where calls are
//! short. Here an answer is one of sixteen, however slow. Knows nothing of breakers and ejection.

use std::time::Duration;

use super::baseline::FARTHEST;
use super::{LatencyBaseline, Log2Ratio, Turn};
use crate::{Class, Tick};

/// What an answer changes of an estimate: one part in 2^4.
const EXCESS_SHIFT: u32 = 4;

/// Longest wait for a trial, in turns. So an endpoint that stays slow gets 3 % of its share.
const PATIENCE_MAX: u8 = 32;

/// A quick answer makes the wait for the next trial so many times shorter than it would be: a quarter
/// of the last one, because each trial doubles it first.
const QUICK_CUTS: u8 = 8;

/// Longest wait for a trial in time. Long, and at a few calls a minute an endpoint that is well again
/// is left alone; short, and at a few calls a second a slow one gets more than 10 % of its share.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Answers after which an endpoint gets several calls at once. Until then it gets one at a time
/// where others can take the rest: a cold start is paid by few.
const ANSWERS_PROVEN: u8 = 4;

/// What a second call at once costs before that.
const UNPROVEN_COST: Log2Ratio = Log2Ratio::hundredths(400);

/// Whether an endpoint that stands aside may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// It does not stand aside.
    Unneeded,
    /// One call may go there now.
    Due,
    /// Not yet.
    Later,
}

/// What is believed of one endpoint. Default: a new one, believed to be as usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// How much slower than usual; a mean of its last sixteen answers.
    excess: Log2Ratio,
    /// Answers so far, up to [`ANSWERS_PROVEN`].
    answers: u8,
    /// Failures since the last good end.
    faults: u8,
    /// Turns from one trial to the next; doubles with each. 0: its next turn will do.
    patience: u8,
    /// When it was tried, or failed, last: the number of its cluster's picks, and the time.
    last_trial: u64,
    tried_at: Tick,
}

impl Estimate {
    /// Response headers came `latency` after the attempt began. Also for our own deadline that ended
    /// an attempt without them: it would have taken at least that long.
    pub fn observe(self, baseline: &LatencyBaseline, latency: Duration) -> Estimate {
        let sample = baseline.excess(latency);
        let answers = self.answers.saturating_add(1).min(ANSWERS_PROVEN);
        let mut moved = Estimate {
            answers,
            ..self.moved(sample)
        };
        // Within the noise, or nearer to what is usual than to what is believed.
        let is_quick = sample <= baseline.margin().max(self.excess.part(1));
        if self.is_slow(baseline) && is_quick {
            let beyond = self.excess - baseline.margin();
            moved.excess = moved.excess.min(self.excess - beyond.part(2));
            if self.faults == 0 {
                moved.patience /= QUICK_CUTS;
            }
        }
        moved
    }

    /// An attempt ended. A failure or an overload counts as an answer that took long beyond measure.
    pub fn ended(self, turn: &Turn, now: Tick, class: Class) -> Estimate {
        match class {
            Class::Neutral => self,
            Class::Success | Class::CallerFault if self.faults == 0 => self,
            Class::Success | Class::CallerFault => Estimate {
                faults: 0,
                patience: 0,
                ..self
            },
            Class::Overload => self.moved(FARTHEST),
            Class::EndpointFault | Class::HalfFault => {
                let patience = if self.faults == 0 { 1 } else { self.patience };
                let faults = self.faults.saturating_add(1);
                let failed = Estimate {
                    faults,
                    patience,
                    ..self.moved(FARTHEST)
                };
                failed.tried_now(turn, now)
            }
        }
    }

    /// A call goes there as a trial; the next one is due after twice as many turns, unless it ends
    /// well.
    pub fn tried(self, turn: &Turn, now: Tick) -> Estimate {
        let patience = self.patience.max(1).saturating_mul(2).min(PATIENCE_MAX);
        Estimate { patience, ..self }.tried_now(turn, now)
    }

    /// Does it stand aside, and if so: is it time for a trial? One at a time.
    pub fn trial(
        &self,
        baseline: &LatencyBaseline,
        turn: &Turn,
        now: Tick,
        in_flight: u32,
    ) -> Trial {
        if self.faults == 0 && !self.is_slow(baseline) {
            return Trial::Unneeded;
        }
        let turns = turn.turns_since(self.last_trial);
        let is_due = turns >= u64::from(self.patience) || self.has_rested(now, SILENCE_MAX);
        match is_due && in_flight == 0 {
            true => Trial::Due,
            false => Trial::Later,
        }
    }

    /// What one more call costs beside `in_flight`: nothing, for an idle endpoint that is as usual.
    /// Slowness counts twice, as its square: else a burst of calls at once, which does no harm, would
    /// send some of them to a slow endpoint.
    pub fn cost(&self, baseline: &LatencyBaseline, in_flight: u32) -> Log2Ratio {
        let slowness = match self.is_slow(baseline) {
            true => (self.excess + self.excess).max(Log2Ratio::ONE),
            false => Log2Ratio::ZERO,
        };
        let is_new = in_flight > 0 && self.answers < ANSWERS_PROVEN;
        let newness = if is_new {
            UNPROVEN_COST
        } else {
            Log2Ratio::ZERO
        };
        Log2Ratio::of_load(in_flight) + slowness + newness
    }

    /// Failures since the last good end.
    pub const fn faults(&self) -> u8 {
        self.faults
    }

    /// Was it neither tried nor seen to fail for `span`?
    pub fn has_rested(&self, now: Tick, span: Duration) -> bool {
        now.since(self.tried_at) >= span
    }

    /// The pick with which it was tried, or after which it failed, last.
    pub const fn last_trial(&self) -> u64 {
        self.last_trial
    }

    /// How much slower than the baseline it is estimated to be.
    pub const fn excess(&self) -> Log2Ratio {
        self.excess
    }

    /// How long its answers take on average; zero before the first answer.
    pub fn mean_latency(&self, baseline: &LatencyBaseline) -> Duration {
        baseline.latency(self.excess)
    }

    fn is_slow(&self, baseline: &LatencyBaseline) -> bool {
        self.excess > baseline.margin()
    }

    fn moved(self, sample: Log2Ratio) -> Estimate {
        let excess = self.excess + (sample - self.excess).part(EXCESS_SHIFT);
        Estimate { excess, ..self }
    }

    fn tried_now(self, turn: &Turn, now: Tick) -> Estimate {
        Estimate {
            last_trial: turn.picks(),
            tried_at: now,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Candidate, Rank, Weights};
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    const fn at(millis: u64) -> Tick {
        Tick::from_nanos(millis * 1_000_000)
    }

    /// Answers take 2 ms here.
    fn baseline() -> LatencyBaseline {
        (0..100).fold(LatencyBaseline::default(), |baseline, _| {
            baseline.observe(ms(2), Log2Ratio::ZERO)
        })
    }

    /// The estimate after answers of so many milliseconds.
    fn after(millis: &[u64]) -> Estimate {
        let answers = millis.iter();
        answers.fold(Estimate::default(), |found, latency| {
            found.observe(&baseline(), ms(*latency))
        })
    }

    fn turn_after(picks: u64) -> Turn {
        let mut turn = Turn::default();
        let free = Candidate {
            tried: false,
            rank: Rank::Ready,
            cost: Log2Ratio::ZERO,
            last_trial: 0,
            is_trial: false,
        };
        for _ in 0..picks {
            turn.pick(&Weights::default(), 2, &mut || 0, |_, _| Some(free));
        }
        turn
    }

    fn trial(found: &Estimate, picks: u64) -> Trial {
        found.trial(&baseline(), &turn_after(picks), at(0), 0)
    }

    #[test]
    fn one_slow_answer_decides_nothing_and_some_do() {
        let cases: [(&str, &[u64], bool); 7] = [
            ("none", &[], false),
            ("as baseline", &[2; 50], false),
            ("half as much again", &[3; 50], false),
            ("one of 300 ms", &[300], false),
            ("one of an hour", &[3_600_000], false),
            ("five of 20 ms", &[20; 5], true),
            ("ten of 6 ms", &[6; 10], true),
        ];
        for (rule, answers, expected) in cases {
            let stands_aside = trial(&after(answers), 0) != Trial::Unneeded;
            assert_eq!(stands_aside, expected, "{rule}");
        }
    }

    #[test]
    fn a_slow_one_is_tried_after_one_turn_then_after_twice_as_many() {
        let mut slow = after(&[20; 50]);
        assert_eq!(trial(&slow, 0), Trial::Due, "not tried yet");
        let mut picks = 0;
        for turns in [2, 4, 8, 16, 32, 32] {
            slow = slow
                .tried(&turn_after(picks), at(0))
                .observe(&baseline(), ms(20));
            picks += 2 * turns;
            assert_eq!(trial(&slow, picks - 1), Trial::Later, "{turns} turns");
            assert_eq!(trial(&slow, picks), Trial::Due, "{turns} turns");
        }
        let busy = slow.trial(&baseline(), &turn_after(picks), at(0), 1);
        assert_eq!(busy, Trial::Later, "one at a time");
    }

    #[test]
    fn silence_makes_a_slow_one_worth_a_trial() {
        let slow = after(&[20; 50]).tried(&turn_after(0), at(0));
        let trial = |millis| slow.trial(&baseline(), &turn_after(1), at(millis), 0);
        assert_eq!(trial(59_999), Trial::Later);
        assert_eq!(trial(60_000), Trial::Due);
    }

    #[test]
    fn good_trials_bring_it_back() {
        let tried = |found: Estimate| found.tried(&turn_after(0), at(0));
        let slow = (0..5).fold(after(&[20; 100]), |found, _| tried(found));
        assert_eq!(trial(&slow, 63), Trial::Later);
        let better = slow.observe(&baseline(), ms(2));
        assert_eq!(trial(&better, 7), Trial::Later);
        assert_eq!(trial(&better, 8), Trial::Due, "a quarter of the 16 turns");
        let good = tried(better).observe(&baseline(), ms(2));
        let good = tried(good).observe(&baseline(), ms(2));
        assert_eq!(trial(&good, 0), Trial::Due, "in its next turn");
        let well = (0..16).fold(good, |found, _| found.observe(&baseline(), ms(2)));
        assert_eq!(trial(&well, 0), Trial::Unneeded);
    }

    #[test]
    fn a_quick_answer_now_and_then_does_not_bring_a_slow_one_back() {
        let noisy = [1, 2, 4, 8].into_iter().cycle().take(400);
        let baseline = noisy.fold(LatencyBaseline::default(), |baseline, millis| {
            baseline.observe(ms(millis), Log2Ratio::ZERO)
        });
        // Three times as slow, and a third of its answers are no slower than those of others.
        let answers = [3, 12, 24].into_iter().cycle().take(300);
        let mut found = after(&[20; 50]);
        for millis in answers {
            found = found.observe(&baseline, ms(millis));
            let trial = found.trial(&baseline, &turn_after(0), at(0), 1);
            assert_ne!(trial, Trial::Unneeded, "{found:?}");
        }
    }

    #[test]
    fn a_failure_costs_a_turn_and_each_further_one_twice_as_many() {
        let fail =
            |found: Estimate, picks| found.ended(&turn_after(picks), at(0), Class::EndpointFault);
        let once = fail(Estimate::default(), 10);
        assert_eq!(
            (trial(&once, 11), trial(&once, 12)),
            (Trial::Later, Trial::Due)
        );
        let twice = fail(once.tried(&turn_after(12), at(0)), 12);
        assert_eq!(
            (trial(&twice, 15), trial(&twice, 16)),
            (Trial::Later, Trial::Due)
        );
        let well = once.ended(&turn_after(12), at(0), Class::Success);
        assert_eq!((well.faults(), trial(&well, 12)), (0, Trial::Unneeded));
        let neutral = once.ended(&turn_after(12), at(0), Class::Neutral);
        assert_eq!(neutral, once);
    }

    #[test]
    fn one_that_fails_now_and_then_stands_aside_at_times() {
        let end = |found: Estimate, class| found.ended(&turn_after(0), at(0), class);
        for class in [Class::EndpointFault, Class::HalfFault, Class::Overload] {
            let often = (0..3).fold(after(&[2; 20]), |found, _| {
                end(end(found, class), Class::Success)
            });
            assert_ne!(trial(&often, 0), Trial::Unneeded, "{}", class.name());
        }
    }

    #[test]
    fn a_new_one_gets_one_call_at_a_time() {
        let cost = |answers: &[u64], in_flight| after(answers).cost(&baseline(), in_flight);
        assert_eq!(cost(&[], 0), Log2Ratio::ZERO);
        assert!(cost(&[2; 3], 1) > cost(&[2; 4], 8));
        assert_eq!(cost(&[2; 4], 1), Log2Ratio::ONE);
    }

    #[test]
    fn slowness_counts_as_its_square() {
        let slow = after(&[20; 200]);
        let idle = slow.cost(&baseline(), 0);
        assert!(
            idle > Log2Ratio::of_load(60) && idle < Log2Ratio::of_load(120),
            "{idle:?}"
        );
    }
}
