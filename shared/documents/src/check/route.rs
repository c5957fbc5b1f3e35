//! `GRPCRoute`: the Gateway API's shape and precedence, as far as it is enforced.
//!
//! Reference: <https://gateway-api.sigs.k8s.io/reference/spec/#grpcroute>; attached
//! to a Service as in GEP-1426 (GAMMA).

use super::reference::check_implements;
use super::{Checker, Directory, LocatedDocument};
use crate::error::Report;
use crate::model::{Backend, MethodName, MethodTarget, RouteRule, Service, TrafficPolicy};
use crate::names;
use crate::wire::{GrpcRouteSpec, HeaderMatch, Match, MatchType, MethodMatch, Rule};
use serde_saphyr::Spanned;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Ceiling of `weight` (Gateway API).
const WEIGHT_MAX: u32 = 1_000_000;

/// Most entries of `parentRefs`, `rules` and `backendRefs` (Gateway API).
const PARENTS_MAX: usize = 32;
const RULES_MAX: usize = 16;
const BACKENDS_MAX: usize = 16;

/// Most routes of a service: the matches of all its GRPCRoutes, each once for every
/// method of its policy and once for the rest. Bounds what a sidecar has to hold.
const ROUTES_MAX: usize = 10_000;

/// Checks all routes; gives the rules of each service that has one, by precedence.
pub(crate) fn check_routes(
    routes: &[LocatedDocument<GrpcRouteSpec>],
    policies: &BTreeMap<String, TrafficPolicy>,
    directory: &Directory<'_>,
    report: &mut Report<'_>,
) -> BTreeMap<String, Vec<RouteRule>> {
    let mut by_age: Vec<&LocatedDocument<GrpcRouteSpec>> = routes.iter().collect();
    by_age.sort_by_key(|route| {
        let metadata = &route.document.metadata;
        (metadata.namespace(), metadata.name.value.as_str())
    });
    let mut rules: BTreeMap<String, Vec<RouteRule>> = BTreeMap::new();
    for LocatedDocument { origin, document } in by_age {
        let mut checker = Checker::new(*origin, report);
        let (namespace, name) = checker.identity(&document.metadata);
        let parents = check_parents(&document.spec, &namespace, directory, &mut checker);
        let own = check_rules(&document.spec, (&namespace, &name), directory, &mut checker);
        for parent in &parents {
            check_methods_exist(parent, &document.spec, &mut checker);
            let all = rules.entry(parent.name.clone()).or_default();
            all.extend(own.iter().cloned());
            let policy = policies.get(&parent.name);
            let methods = policy.map_or(0, |policy| policy.methods.len());
            if all.len().saturating_mul(methods + 1) > ROUTES_MAX {
                let message = format!(
                    "Service `{}` has more than {ROUTES_MAX} routes: {} matches for {methods} methods",
                    parent.name,
                    all.len()
                );
                checker.refuse(document.metadata.name.referenced, message);
            }
        }
    }
    // Stable: ties are decided by the name of the route (there are no creation times
    // in files), then by the order of its rules and matches.
    for rules in rules.values_mut() {
        rules.sort_by_key(precedence);
    }
    rules
}

/// Longer service names first, then longer method names, then more headers.
fn precedence(rule: &RouteRule) -> (Reverse<usize>, Reverse<usize>, Reverse<usize>) {
    let (service, method) = match &rule.target {
        MethodTarget::Any => (0, 0),
        MethodTarget::Service(service) => (service.len(), 0),
        MethodTarget::Method(name) => (name.service.len(), name.method.len()),
    };
    (
        Reverse(service),
        Reverse(method),
        Reverse(rule.headers.len()),
    )
}

fn check_parents<'s>(
    spec: &GrpcRouteSpec,
    namespace: &str,
    directory: &Directory<'s>,
    checker: &mut Checker<'_, '_>,
) -> Vec<&'s Service> {
    let references = &spec.parent_refs;
    checker.length("parentRefs", references, PARENTS_MAX);
    let mut seen = BTreeSet::new();
    let mut parents = Vec::new();
    for reference in &references.value {
        let Some(parent) = directory.find(reference, namespace, checker) else {
            continue;
        };
        if seen.insert(&parent.name) {
            parents.push(parent);
        } else {
            let message = format!("Service `{}` is listed twice", parent.name);
            checker.refuse(reference.name.referenced, message);
        }
    }
    parents
}

fn check_methods_exist(parent: &Service, spec: &GrpcRouteSpec, checker: &mut Checker<'_, '_>) {
    let matches = spec.rules.value.iter().flat_map(|rule| &rule.matches);
    let methods = matches.filter_map(|matched| matched.method.as_ref());
    for service in methods.filter_map(|method| method.value.service.as_ref()) {
        check_implements(parent, &service.value, service.referenced, checker);
    }
}

fn check_rules(
    spec: &GrpcRouteSpec,
    (namespace, name): (&str, &str),
    directory: &Directory<'_>,
    checker: &mut Checker<'_, '_>,
) -> Vec<RouteRule> {
    let GrpcRouteSpec {
        parent_refs: _,
        hostnames,
        rules,
    } = spec;
    checker.enforced(&[("hostnames", hostnames)]);
    checker.length("rules", rules, RULES_MAX);
    let mut checked = Vec::new();
    for (index, rule) in rules.value.iter().enumerate() {
        let own = rule.name.as_ref().map(|name| name.value.clone());
        let name = format!("{name}/{}", own.unwrap_or_else(|| index.to_string()));
        checked.extend(check_rule(rule, &name, namespace, directory, checker));
    }
    checked
}

