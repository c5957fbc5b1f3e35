//! `rateLimits` of a TrafficPolicy. What is in range and fits together is `policy`'s to say; here it is said
//! where the field stands.

use super::Checker;
use crate::error::Place;
use crate::wire;
use outrider_policy::{LimitField, LimitKey, RateAlgorithm, RateLimit};
use serde_saphyr::{Location, Spanned};
use std::collections::BTreeMap;

pub(super) fn check_rate_limits(
    limits: &Option<Spanned<Vec<wire::RateLimit>>>,
    checker: &mut Checker<'_, '_>,
) -> Vec<RateLimit> {
    let Some(limits) = limits else {
        return Vec::new();
    };
    checker.length("rateLimits", limits, RateLimit::COUNT_MAX);
    let mut places: BTreeMap<&str, Place> = BTreeMap::new();
    let mut check = |limit| {
        check_once(limit, &mut places, checker);
        check_rate_limit(limit, checker)
    };
    limits.value.iter().map(&mut check).collect()
}

/// The name says which limit is meant, in answers and over a change.
fn check_once<'l>(
    limit: &'l wire::RateLimit,
    places: &mut BTreeMap<&'l str, Place>,
    checker: &mut Checker<'_, '_>,
) {
    let (name, at) = (&limit.name.value, limit.name.referenced);
    if let Some(first) = places.insert(name, checker.place(at)) {
        let message = format!("`{name}` is already at {}", checker.name(first));
        checker.refuse(at, message);
    }
}

fn check_rate_limit(limit: &wire::RateLimit, checker: &mut Checker<'_, '_>) -> RateLimit {
    let wire::RateLimit {
        name,
        algorithm,
        limit: calls,
        period,
        burst,
        max_wait,
        warm_up,
        per,
        header,
        max_keys,
        response_headers,
    } = limit;
    let default = RateLimit::new(&name.value, calls.value);
    let rules = RateLimit {
        algorithm: algorithm.map_or(default.algorithm, algorithm_of),
        period: checker.duration(period).unwrap_or(default.period),
        burst: burst.as_ref().map(|burst| burst.value),
        wait_max: checker.duration_or_off(max_wait),
        warm_up: checker.duration(warm_up),
        key: key_of(per, header, checker),
        keys_max: max_keys.as_ref().map(|keys| keys.value),
        response_headers: *response_headers,
        ..default
    };
    for (field, problem) in rules.problems() {
        checker.refuse(place_of(field, limit), problem);
    }
    rules
}

fn algorithm_of(algorithm: wire::RateAlgorithm) -> RateAlgorithm {
    match algorithm {
        wire::RateAlgorithm::TokenBucket => RateAlgorithm::TokenBucket,
        wire::RateAlgorithm::LeakyBucket => RateAlgorithm::LeakyBucket,
        wire::RateAlgorithm::SlidingWindow => RateAlgorithm::SlidingWindow,
        wire::RateAlgorithm::FixedWindow => RateAlgorithm::FixedWindow,
    }
}

fn key_of(
    per: &Option<Spanned<wire::Per>>,
    header: &Option<Spanned<String>>,
    checker: &mut Checker<'_, '_>,
) -> LimitKey {
    let per = per.as_ref().map(|per| per.value).unwrap_or_default();
    let key = match per {
        wire::Per::Service => LimitKey::Service,
        wire::Per::Method => LimitKey::Method,
        wire::Per::Caller => LimitKey::Caller,
        wire::Per::Header => {
            let name = header.as_ref().map(|header| header.value.clone());
            return LimitKey::Header(name.unwrap_or_default());
        }
    };
    if let Some(header) = header {
        let message = "a `header` counts with `per: header` only: write it, or leave `header` out";
        checker.refuse(header.referenced, message);
    }
    key
}

/// Where a field stands; where it is absent, the limit's name.
fn place_of(field: LimitField, limit: &wire::RateLimit) -> Location {
    fn at<T>(value: &Option<Spanned<T>>) -> Option<Location> {
        value.as_ref().map(|value| value.referenced)
    }
    let place = match field {
        LimitField::Name => None,
        LimitField::Limit => Some(limit.limit.referenced),
        LimitField::Period => at(&limit.period),
        LimitField::Burst => at(&limit.burst),
        LimitField::WaitMax => at(&limit.max_wait),
        LimitField::WarmUp => at(&limit.warm_up),
        LimitField::Key => at(&limit.header).or(at(&limit.per)),
        LimitField::KeysMax => at(&limit.max_keys),
    };
    place.unwrap_or(limit.name.referenced)
}
