//! The rate limits of a cluster, which all workers keep to together: a call needs a permit of each.
//!
//! A permit that was taken stays taken, also when a later limit refuses the call or the caller leaves: so
//! never more than a limit is let through. What a limit decides is `outrider_policy`'s [`RateVerdict`].

use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use outrider_http2::Field;
use outrider_policy::order::Step;
use outrider_policy::{LimitKey, RateLimit, RateVerdict, Reason, Rule, Tick};

use super::{Context, Stop};
use crate::call::Call;
use crate::call::wait::Missing;
use crate::refusal::Refusal;

pub(super) fn check(context: &mut Context<'_>, call: &mut Call) -> Result<(), Stop> {
    let mut shown = String::new();
    let permitted = take_permits(context, call, &mut shown);
    if !shown.is_empty() {
        call.history_mut().rate_limits = Some(shown);
    }
    match permitted? {
        Some((until, rule)) => Err(Stop::Wait(Missing::Time {
            until,
            step: Step::RateLimit,
            rule,
        })),
        None => Ok(()),
    }
}

/// When the last of the permits is there, if it is to be waited for, and which limit gives it. `shown` is
/// what the response says of the limits.
fn take_permits(
    context: &mut Context<'_>,
    call: &Call,
    shown: &mut String,
) -> Result<Option<(Tick, Rule)>, Refusal> {
    let Some(cluster) = &call.cluster else {
        return Ok(None);
    };
    let now = context.now;
    let patience = (call.deadline).map_or(Duration::MAX, |deadline| deadline.since(now));
    let mut last: Option<(Tick, Rule)> = None;
    for limit in cluster
        .config
        .shared
        .limits(&cluster.config.policy.rate_limits)
    {
        let key = key_of(call, &limit.rules.key);
        let seed = || context.random.next_u64();
        match limit.take(&key, seed, now, patience) {
            RateVerdict::Admit {
                remaining,
                resets_at,
            } => show(shown, &limit.rules, remaining, resets_at.since(now)),
            RateVerdict::WaitUntil(at) => {
                show(shown, &limit.rules, 0, at.since(now));
                if last.as_ref().is_none_or(|(until, _)| *until < at) {
                    last = Some((at, named(&limit.rules)));
                }
            }
            RateVerdict::Reject { retry_after } => {
                show(shown, &limit.rules, 0, retry_after);
                return Err(refusal(&cluster.name, &limit.rules, retry_after));
            }
        }
    }
    Ok(last)
}

fn named(rules: &RateLimit) -> Rule {
    Rule::Named(rules.name.as_str().into())
}

/// What the limit counts the call by.
fn key_of<'c>(call: &'c Call, key: &LimitKey) -> Cow<'c, [u8]> {
    let field = |name: &[u8]| call.request.find(name).unwrap_or_default();
    match key {
        LimitKey::Service => Cow::Borrowed(b""),
        LimitKey::Method => {
            let path = field(b":path");
            let end = path.iter().position(|octet| *octet == b'?');
            Cow::Borrowed(&path[..end.unwrap_or(path.len())])
        }
        // Of an outbound call it is the local application, which is one.
        LimitKey::Caller => match &call.caller {
            Some(caller) => Cow::Owned(caller.as_str().as_bytes().to_vec()),
            None => Cow::Borrowed(b""),
        },
        LimitKey::Header(name) => Cow::Borrowed(field(name.as_bytes())),
    }
}

fn refusal(cluster: &str, rules: &RateLimit, retry_after: Duration) -> Refusal {
    let (name, limit, period) = (&rules.name, rules.limit, rules.period);
    let sentence =
        format!("the rate limit `{name}` of {cluster} is used up: {limit} calls in {period:?}");
    Refusal {
        retry_after: Some(retry_after),
        rule: named(rules),
        ..Refusal::early(Reason::RateLimited, sentence)
    }
}

/// The field of the response, if a limit asks for it.
pub(in crate::call) fn field(shown: &Option<String>) -> impl Iterator<Item = Field<'_>> {
    (shown.iter()).map(|value| Field::new(b"ratelimit", value.as_bytes()))
}

/// A member of the field `ratelimit` (draft-ietf-httpapi-ratelimit-headers), where it is asked for: calls
/// that are left, and whole seconds until there are more.
fn show(out: &mut String, rules: &RateLimit, remaining: u32, resets: Duration) {
    if !rules.response_headers {
        return;
    }
    let separator = if out.is_empty() { "" } else { ", " };
    let name = &rules.name;
    let seconds = resets.as_secs() + u64::from(resets.subsec_nanos() > 0);
    let _ = write!(out, "{separator}\"{name}\";r={remaining};t={seconds}");
}
