//! Weights of endpoints: in how many rounds each has a turn, and how its load is compared.
//!
//! An endpoint of half the largest weight has a turn in every other round, spread evenly and without
//! state of its own: the static stride scheduler of gRFC A58. In the other rounds it is passed over,
//! unless those whose turn it is are busier than their weight says. Equal weights cost nothing.

use super::Log2Ratio;

/// The stride of an endpoint that has a turn in every round.
const EVERY_ROUND: u32 = 1 << 16;

/// The least stride: an endpoint counts for at least a hundredth of the heaviest of its group. A pick passes
/// over a hundred endpoints for each that has a turn then, which costs 1 % of a call; with less a single
/// heavy endpoint among ten thousand would make each pick look at all of them.
const STRIDE_MIN: u64 = EVERY_ROUND as u64 / 100;

/// Moves the rounds in which endpoints of one weight have a turn apart: 2^16 divided by the golden ratio.
const APART: u32 = 40_503;

/// In how many rounds each endpoint of a cluster has a turn. The default: all in every round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weights {
    /// Of each endpoint, in parts of [`EVERY_ROUND`], at least [`STRIDE_MIN`]. Empty: all have a turn in every round.
    strides: Box<[u32]>,
}

impl Weights {
    /// Of endpoints that stand in groups of one priority; each group compares its own weights.
    /// 0 counts as a hundredth of the largest, and so does all that is less than that.
    pub fn of_groups<'w>(groups: impl IntoIterator<Item = &'w [u32]>) -> Weights {
        let strides: Vec<u32> = groups.into_iter().flat_map(strides).collect();
        match strides.iter().all(|stride| *stride == EVERY_ROUND) {
            true => Weights::default(),
            false => Weights {
                strides: strides.into(),
            },
        }
    }

    /// Has every endpoint a turn in every round?
    pub fn are_equal(&self) -> bool {
        self.strides.is_empty()
    }

    /// The share with which an endpoint is looked at in a round.
    pub(super) fn share(&self, index: usize, round: u32) -> Share {
        let Some(stride) = self.strides.get(index).copied() else {
            return Share::WHOLE;
        };
        let apart = (index as u32).wrapping_mul(APART);
        let part = round.wrapping_mul(stride).wrapping_add(apart) % EVERY_ROUND;
        Share {
            stride,
            has_turn: part + stride >= EVERY_ROUND,
        }
    }
}

fn strides(weights: &[u32]) -> impl Iterator<Item = u32> {
    let largest = u64::from(weights.iter().copied().max().unwrap_or_default());
    let every = u64::from(EVERY_ROUND);
    let stride = move |weight: &u32| {
        let exact = (u64::from(*weight) * every).checked_div(largest);
        exact.unwrap_or(every).max(STRIDE_MIN) as u32
    };
    weights.iter().map(stride)
}

/// How an endpoint's weight changes what a pick sees of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    stride: u32,
    pub(super) has_turn: bool,
}

impl Share {
    /// An endpoint of the largest weight: it has a turn in every round, and its load counts as it is.
    pub const WHOLE: Share = Share {
        stride: EVERY_ROUND,
        has_turn: true,
    };

    /// The load of an endpoint of the largest weight that is as busy.
    pub(super) fn load(self, in_flight: u32) -> u32 {
        if self.stride == EVERY_ROUND || !self.has_turn {
            return in_flight;
        }
        let load = u64::from(in_flight) * u64::from(EVERY_ROUND) / u64::from(self.stride);
        u32::try_from(load).unwrap_or(u32::MAX)
    }

    /// What a call costs besides that load: out of its turn, an endpoint counts with the call added.
    pub(super) fn surcharge(self) -> Log2Ratio {
        match self.has_turn {
            true => Log2Ratio::ZERO,
            false => Log2Ratio::of_ratio(EVERY_ROUND, self.stride),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights by groups.
    type Groups<'g> = &'g [&'g [u32]];

    /// In how many of so many rounds each endpoint has a turn.
    fn turns(weights: &Weights, count: usize, rounds: u32) -> Vec<u32> {
        let has_turn = |index, round: &u32| weights.share(index, *round).has_turn;
        let turns =
            (0..count).map(|index| (0..rounds).filter(|round| has_turn(index, round)).count());
        turns.map(|turns| turns as u32).collect()
    }

    #[test]
    fn an_endpoint_has_turns_in_proportion_to_its_weight() {
        let cases: [(&str, Groups<'_>, &[u32]); 7] = [
            ("equal", &[&[7, 7, 7]], &[600, 600, 600]),
            ("one to three", &[&[1, 3]], &[200, 600]),
            ("two, five, ten", &[&[2, 5, 10]], &[120, 300, 600]),
            (
                "each group by itself",
                &[&[1, 2], &[50, 100]],
                &[300, 600, 300, 600],
            ),
            ("no weight", &[&[0, 1]], &[6, 600]),
            ("no weight at all", &[&[0, 0]], &[600, 600]),
            (
                "the largest there is",
                &[&[u32::MAX, u32::MAX]],
                &[600, 600],
            ),
        ];
        for (rule, groups, expected) in cases {
            let weights = Weights::of_groups(groups.iter().copied());
            let found = turns(&weights, expected.len(), 600);
            let is_near = found.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= 1);
            assert!(is_near, "{rule}: {found:?}");
        }
    }

    #[test]
    fn no_round_is_left_to_a_few_among_many() {
        let mut all = vec![1; 1_000];
        all[3] = u32::MAX;
        let weights = Weights::of_groups([&all[..]]);
        let turns = turns(&weights, 1_000, 100);
        assert_eq!(turns[3], 100);
        let others: u32 = turns.iter().sum::<u32>() - 100;
        assert!(
            others >= 900,
            "each round has turns of nine others: {others}"
        );
    }

    #[test]
    fn equal_weights_cost_no_memory() {
        assert!(Weights::of_groups([&[4, 4][..], &[9][..], &[0]]).are_equal());
        assert!(!Weights::of_groups([&[4, 5][..]]).are_equal());
    }
}
