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
    let other = |index: usize| index != first && eligible(index);
    match draw(count, random, &other) {
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
    let mut drawn = 0;
    for _ in 0..DRAWS_MAX {
        drawn = scale(random(), count as u64) as usize;
        if drawn < count && eligible(drawn) {
            return Some(drawn);
        }
    }
    (drawn..count)
        .chain(0..drawn)
        .find(|index| eligible(*index))
}
