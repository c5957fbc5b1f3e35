//! The moment for which a call is held whose caller takes back what it opens, again and again.
//!
//! A call that is cancelled in that moment was sent to no backend (CVE-2023-44487); any other goes on
//! as if it had come a moment later. When, and until when, is decided in `http2` by the budget of resets.

use outrider_policy::Rule;
use outrider_policy::order::Step;

use super::{Context, Stop};
use crate::call::Call;
use crate::call::wait::Missing;

pub(super) fn check(context: &Context<'_>, call: &Call) -> Result<(), Stop> {
    let (step, rule) = (Step::Hold, Rule::Fixed("rapid_resets"));
    let history = call.history.as_ref();
    match history.and_then(|history| history.held_until) {
        Some(until) if until > context.now => Err(Stop::Wait(Missing::Time { until, step, rule })),
        Some(_) | None => Ok(()),
    }
}