fn check_rule(
    rule: &Rule,
    name: &str,
    namespace: &str,
    directory: &Directory<'_>,
    checker: &mut Checker<'_, '_>,
) -> Vec<RouteRule> {
    let Rule {
        name: own_name,
        matches,
        filters,
        backend_refs: _,
        session_persistence,
    } = rule;
    let unenforced = [
        ("filters", filters),
        ("sessionPersistence", session_persistence),
    ];
    checker.enforced(&unenforced);
    if let Some(own) = own_name.as_ref().filter(|own| !names::is_label(&own.value)) {
        checker.refuse(own.referenced, format!("`{}` is no name", own.value));
    }
    let backends = check_backends(rule, namespace, directory, checker);
    let everything = (MethodTarget::Any, Vec::new());
    let mut targets: Vec<_> = matches
        .iter()
        .filter_map(|matched| check_match(matched, checker))
        .collect();
    if matches.is_empty() {
        targets.push(everything);
    }
    let to_rule = |(target, headers)| RouteRule {
        name: name.to_owned(),
        target,
        headers,
        backends: backends.clone(),
    };
    targets.into_iter().map(to_rule).collect()
}

fn check_backends(
    rule: &Rule,
    namespace: &str,
    directory: &Directory<'_>,
    checker: &mut Checker<'_, '_>,
) -> Vec<Backend> {
    let references = &rule.backend_refs;
    checker.length("backendRefs", references, BACKENDS_MAX);
    let mut total = 0;
    let mut backends: Vec<Backend> = Vec::new();
    for reference in &references.value {
        let weight = match &reference.weight {
            Some(_) => checker
                .number(&reference.weight, 0..=WEIGHT_MAX)
                .unwrap_or(1),
            None => 1,
        };
        total += u64::from(weight);
        let Some(service) = directory.find_backend(reference, namespace, checker) else {
            continue;
        };
        if backends
            .iter()
            .any(|backend| backend.service == service.name)
        {
            let message = format!("Service `{}` is listed twice", service.name);
            checker.refuse(reference.name.referenced, message);
        }
        let service = service.name.clone();
        backends.push(Backend { service, weight });
    }
    if total == 0 && !references.value.is_empty() {
        let message = "no backend has a weight above zero: every call would fail";
        checker.refuse(references.referenced, message);
    }
    backends
}

fn check_match(
    matched: &Match,
    checker: &mut Checker<'_, '_>,
) -> Option<(MethodTarget, Vec<(String, String)>)> {
    let Match { method, headers } = matched;
    let headers = check_headers(headers, checker);
    let target = match method {
        Some(method) => check_method(method, checker)?,
        None => MethodTarget::Any,
    };
    Some((target, headers))
}

fn check_method(
    matched: &Spanned<MethodMatch>,
    checker: &mut Checker<'_, '_>,
) -> Option<MethodTarget> {
    let MethodMatch {
        match_type,
        service,
        method,
    } = &matched.value;
    check_exact(match_type.as_ref(), checker);
    let Some(service) = service else {
        let message = "a match without the full name of a `service` is not enforced yet";
        checker.refuse(matched.referenced, message);
        return None;
    };
    if !names::is_grpc_service(&service.value) {
        let message = format!("`{}` is no gRPC service", service.value);
        checker.refuse(service.referenced, message);
    }
    let service = service.value.clone();
    let Some(method) = method else {
        return Some(MethodTarget::Service(service));
    };
    if !names::is_identifier(&method.value) {
        checker.refuse(
            method.referenced,
            format!("`{}` is no method", method.value),
        );
    }
    let method = method.value.clone();
    Some(MethodTarget::Method(MethodName { service, method }))
}

fn check_exact(match_type: Option<&Spanned<MatchType>>, checker: &mut Checker<'_, '_>) {
    let Some(match_type) = match_type else { return };
    match match_type.value {
        MatchType::Exact => {}
        MatchType::RegularExpression => checker.refuse(
            match_type.referenced,
            "RegularExpression is not enforced yet: write Exact, one match for each value",
        ),
    }
}

fn check_headers(headers: &[HeaderMatch], checker: &mut Checker<'_, '_>) -> Vec<(String, String)> {
    let mut checked: Vec<(String, String)> = Vec::new();
    for header in headers {
        let HeaderMatch {
            match_type,
            name,
            value,
        } = header;
        check_exact(match_type.as_ref(), checker);
        let lower = name.value.to_ascii_lowercase();
        if !names::is_header_name(&lower) {
            let message = format!("`{}` is no name of a header", name.value);
            checker.refuse(name.referenced, message);
        } else if checked.iter().any(|(other, _)| *other == lower) {
            let message = format!("`{lower}` is matched twice: both can never hold");
            checker.refuse(name.referenced, message);
        }
        if !is_header_value(&value.value) {
            let message = "a header's value is 1 to 4096 printable ASCII characters";
            checker.refuse(value.referenced, message);
        }
        checked.push((lower, value.value.clone()));
    }
    checked
}

fn is_header_value(value: &str) -> bool {
    let legal = |byte: u8| (b' '..=b'~').contains(&byte);
    (1..=4096).contains(&value.len()) && value.bytes().all(legal) && value.trim() == value
}
