//! Rate limits: our `RateLimit`, in a cluster's policy. What fits together is checked by `policy`.

use std::collections::BTreeSet;

use super::fields::Fields;
use outrider_policy::{LimitField, LimitKey, RateAlgorithm, RateLimit};
use outrider_proto::v1;
use outrider_proto::v1::rate_limit::{Algorithm, Key};

/// All limits of a cluster; `fields` is its policy.
pub(super) fn parse(limits: &[v1::RateLimit], fields: &mut Fields<'_>) -> Vec<RateLimit> {
    if limits.len() > RateLimit::COUNT_MAX {
        fields.refuse("rate_limits", format!("more than {}", RateLimit::COUNT_MAX));
    }
    let mut names = BTreeSet::new();
    let mut parse = |(index, limit): (usize, &v1::RateLimit)| {
        let mut fields = fields.at_index("rate_limits", index);
        if !names.insert(limit.name.clone()) {
            fields.refuse("name", format!("`{}` is there already", limit.name));
        }
        parse_limit(limit, &mut fields)
    };
    limits.iter().enumerate().map(&mut parse).collect()
}

fn parse_limit(limit: &v1::RateLimit, fields: &mut Fields<'_>) -> RateLimit {
    let v1::RateLimit {
        name,
        algorithm,
        limit,
        period,
        burst,
        wait_max,
        warm_up,
        key,
        header,
        keys_max,
        response_headers,
    } = limit;
    let default = RateLimit::new(name, *limit);
    let rules = RateLimit {
        algorithm: parse_algorithm(*algorithm, fields),
        period: fields.duration("period", period).unwrap_or(default.period),
        burst: *burst,
        wait_max: fields.duration("wait_max", wait_max),
        warm_up: fields.positive("warm_up", warm_up),
        key: parse_key(*key, header, fields),
        keys_max: *keys_max,
        response_headers: *response_headers,
        ..default
    };
    for (field, problem) in rules.problems() {
        fields.refuse(name_of(field), problem);
    }
    rules
}

fn parse_algorithm(algorithm: i32, fields: &mut Fields<'_>) -> RateAlgorithm {
    match Algorithm::try_from(algorithm) {
        Ok(Algorithm::TokenBucket) => RateAlgorithm::TokenBucket,
        Ok(Algorithm::LeakyBucket) => RateAlgorithm::LeakyBucket,
        Ok(Algorithm::SlidingWindow) => RateAlgorithm::SlidingWindow,
        Ok(Algorithm::FixedWindow) => RateAlgorithm::FixedWindow,
        Err(_) => {
            fields.refuse("algorithm", format!("{algorithm} is not known here"));
            RateAlgorithm::default()
        }
    }
}

fn parse_key(key: i32, header: &str, fields: &mut Fields<'_>) -> LimitKey {
    let key = match Key::try_from(key) {
        Ok(Key::Service) => LimitKey::Service,
        Ok(Key::Method) => LimitKey::Method,
        Ok(Key::Caller) => LimitKey::Caller,
        Ok(Key::Header) => return LimitKey::Header(header.to_owned()),
        Err(_) => {
            fields.refuse("key", format!("{key} is not known here"));
            LimitKey::default()
        }
    };
    if !header.is_empty() {
        fields.refuse("header", "the key is no header");
    }
    key
}

fn name_of(field: LimitField) -> &'static str {
    match field {
        LimitField::Name => "name",
        LimitField::Limit => "limit",
        LimitField::Period => "period",
        LimitField::Burst => "burst",
        LimitField::WaitMax => "wait_max",
        LimitField::WarmUp => "warm_up",
        LimitField::Key => "header",
        LimitField::KeysMax => "keys_max",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use outrider_proto::google::Duration as WireDuration;

    fn orders() -> v1::RateLimit {
        v1::RateLimit {
            name: "orders".to_owned(),
            limit: 100,
            ..v1::RateLimit::default()
        }
    }

    /// What comes of the limits, or what is wrong with them.
    fn parsed(limits: &[v1::RateLimit]) -> Result<Vec<RateLimit>, String> {
        let mut errors = Vec::new();
        let rules = parse(limits, &mut Fields::root(&mut errors));
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        match errors.is_empty() {
            true => Ok(rules),
            false => Err(errors.join("; ")),
        }
    }

    #[test]
    fn an_absent_field_takes_the_default() {
        assert_eq!(parsed(&[orders()]), Ok(vec![RateLimit::new("orders", 100)]));
    }

    #[test]
    fn every_field_arrives() {
        let wire = v1::RateLimit {
            algorithm: Algorithm::LeakyBucket.into(),
            period: Some(WireDuration {
                seconds: 60,
                nanos: 0,
            }),
            wait_max: Some(WireDuration {
                seconds: 0,
                nanos: 20_000_000,
            }),
            warm_up: Some(WireDuration {
                seconds: 10,
                nanos: 0,
            }),
            key: Key::Header.into(),
            header: "x-tenant".to_owned(),
            keys_max: Some(7),
            response_headers: true,
            ..orders()
        };
        let rules = RateLimit {
            algorithm: RateAlgorithm::LeakyBucket,
            period: Duration::from_secs(60),
            wait_max: Some(Duration::from_millis(20)),
            warm_up: Some(Duration::from_secs(10)),
            key: LimitKey::Header("x-tenant".to_owned()),
            keys_max: Some(7),
            response_headers: true,
            ..RateLimit::new("orders", 100)
        };
        assert_eq!(parsed(&[wire]), Ok(vec![rules]));
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_with_its_path() {
        let of = |wire: v1::RateLimit| parsed(&[wire]).err().unwrap_or_default();
        let cases = [
            (
                of(v1::RateLimit {
                    algorithm: 9,
                    ..orders()
                }),
                "field:rate_limits[0].algorithm error:9 is not known here",
            ),
            (
                of(v1::RateLimit { key: 9, ..orders() }),
                "field:rate_limits[0].key error:9 is not known here",
            ),
            (
                of(v1::RateLimit {
                    header: "x-tenant".to_owned(),
                    ..orders()
                }),
                "field:rate_limits[0].header error:the key is no header",
            ),
            (
                of(v1::RateLimit {
                    limit: 0,
                    ..orders()
                }),
                "field:rate_limits[0].limit error:0 is out of range: 1 to 1000000",
            ),
            (
                parsed(&[orders(), orders()]).err().unwrap_or_default(),
                "field:rate_limits[1].name error:`orders` is there already",
            ),
        ];
        for (found, expected) in cases {
            assert_eq!(found, expected);
        }
    }
}
