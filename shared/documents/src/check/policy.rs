//! `TrafficPolicy`: values in range, timeouts that fit into each other.
//!
//! A service-level `timeout` or `perTryTimeout` is given here to the methods marked
//! `unary`, and to no other: a stream takes one only from its own entry.

use super::rate_limit::check_rate_limits;
use super::reference::check_implements;
use super::times::{ServiceLevel, Times, check_written};
use super::unused::check_unused;
use super::{Checker, Directory, LocatedDocument};
use crate::error::{Place, Report};
use crate::model::{self, MethodName, Service, TrafficPolicy};
use crate::names;
use crate::wire::{self, Retry, TrafficPolicySpec};
use outrider_policy::{BreakerRules, Code, OutlierRules, RetryPolicy};
use serde_saphyr::{Location, Spanned};
use std::collections::BTreeMap;
use std::time::Duration;

/// Ceiling of `maxConnectionsPerEndpoint`: each is a file descriptor at both ends.
const CONNECTIONS_MAX: u32 = 1_000;

/// Most entries of `targetRefs` (Gateway API's policies).
const TARGETS_MAX: usize = 16;

/// Checks all policies; gives the policy of each service that has one.
pub(crate) fn check_policies(
    policies: &[LocatedDocument<TrafficPolicySpec>],
    directory: &Directory<'_>,
    report: &mut Report<'_>,
) -> BTreeMap<String, TrafficPolicy> {
    let mut checked = BTreeMap::new();
    let mut places: BTreeMap<String, Place> = BTreeMap::new();
    for LocatedDocument { origin, document } in policies {
        let mut checker = Checker::new(*origin, report);
        let (namespace, _) = checker.identity(&document.metadata);
        let targets = check_targets(&document.spec, &namespace, directory, &mut checker);
        let policy = check_policy(&document.spec, &targets, &mut checker);
        for (service, at) in targets {
            if let Some(first) = places.get(&service.name) {
                let message = format!(
                    "Service `{}` has a TrafficPolicy already, at {}",
                    service.name,
                    checker.name(*first)
                );
                checker.refuse(at, message);
            }
            places.insert(service.name.clone(), checker.place(at));
            checked.insert(service.name.clone(), policy.clone());
        }
    }
    checked
}

fn check_targets<'s>(
    spec: &TrafficPolicySpec,
    namespace: &str,
    directory: &Directory<'s>,
    checker: &mut Checker<'_, '_>,
) -> Vec<(&'s Service, Location)> {
    let references = &spec.target_refs;
    checker.length("targetRefs", references, TARGETS_MAX);
    let find = |reference: &wire::Reference| {
        let service = directory.find(reference, namespace, checker)?;
        Some((service, reference.name.referenced))
    };
    references.value.iter().filter_map(find).collect()
}

fn check_policy(
    spec: &TrafficPolicySpec,
    targets: &[(&Service, Location)],
    checker: &mut Checker<'_, '_>,
) -> TrafficPolicy {
    let TrafficPolicySpec {
        target_refs: _,
        timeout: _,
        connect_timeout,
        max_connection_age,
        max_connections_per_endpoint,
        wait_for_ready,
        retry,
        breaker,
        outlier_detection,
        limits,
        rate_limits,
        methods: _,
    } = spec;
    let mut policy = TrafficPolicy {
        connect_timeout: checker.duration(connect_timeout),
        max_connection_age: checker.duration_or_off(max_connection_age),
        max_connections_per_endpoint: checker
            .number(max_connections_per_endpoint, 1..=CONNECTIONS_MAX),
        wait_for_ready: checker.duration(wait_for_ready),
        breaker: breaker
            .as_ref()
            .map(|breaker| check_breaker(breaker, checker)),
        outlier: outlier_detection
            .as_ref()
            .map(|outlier| check_outlier(outlier, checker)),
        limits: limits
            .as_ref()
            .map_or_else(Default::default, |l| check_limits(l, checker)),
        rate_limits: check_rate_limits(rate_limits, checker),
        ..TrafficPolicy::default()
    };
    if let Some(retry) = retry {
        check_retry(retry, &mut policy, checker);
    }
    let service_level = check_service_level(spec, policy.wait_for_ready, checker);
    policy.methods = check_methods(spec, policy.attempts, service_level, targets, checker);
    check_unused(spec, &policy, service_level, checker);
    policy
}

