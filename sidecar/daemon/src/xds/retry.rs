//! `RetryPolicy` of Envoy, with our `RoutePolicy` where it has no words.

use super::cluster_policy::check_features;
use super::fields::{Fields, number, refuse_unenforced};
use outrider_policy::{BackOff, CallPolicy, Code, CodeSet, RetryPolicy};
use outrider_proto::envoy::route::RetryPolicy as WireRetryPolicy;
use outrider_proto::envoy::route::retry_policy::RetryBackOff;
use outrider_proto::google::Any;
use outrider_proto::{ROUTE_POLICY, features, unpack, v1};
use std::time::Duration;

/// The features of `RoutePolicy` that are enforced here.
const FEATURES: [&str; 4] = [
    features::UNARY,
    features::IDEMPOTENT,
    features::RETRY_ON,
    features::WAIT_FOR_READY,
];

/// Finds our `RoutePolicy` among a route's `typed_per_filter_config`.
pub(super) fn parse_route_policy<'a>(
    configs: impl IntoIterator<Item = (&'a String, &'a Any)>,
    fields: &mut Fields<'_>,
) -> Option<v1::RoutePolicy> {
    let mut found = None;
    for (key, any) in configs {
        let mut fields = fields.at(&format!("typed_per_filter_config[{key}]"));
        if key != ROUTE_POLICY {
            fields.refuse("value", "not enforced here");
            continue;
        }
        match unpack::<v1::RoutePolicy>(any) {
            Ok(policy) => {
                check_features(&policy.required_features, &FEATURES, &mut fields);
                found = Some(policy);
            }
            Err(error) => fields.refuse("type_url", error.to_string()),
        }
    }
    found
}

/// Adds retries and contract to the policy of a route's calls; `fields` is the
/// `RouteAction`.
pub(super) fn parse(
    wire: &Option<WireRetryPolicy>,
    ours: Option<&v1::RoutePolicy>,
    policy: &mut CallPolicy,
    fields: &mut Fields<'_>,
) {
    // Envoy without a retry policy does not retry.
    policy.retry = RetryPolicy {
        attempts_max: 1,
        on: CodeSet::EMPTY,
        back_off: BackOff::default(),
    };
    let mut codes = Vec::new();
    if let Some(wire) = wire {
        codes = parse_wire(wire, policy, &mut fields.at("retry_policy"));
    }
    match ours {
        // Nobody else has a word for it: who asks for a retry after UNAVAILABLE in
        // Envoy's words says that it is safe.
        None => policy.idempotent = !codes.is_empty(),
        Some(ours) => codes.extend(parse_ours(ours, &codes, policy, fields)),
    }
    policy.retry.on = codes.into_iter().collect();
}

fn parse_ours(
    ours: &v1::RoutePolicy,
    codes: &[Code],
    policy: &mut CallPolicy,
    fields: &mut Fields<'_>,
) -> Vec<Code> {
    let v1::RoutePolicy {
        required_features: _,
        unary,
        idempotent,
        retry_on,
        wait_for_ready,
    } = ours;
    policy.wait_for_ready = fields.positive("wait_for_ready", wait_for_ready);
    policy.unary = *unary;
    policy.idempotent = *idempotent;
    if !idempotent && (!codes.is_empty() || !retry_on.is_empty()) {
        let problem = "codes are for idempotent methods, and this route says it has none";
        fields.refuse("retry_policy.retry_on", problem);
    }
    let mut more = Vec::new();
    for name in retry_on {
        match Code::from_name(name).filter(|code| *code != Code::Ok) {
            Some(code) => more.push(code),
            None => fields.refuse("retry_policy.retry_on", format!("`{name}` is no failure")),
        }
    }
    more
}

fn parse_wire(
    wire: &WireRetryPolicy,
    policy: &mut CallPolicy,
    fields: &mut Fields<'_>,
) -> Vec<Code> {
    refuse_unenforced!(fields, wire, WireRetryPolicy {
        enforced: retry_on, num_retries, per_try_timeout, retry_back_off;
        refused: per_try_idle_timeout, retry_priority, retry_host_predicate,
            retry_options_predicates, host_selection_retry_max_attempts, retriable_status_codes,
            rate_limited_retry_back_off, retriable_headers, retriable_request_headers,
            refresh_cluster_on_retry;
    });
    // Envoy's default is one retry.
    let attempts = number(&wire.num_retries).unwrap_or(1).saturating_add(1);
    match u8::try_from(attempts) {
        Ok(count) if RetryPolicy::ATTEMPTS.contains(&count) => policy.retry.attempts_max = count,
        Ok(_) | Err(_) => fields.refuse("num_retries", "over 4"),
    }
    policy.per_try_timeout = fields.positive("per_try_timeout", &wire.per_try_timeout);
    if let Some(back_off) = &wire.retry_back_off {
        parse_back_off(
            back_off,
            &mut policy.retry.back_off,
            &mut fields.at("retry_back_off"),
        );
    }
    parse_codes(&wire.retry_on, fields)
}

/// An absent maximum is ten times the base, as Envoy has it.
fn parse_back_off(wire: &RetryBackOff, back_off: &mut BackOff, fields: &mut Fields<'_>) {
    let RetryBackOff {
        base_interval,
        max_interval,
    } = wire;
    let Some(base) = fields.positive("base_interval", base_interval) else {
        return fields.refuse("base_interval", "missing");
    };
    let longest = fields.positive("max_interval", max_interval);
    back_off.base = base;
    back_off.cap = longest.unwrap_or(base.saturating_mul(10));
    if back_off.cap < base || back_off.cap == Duration::ZERO {
        fields.refuse("max_interval", "shorter than base_interval");
    }
}

/// Envoy's words for what is surely unprocessed: that is always retried, so they change nothing.
const UNPROCESSED: [&str; 2] = ["connect-failure", "refused-stream"];

fn parse_codes(retry_on: &str, fields: &mut Fields<'_>) -> Vec<Code> {
    let mut codes = Vec::new();
    for word in retry_on
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        match Code::from_envoy_retry_word(word) {
            Some(code) => codes.push(code),
            None if UNPROCESSED.contains(&word) => {}
            None => fields.refuse("retry_on", format!("`{word}` is not enforced here")),
        }
    }
    codes
}
