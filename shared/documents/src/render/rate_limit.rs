//! Rate limits as our own message: Envoy's local rate limit knows token buckets only.

use super::wire_duration;
use outrider_policy::{LimitKey, RateAlgorithm, RateLimit};
use outrider_proto::v1;
use outrider_proto::v1::rate_limit::{Algorithm, Key};

pub(super) fn render(rules: &RateLimit) -> v1::RateLimit {
    let RateLimit {
        name,
        algorithm,
        limit,
        period,
        burst,
        wait_max,
        warm_up,
        key,
        keys_max,
        response_headers,
    } = rules;
    let (key, header) = match key {
        LimitKey::Service => (Key::Service, ""),
        LimitKey::Method => (Key::Method, ""),
        LimitKey::Caller => (Key::Caller, ""),
        LimitKey::Header(name) => (Key::Header, name.as_str()),
    };
    v1::RateLimit {
        name: name.clone(),
        algorithm: algorithm_of(*algorithm).into(),
        limit: *limit,
        period: Some(wire_duration(*period)),
        burst: *burst,
        wait_max: wait_max.map(wire_duration),
        warm_up: warm_up.map(wire_duration),
        key: key.into(),
        header: header.to_owned(),
        keys_max: *keys_max,
        response_headers: *response_headers,
    }
}

fn algorithm_of(algorithm: RateAlgorithm) -> Algorithm {
    match algorithm {
        RateAlgorithm::TokenBucket => Algorithm::TokenBucket,
        RateAlgorithm::LeakyBucket => Algorithm::LeakyBucket,
        RateAlgorithm::SlidingWindow => Algorithm::SlidingWindow,
        RateAlgorithm::FixedWindow => Algorithm::FixedWindow,
    }
}