fn check_retry(retry: &Retry, policy: &mut TrafficPolicy, checker: &mut Checker<'_, '_>) {
    let Retry {
        attempts,
        per_try_timeout,
        on,
        budget,
    } = retry;
    let (least, most) = RetryPolicy::ATTEMPTS.into_inner();
    let attempts = checker.number(attempts, u32::from(least)..=u32::from(most));
    policy.attempts = attempts.unwrap_or(policy.attempts);
    check_more_than_one(policy.attempts, per_try_timeout, checker);
    if let Some(on) = on {
        policy.on = on
            .iter()
            .filter_map(|name| check_code(name, checker))
            .collect();
    }
    policy.budget = budget.as_ref().map(|budget| {
        let wire::Budget {
            percent,
            min_per_second,
        } = budget;
        model::Budget {
            percent: checker.number(percent, 0..=100),
            min_per_second: checker.number(min_per_second, 0..=1_000_000),
        }
    });
}

/// With one attempt the time of a try would be dropped without a word.
fn check_more_than_one(
    attempts: u32,
    per_try_timeout: &Option<Spanned<String>>,
    checker: &mut Checker<'_, '_>,
) {
    if let Some(per_try) = per_try_timeout.as_ref().filter(|_| attempts == 1) {
        let message = "`perTryTimeout` with one attempt: write `timeout`, or allow more attempts";
        checker.refuse(per_try.referenced, message);
    }
}

/// Codes by the names of the gRPC specification; OK is no failure.
fn check_code(name: &Spanned<String>, checker: &mut Checker<'_, '_>) -> Option<Code> {
    let is_failure = |code: &Code| *code != Code::Ok;
    let found = Code::from_name(&name.value).filter(is_failure);
    if found.is_none() {
        let failures = Code::ALL.iter().filter(|code| is_failure(code));
        let names: Vec<&str> = failures.map(|code| code.name()).collect();
        let message = format!(
            "`{}` is no gRPC code to retry on: {}",
            name.value,
            names.join(", ")
        );
        checker.refuse(name.referenced, message);
    }
    found
}

fn check_breaker(breaker: &wire::Breaker, checker: &mut Checker<'_, '_>) -> model::Breaker {
    let wire::Breaker {
        failure_percent,
        window,
        min_calls,
        consecutive_failures,
        open_time,
        max_open_time,
    } = breaker;
    let checked = model::Breaker {
        failure_percent: checker.number(failure_percent, 1..=100),
        window: checker.duration(window),
        min_calls: checker.number(min_calls, 1..=1_000_000),
        consecutive_failures: checker.number(consecutive_failures, 0..=1_000_000),
        open_time: checker.duration(open_time),
        max_open_time: checker.duration(max_open_time),
    };
    let default = BreakerRules::default();
    let first = effective(open_time, checked.open_time, default.open_time);
    let longest = effective(max_open_time, checked.max_open_time, default.max_open_time);
    if let (Some(first), Some(longest)) = (first, longest)
        && let Some(at) = max_open_time.as_ref().or(open_time.as_ref())
        && longest < first
    {
        let message =
            format!("`maxOpenTime` of {longest:?} is shorter than the `openTime` of {first:?}");
        checker.refuse(at.referenced, message);
    }
    checked
}

/// What holds in the end; `None` if what is written was refused.
fn effective(
    written: &Option<Spanned<String>>,
    checked: Option<Duration>,
    default: Duration,
) -> Option<Duration> {
    match written {
        Some(_) => checked,
        None => Some(default),
    }
}

