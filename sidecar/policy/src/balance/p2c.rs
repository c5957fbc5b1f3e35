//! Power of two choices: draw two endpoints, take the cheaper.
//!
//! Nearly as even as looking at all of them, and no herd runs to the one that looked best a
//! moment ago (Mitzenmacher 2001). Knows nothing of what a cost is made of.

use crate::random::scale;

/// Random draws for one eligible endpoint before the scan. With half of the endpoints out,
/// one pick in sixteen scans.
const DRAWS_MAX: u32 = 4;

/// Picks among the endpoints `0..count` for which `eligible` holds; `None` if it holds for none.
pub fn pick_p2c(
    count: usize,
    random: &mut impl FnMut() -> u64,
    eligible: impl Fn(usize) -> bool,
    cost: impl Fn(usize) -> f64,
) -> Option<usize> {
    let first = draw(count, random, &eligible)?;
    // The second draw is among the others: their numbers close up over the gap.
    let other = |index: usize| index + usize::from(index >= first);
    let second = draw(count - 1, random, &|index| eligible(other(index)));
    match second.map(other) {
        Some(second) if cost(second) < cost(first) => Some(second),
        Some(_) | None => Some(first),
    }
}

/// One eligible endpoint: by chance, or else the next one after the last draw.
fn draw(
    count: usize,
    random: &mut impl FnMut() -> u64,
    eligible: &impl Fn(usize) -> bool,
) -> Option<usize> {
    if count == 0 {
        return None;
    }
    let mut drawn = 0;
    for _ in 0..DRAWS_MAX {
        drawn = scale(random(), count as u64) as usize;
        if eligible(drawn) {
            return Some(drawn);
        }
    }
    (drawn..count)
        .chain(0..drawn)
        .find(|index| eligible(*index))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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

    fn shares(costs: &[f64], eligible: impl Fn(usize) -> bool) -> Vec<u32> {
        let mut random = sequence(7);
        let mut shares = vec![0; costs.len()];
        for _ in 0..12_000 {
            let picked = pick_p2c(costs.len(), &mut random, &eligible, |index| costs[index]);
            shares[picked.expect("an eligible endpoint")] += 1;
        }
        shares
    }

    #[test]
    fn nobody_to_pick() {
        assert_eq!(pick_p2c(0, &mut sequence(1), |_| true, |_| 1.0), None);
        assert_eq!(pick_p2c(5, &mut sequence(1), |_| false, |_| 1.0), None);
    }

    #[test]
    fn of_two_the_cheaper_always_wins() {
        assert_eq!(shares(&[2.0, 1.0], |_| true), [0, 12_000]);
    }

    #[test]
    fn the_dearest_of_many_is_never_picked() {
        let shares = shares(&[9.0, 1.0, 2.0], |_| true);
        assert_eq!(shares[0], 0);
        // The cheapest is in two of three pairs.
        assert!((7_600..8_400).contains(&shares[1]), "{shares:?}");
    }

    #[test]
    fn equal_endpoints_get_equal_shares() {
        for share in shares(&[1.0; 4], |_| true) {
            assert!((2_700..3_300).contains(&share), "{share}");
        }
    }

    #[test]
    fn the_one_eligible_among_many_is_found() {
        assert_eq!(shares(&[1.0; 50], |index| index == 33)[33], 12_000);
    }

    proptest! {
        #[test]
        fn never_an_ineligible_endpoint_while_there_is_an_eligible_one(
            eligible in proptest::collection::vec(any::<bool>(), 0..40),
            costs in proptest::collection::vec(any::<f64>(), 40),
            seed: u64,
        ) {
            let is_eligible = |index: usize| eligible[index];
            let picked = pick_p2c(eligible.len(), &mut sequence(seed), is_eligible, |index| costs[index]);
            prop_assert_eq!(picked.is_some(), eligible.contains(&true));
            prop_assert!(picked.is_none_or(|index| eligible[index]));
        }

        #[test]
        fn a_stuck_random_source_still_picks(count in 1usize..40, stuck: u64) {
            prop_assert!(pick_p2c(count, &mut || stuck, |_| true, |_| 1.0).is_some());
        }
    }
}
