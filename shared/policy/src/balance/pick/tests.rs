//! The order of the pick, and that equal endpoints take turns.

use proptest::prelude::*;

use super::*;

const FREE: Candidate = Candidate {
    tried: false,
    rank: Rank::Ready,
    cost: Log2Ratio::ZERO,
    last_trial: 0,
    is_trial: false,
};

const fn with(tried: bool, rank: Rank, cost: i32, last_trial: u64) -> Candidate {
    Candidate {
        tried,
        rank,
        cost: Log2Ratio::hundredths(cost),
        last_trial,
        ..FREE
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): a sequence that a seed names.
fn sequence(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Where so many picks go.
fn picks(seed: u64, candidates: &[Candidate], count: usize) -> Vec<usize> {
    let (mut turn, mut random) = (Turn::default(), sequence(seed));
    let count_of_all = candidates.len();
    let mut pick = || {
        let candidate = |index: usize, _| Some(candidates[index]);
        turn.pick(&Weights::default(), count_of_all, &mut random, candidate)
    };
    (0..count)
        .filter_map(|_| pick())
        .map(|(index, _)| index)
        .collect()
}

#[test]
fn none_of_none() {
    assert_eq!(picks(1, &[], 3), []);
}

#[test]
fn the_order_of_the_pick() {
    use Rank::{Doubtful, Out, Ready};
    // The better one of each pair, in whichever turn.
    let cases = [
        (
            "ready before doubtful",
            with(false, Ready, 900, 9),
            with(false, Doubtful, 0, 1),
        ),
        (
            "doubtful before out",
            with(false, Doubtful, 900, 9),
            with(false, Out, 0, 1),
        ),
        (
            "out but untried before tried",
            with(false, Out, 900, 9),
            with(true, Ready, 0, 1),
        ),
        (
            "half the cost",
            with(false, Ready, 100, 9),
            with(false, Ready, 200, 1),
        ),
        (
            "tried longer ago",
            with(false, Doubtful, 900, 1),
            with(false, Doubtful, 0, 2),
        ),
    ];
    for (rule, better, worse) in cases {
        for seed in 0..20 {
            assert_eq!(picks(seed, &[better, worse], 4), [0; 4], "{rule}");
            assert_eq!(picks(seed, &[worse, better], 4), [1; 4], "{rule}");
        }
    }
}

#[test]
fn a_group_of_slow_ones_is_passed_over_and_its_turns_are_shared() {
    let slow = with(false, Rank::Ready, 300, 0);
    let candidates = [[slow; 6], [FREE; 6]].concat();
    let picked = picks(3, &candidates, 600);
    for index in 6..12 {
        let got = picked.iter().filter(|found| **found == index).count();
        assert!((90..=110).contains(&got), "{index}: {got}");
    }
}

#[test]
fn a_large_cluster_is_not_looked_through() {
    let looks = std::cell::Cell::new(0);
    let busy = with(false, Rank::Ready, 100, 0);
    let see = |_, _| {
        looks.set(looks.get() + 1);
        Some(busy)
    };
    Turn::default().pick(&Weights::default(), 10_000, &mut || 0, see);
    assert_eq!(looks.get(), LOOKS_MAX);
}

#[test]
fn callers_that_alternate_do_not_meet_the_same_endpoint_each_time() {
    let picked = picks(5, &[FREE; 2], 1_000);
    let first_of_each = picked.chunks(2).filter(|pair| pair[0] == 0).count();
    assert!(
        (200..300).contains(&first_of_each),
        "{first_of_each} of 500"
    );
}

#[test]
fn after_a_trial_comes_something_better_if_there_is_any() {
    let dead = (0..2).fold(Estimate::default(), |found, _| {
        found.ended(&Turn::default(), Tick::ZERO, Class::EndpointFault)
    });
    let (mut turn, mut random) = (Turn::default(), sequence(9));
    let later = Tick::from_nanos(60_000_000_000);
    let mut trials = vec![];
    for _ in 0..10 {
        let before = turn;
        let (index, _) = turn
            .pick(&Weights::default(), 2, &mut random, |index, share| {
                let status = EndpointStatus {
                    tried: false,
                    availability: Availability::InRotation,
                    in_flight: 0,
                    share,
                };
                let found = if index == 0 {
                    dead
                } else {
                    Estimate::default()
                };
                let baseline = LatencyBaseline::default();
                Some(Candidate::new(status, &found, &baseline, &before, later))
            })
            .expect("an endpoint");
        trials.push(index == 0);
    }
    assert!(
        !trials.windows(2).any(|pair| pair == [true, true]),
        "{trials:?}"
    );
    assert!(trials.contains(&true));
}

#[test]
fn failures_of_the_whole_cluster_make_all_alike() {
    let mut turn = Turn::default();
    let status = EndpointStatus {
        tried: false,
        availability: Availability::Probing,
        in_flight: 0,
        share: Share::WHOLE,
    };
    let rank = |turn: &Turn| {
        Candidate::new(
            status,
            &Estimate::default(),
            &LatencyBaseline::default(),
            turn,
            Tick::ZERO,
        )
        .rank
    };
    assert_eq!(rank(&turn), Rank::Out);
    turn.ended(Class::EndpointFault);
    turn.ended(Class::EndpointFault);
    assert_eq!(rank(&turn), Rank::Doubtful);
    turn.ended(Class::Success);
    assert_eq!(rank(&turn), Rank::Out);
}

proptest! {
    /// In a row of picks equal endpoints differ by two at most, and by one call from their share.
    #[test]
    fn equal_endpoints_take_turns(count in 1usize..40, seed: u64, length in 0usize..300) {
        let picked = picks(seed, &vec![FREE; count], 100 + length);
        let got = |index| picked[100..].iter().filter(|found| **found == index).count() as f64;
        let fair = length as f64 / count as f64;
        for index in 0..count {
            prop_assert!((got(index) - fair).abs() < 2.0, "{} of {fair}", got(index));
        }
    }

    /// Whatever there is: an untried one before any tried one, and of those the best rank.
    #[test]
    fn nothing_better_is_left(
        candidates in proptest::collection::vec(
            (any::<bool>(), 0u8..3, 0i32..900, 0u64..9), 1..16),
        seed: u64,
    ) {
        let candidates: Vec<_> = candidates.into_iter().map(|(tried, rank, cost, last)| {
            with(tried, [Rank::Ready, Rank::Doubtful, Rank::Out][rank as usize], cost, last)
        }).collect();
        let chosen = candidates[picks(seed, &candidates, 1)[0]];
        let place = |found: &Candidate| (found.tried, found.rank);
        prop_assert_eq!(Some(place(&chosen)), candidates.iter().map(place).min());
    }
}
