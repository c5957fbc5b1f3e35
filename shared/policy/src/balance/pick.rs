//! The pick: endpoints in turn, and the order in which one is better than another.
//!
//! First come those that have not failed this call, then by [`Rank`]; of those that are ready the
//! next in turn, unless it is slower or busier; of those that are not the one tried longest ago.
//!
//! The next endpoint in turn gets the call unless another one is better. So equal endpoints get equal
//! shares even of few calls, which a random pick cannot do. The order changes a little at random from
//! turn to turn: two kinds of calls that alternate must not always go to the same two endpoints. An endpoint of less
//! weight has a turn in fewer rounds ([`Weights`]). Knows nothing of health and latency beyond [`Candidate`].

use std::cmp::Ordering;
use std::time::Duration;

use super::{Estimate, LatencyBaseline, Log2Ratio, Share, Trial, Weights};
use crate::health::Availability;
use crate::random::scale;
use crate::{Class, Tick};

/// Endpoints that are looked at where the first one is not free. Bounds the cost of a pick in large
/// clusters; two would do against herds (Mitzenmacher 2001), more find the way around a group of
/// slow ones.
const LOOKS_MAX: usize = 16;

/// From so many failures of a cluster in a row on, one endpoint is as good as another.
const FAULTS_MAX: u8 = 2;

/// An endpoint that failed is left alone for so long, as long as others are better: one that is dead
/// gets ten calls a second at most.
const REST: Duration = Duration::from_millis(100);

/// Why an endpoint is better than another. This is the order of the pick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// In rotation; or failed before, but a trial is due and the last pick was none.
    Ready,
    /// In rotation and failing, or out but not tried in the last tenth of a second.
    Doubtful,
    /// Out and tried just now, or with a probe on its way.
    Out,
}

/// What a pick knows of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// It failed this call already: worse than any that did not.
    pub tried: bool,
    /// The first criterion after `tried`.
    pub rank: Rank,
    /// Of two that are ready, one that costs half or less wins, else the earlier in turn.
    pub cost: Log2Ratio,
    /// The pick with which it was tried last. Of two that are not ready, the earlier one wins.
    pub last_trial: u64,
    /// A call that goes there is a trial.
    pub is_trial: bool,
}

/// The state of an endpoint that a pick needs besides its estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointStatus {
    /// It failed this call already.
    pub tried: bool,
    /// Whether its health lets it be picked.
    pub availability: Availability,
    /// Attempts that run there now.
    pub in_flight: u32,
    /// How its weight makes them count.
    pub share: Share,
}

impl Candidate {
    /// Ranks an endpoint for the next pick of `turn`.
    pub fn new(
        status: EndpointStatus,
        estimate: &Estimate,
        baseline: &LatencyBaseline,
        turn: &Turn,
        now: Tick,
    ) -> Candidate {
        let trial = estimate.trial(baseline, turn, now, status.in_flight);
        let is_failing = estimate.faults() > 0;
        let (mut rank, is_trial) = match (status.availability, trial) {
            (Availability::InRotation, Trial::Unneeded) => (Rank::Ready, false),
            // Slow and not failing: until its trial it is dear, but no worse.
            (Availability::InRotation, Trial::Due) if !is_failing => (Rank::Ready, turn.may_try()),
            (Availability::InRotation, Trial::Later) if !is_failing => (Rank::Ready, false),
            // Of two calls in a row at most one goes where it may well fail.
            (Availability::InRotation, Trial::Due) | (Availability::ProbeDue, _)
                if turn.may_try() =>
            {
                (Rank::Ready, true)
            }
            (Availability::InRotation | Availability::ProbeDue, _) => (Rank::Doubtful, true),
            (Availability::Paused, _) if estimate.has_rested(now, REST) => (Rank::Doubtful, true),
            (Availability::Paused | Availability::Probing, _) => (Rank::Out, true),
        };
        if turn.faults_in_row >= FAULTS_MAX {
            rank = rank.min(Rank::Doubtful);
        }
        let load = status.share.load(status.in_flight);
        let cost = match is_trial {
            true => Log2Ratio::of_load(load),
            false => estimate.cost(baseline, load),
        };
        Candidate {
            tried: status.tried,
            rank,
            cost: cost + status.share.surcharge(),
            last_trial: estimate.last_trial(),
            is_trial,
        }
    }

    fn is_better_than(&self, earlier: &Candidate) -> bool {
        match (self.tried, self.rank).cmp(&(earlier.tried, earlier.rank)) {
            Ordering::Less => true,
            Ordering::Greater => false,
            Ordering::Equal if self.rank == Rank::Ready => {
                self.cost + Log2Ratio::ONE <= earlier.cost
            }
            Ordering::Equal => self.last_trial < earlier.last_trial,
        }
    }

    /// Nothing can be better.
    fn is_free(&self) -> bool {
        !self.tried && self.rank == Rank::Ready && self.cost == Log2Ratio::ZERO
    }

    fn is_ready(&self) -> bool {
        !self.tried && self.rank == Rank::Ready
    }
}