fn check_outlier(
    outlier: &wire::OutlierDetection,
    checker: &mut Checker<'_, '_>,
) -> model::OutlierDetection {
    let wire::OutlierDetection {
        consecutive_failures,
        base_ejection_time,
        max_ejection_percent,
    } = outlier;
    let percent = checker.number(max_ejection_percent, 0..=100);
    let default = u32::from(OutlierRules::default().max_ejection_percent);
    model::OutlierDetection {
        consecutive_failures: checker.number(consecutive_failures, 1..=1_000_000),
        base_ejection_time: checker.duration(base_ejection_time),
        max_ejection_percent: percent.unwrap_or(default),
    }
}

fn check_limits(limits: &wire::Limits, checker: &mut Checker<'_, '_>) -> model::Limits {
    let wire::Limits { calls, waiting } = limits;
    model::Limits {
        calls: checker.number(calls, 1..=1_000_000),
        waiting: checker.number(waiting, 0..=1_000_000),
    }
}

fn check_service_level(
    spec: &TrafficPolicySpec,
    ready: Option<Duration>,
    checker: &mut Checker<'_, '_>,
) -> ServiceLevel {
    let per_try = spec
        .retry
        .as_ref()
        .map_or(&None, |retry| &retry.per_try_timeout);
    let times = Times {
        whole: check_written(&spec.timeout, checker),
        per_try: check_written(per_try, checker),
    };
    times.check(checker);
    ServiceLevel { times, ready }
}

fn check_methods(
    spec: &TrafficPolicySpec,
    attempts: u32,
    service_level: ServiceLevel,
    targets: &[(&Service, Location)],
    checker: &mut Checker<'_, '_>,
) -> Vec<model::Method> {
    let mut seen: BTreeMap<MethodName, Place> = BTreeMap::new();
    let mut methods = Vec::new();
    for method in &spec.methods {
        check_more_than_one(attempts, &method.per_try_timeout, checker);
        let checked = check_method(method, service_level, targets, checker);
        let Some(checked) = checked else { continue };
        let at = method.name.referenced;
        if let Some(first) = seen.insert(checked.name.clone(), checker.place(at)) {
            let message = format!("`{}` is already at {}", checked.name, checker.name(first));
            checker.refuse(at, message);
        }
        methods.push(checked);
    }
    methods
}

fn check_method(
    method: &wire::Method,
    service_level: ServiceLevel,
    targets: &[(&Service, Location)],
    checker: &mut Checker<'_, '_>,
) -> Option<model::Method> {
    let wire::Method {
        name,
        unary,
        idempotent,
        timeout,
        per_try_timeout,
        wait_for_ready,
    } = method;
    let own = Times {
        whole: check_written(timeout, checker),
        per_try: check_written(per_try_timeout, checker),
    };
    let times = if *unary {
        own.or(service_level.times)
    } else {
        own
    };
    if own.whole.is_some() || own.per_try.is_some() {
        times.check(checker);
    }
    let parsed = check_name(name, checker)?;
    for (service, _) in targets {
        check_implements(service, &parsed.service, name.referenced, checker);
    }
    Some(model::Method {
        name: parsed,
        unary: *unary,
        idempotent: *idempotent,
        timeout: times.whole.map(|written| written.duration),
        per_try_timeout: times.per_try.map(|written| written.duration),
        wait_for_ready: checker.duration(wait_for_ready).or(service_level.ready),
    })
}

fn check_name(name: &Spanned<String>, checker: &mut Checker<'_, '_>) -> Option<MethodName> {
    let parts = name.value.split_once('/');
    let good = parts.filter(|(service, method)| {
        names::is_grpc_service(service) && names::is_identifier(method)
    });
    let Some((service, method)) = good else {
        let message = format!(
            "`{}` is no method: write service/method, such as shop.v1.Orders/Get",
            name.value
        );
        checker.refuse(name.referenced, message);
        return None;
    };
    Some(MethodName {
        service: service.to_owned(),
        method: method.to_owned(),
    })
}
