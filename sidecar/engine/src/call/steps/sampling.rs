//! Decides whether a trace that begins here is recorded; for another the caller has decided.

use super::Context;
use crate::call::Call;

pub(super) fn decide(context: &mut Context<'_>, call: &mut Call) {
    if call.parent_span.is_some() {
        return;
    }
    if let Some(route) = &call.route {
        let random = context.random.next_u64();
        let sampled = route.route.policy.sampling.decide(random);
        call.trace = call.trace.with_sampled(sampled);
    }
}