/// Whose turn it is in a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Picks so far.
    picks: u64,
    /// Endpoints that the last pick was among.
    count: u32,
    /// Rounds so far, modulo 2^32.
    round: u32,
    /// Place in the round.
    place: u32,
    /// One bit for each pair of neighbours in the round: do they change places?
    swaps: u64,
    /// The pairs begin with the second place: every other round where one is left without a partner.
    is_odd: bool,
    /// The last pick was a trial.
    was_trial: bool,
    /// Attempts of the cluster that failed since one ended well.
    faults_in_row: u8,
}

impl Turn {
    /// Picks so far.
    pub const fn picks(&self) -> u64 {
        self.picks
    }

    /// Whole turns since so many picks: the clock that trials are measured by. A turn is as many picks
    /// as there are endpoints.
    pub fn turns_since(&self, pick: u64) -> u64 {
        debug_assert!(pick <= self.picks, "a pick that is to come");
        self.picks.saturating_sub(pick) / u64::from(self.count.max(1))
    }

    /// May the next pick be a trial, where there is something better?
    pub const fn may_try(&self) -> bool {
        !self.was_trial
    }

    /// An attempt at any endpoint ended.
    pub fn ended(&mut self, class: Class) {
        match class {
            Class::Success | Class::CallerFault => self.faults_in_row = 0,
            Class::EndpointFault | Class::HalfFault => {
                self.faults_in_row = self.faults_in_row.saturating_add(1);
            }
            Class::Overload | Class::Neutral => {}
        }
    }

    /// Picks among `0..count`: the next in turn, unless another one further on is better. Those that have
    /// no turn in their round come after all that have. A `candidate` of `None` may not be picked. `None`
    /// only if there is none.
    pub fn pick(
        &mut self,
        weights: &Weights,
        count: usize,
        random: &mut impl FnMut() -> u64,
        candidate: impl Fn(usize, Share) -> Option<Candidate>,
    ) -> Option<(usize, Candidate)> {
        self.begin(count, random);
        let mut search = Search::default();
        self.look(&mut search, count, |index, round| {
            let share = weights.share(index, round);
            share.has_turn.then(|| candidate(index, share))
        });
        if !weights.are_equal() {
            self.look(&mut search, count, |index, round| {
                let share = weights.share(index, round);
                (!share.has_turn).then(|| candidate(index, share))
            });
        }
        let (step, chosen) = search.best?;
        let index = self.index(count, step);
        self.end(count, step, chosen.is_trial);
        Some((index, chosen))
    }

    /// Looks at each endpoint from the one in turn on, until one is good enough. `candidate` is `None` for
    /// one that is not looked at, and `Some(None)` for one that may not be picked.
    fn look(
        &self,
        search: &mut Search,
        count: usize,
        candidate: impl Fn(usize, u32) -> Option<Option<Candidate>>,
    ) {
        for step in 0..count {
            if search.is_over() {
                return;
            }
            let is_next_round = self.place as usize + step >= count;
            let round = self.round.wrapping_add(u32::from(is_next_round));
            if let Some(found) = candidate(self.index(count, step), round) {
                search.see(step, found);
            }
        }
    }

    /// The first round begins anywhere, so that many sidecars do not begin with the same endpoint.
    fn begin(&mut self, count: usize, random: &mut impl FnMut() -> u64) {
        if count > 1 && self.picks == 0 {
            self.place = scale(random(), count as u64) as u32;
        }
        if self.place as usize >= count {
            self.place = 0;
            self.swaps = if count > 1 { random() } else { 0 };
            self.is_odd = !self.is_odd && count % 2 == 1;
            self.round = self.round.wrapping_add(1);
        }
    }

    fn end(&mut self, count: usize, step: usize, is_trial: bool) {
        self.picks += 1;
        self.count = count as u32;
        self.was_trial = is_trial;
        // Who was passed over has had its turn.
        let next = self.place as usize + step + 1;
        let rounds = usize::from(next > count);
        self.round = self.round.wrapping_add(rounds as u32);
        self.place = (next - rounds * count) as u32;
    }

    /// The endpoint `step` places on.
    fn index(&self, count: usize, step: usize) -> usize {
        let ahead = self.place as usize + step;
        let place = if ahead < count { ahead } else { ahead - count };
        let shifted = place + usize::from(self.is_odd);
        let is_swapped = self.swaps >> ((shifted >> 1) & 63) & 1 == 1;
        let partner = (shifted ^ usize::from(is_swapped)).wrapping_sub(usize::from(self.is_odd));
        if partner < count { partner } else { place }
    }
}

/// What a pick has seen so far.
#[derive(Default)]
struct Search {
    looks: usize,
    /// With its step from the endpoint in turn.
    best: Option<(usize, Candidate)>,
}

impl Search {
    fn see(&mut self, step: usize, found: Option<Candidate>) {
        self.looks += 1;
        if let Some(found) = found
            && self
                .best
                .is_none_or(|(_, earlier)| found.is_better_than(&earlier))
        {
            self.best = Some((step, found));
        }
    }

    fn is_over(&self) -> bool {
        let Some((_, best)) = self.best else {
            return false;
        };
        best.is_free() || (self.looks >= LOOKS_MAX && best.is_ready())
    }
}

#[cfg(test)]
mod tests;
