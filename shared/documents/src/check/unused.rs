//! What a TrafficPolicy says for methods, and no method takes: a warning, not an error, because the
//! methods may be about to be written.

use super::Checker;
use super::times::ServiceLevel;
use crate::model::TrafficPolicy;
use crate::wire::{Method, TrafficPolicySpec};

/// Warns of each line for all methods that holds for none of `policy`'s.
pub(super) fn check_unused(
    spec: &TrafficPolicySpec,
    policy: &TrafficPolicy,
    service_level: ServiceLevel,
    checker: &mut Checker<'_, '_>,
) {
    let taken = |own: fn(&Method) -> bool| spec.methods.iter().any(|it| it.unary && !own(it));
    let times = service_level.times;
    let lines = [
        ("timeout", times.whole, taken(|it| it.timeout.is_some())),
        (
            "perTryTimeout",
            times.per_try,
            taken(|it| it.per_try_timeout.is_some()),
        ),
    ];
    for (name, written, is_taken) in lines {
        if let Some(written) = written.filter(|_| !is_taken) {
            let message = format!(
                "`{name}` holds for no method: only those in `methods` with `unary: true` and without \
                 a `{name}` of their own take it"
            );
            checker.warn(written.at, message);
        }
    }
    let on = spec.retry.as_ref().and_then(|retry| retry.on.as_ref());
    let Some(first) = on.and_then(|on| on.first()) else {
        return;
    };
    if policy.attempts == 1 {
        checker.warn(
            first.referenced,
            "`on` with one attempt: nothing is tried again",
        );
    } else if !policy.methods.iter().any(|method| method.idempotent) {
        let message = "`on` applies to no method: only those in `methods` with `idempotent: true` are \
                       tried again after an answer";
        checker.warn(first.referenced, message);
    }
}
