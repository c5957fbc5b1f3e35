//! `AuthorizationPolicy`: rules that can match something, on methods that the service has.
//!
//! A value that can never match is refused: in an ALLOW policy it would shut callers out, in a DENY
//! policy it would let them in.

mod values;

use super::{Checker, Directory, LocatedDocument};
use crate::error::{Place, Report};
use crate::model::Service;
use crate::wire::{self, Action, AuthorizationPolicySpec, Tls};
use outrider_policy::{
    AuthorizationAction, AuthorizationPolicies, AuthorizationPolicy, AuthorizationRule,
    HeaderCondition, OperationMatch, SourceMatch,
};
use serde_saphyr::{Location, Spanned};
use std::collections::BTreeMap;
use values::{grpc_method, grpc_service, header_name, http_method, namespace, path, trust_domain};

/// Most entries of `targetRefs` (Gateway API's policies).
const TARGETS_MAX: usize = 16;

/// A policy of a service, and where it and its rules stand.
#[derive(Debug, Clone)]
pub(crate) struct LocatedAuthorization {
    pub policy: AuthorizationPolicy,
    pub at: Place,
    pub rules: Vec<Place>,
}

/// Checks all policies; gives those of each service, in the order of their names.
pub(crate) fn check_authorizations(
    policies: &[LocatedDocument<AuthorizationPolicySpec>],
    trust_domain: &str,
    directory: &Directory<'_>,
    report: &mut Report<'_>,
) -> BTreeMap<String, Vec<LocatedAuthorization>> {
    let mut by_name: Vec<&LocatedDocument<AuthorizationPolicySpec>> = policies.iter().collect();
    by_name.sort_by_key(|policy| {
        let metadata = &policy.document.metadata;
        (metadata.namespace(), metadata.name.value.as_str())
    });
    let mut checked: BTreeMap<String, Vec<LocatedAuthorization>> = BTreeMap::new();
    for LocatedDocument { origin, document } in by_name {
        let mut checker = Checker::new(*origin, report);
        let (namespace, name) = checker.identity(&document.metadata);
        let spec = &document.spec;
        let targets = check_targets(spec, &namespace, directory, &mut checker);
        let policy = AuthorizationPolicy {
            name: format!("{namespace}/{name}"),
            ..check_policy(spec, &targets, trust_domain, &mut checker)
        };
        let rules = spec.rules.iter().map(|rule| checker.place(rule.referenced));
        let located = LocatedAuthorization {
            policy,
            at: checker.place(document.metadata.name.referenced),
            rules: rules.collect(),
        };
        for (service, at) in targets {
            let all = checked.entry(service.name.clone()).or_default();
            all.push(located.clone());
            check_bounds(&service.name, all, at, &mut checker);
        }
    }
    checked
}

fn check_targets<'s>(
    spec: &AuthorizationPolicySpec,
    namespace: &str,
    directory: &Directory<'s>,
    checker: &mut Checker<'_, '_>,
) -> Vec<(&'s Service, Location)> {
    let references = &spec.target_refs;
    checker.length("targetRefs", references, TARGETS_MAX);
    let mut targets: Vec<(&Service, Location)> = Vec::new();
    for reference in &references.value {
        let at = reference.name.referenced;
        let Some(service) = directory.find(reference, namespace, checker) else {
            continue;
        };
        if service.tls == Tls::None {
            let message = format!(
                "Service `{}` has `tls: none`: no sidecar of it could enforce the policy",
                service.name
            );
            checker.refuse(at, message);
        }
        if targets.iter().any(|(other, _)| other.name == service.name) {
            let message = format!("Service `{}` is listed twice", service.name);
            checker.refuse(at, message);
        } else {
            targets.push((service, at));
        }
    }
    targets
}

/// What all policies of a service may be together.
fn check_bounds(
    service: &str,
    all: &[LocatedAuthorization],
    at: Location,
    checker: &mut Checker<'_, '_>,
) {
    let most = AuthorizationPolicies::POLICIES_MAX;
    if all.len() > most {
        let message = format!("Service `{service}` has more than {most} AuthorizationPolicies");
        checker.refuse(at, message);
    }
    let rules = all.iter().flat_map(|located| &located.policy.rules);
    let entries: usize = rules.map(AuthorizationRule::entries).sum();
    let most = AuthorizationPolicies::ENTRIES_MAX;
    if entries > most {
        let message = format!(
            "the AuthorizationPolicies of Service `{service}` have {entries} sources, operations, \
             conditions and values: {most} at most"
        );
        checker.refuse(at, message);
    }
}

fn check_policy(
    spec: &AuthorizationPolicySpec,
    targets: &[(&Service, Location)],
    trust_domain: &str,
    checker: &mut Checker<'_, '_>,
) -> AuthorizationPolicy {
    let AuthorizationPolicySpec {
        target_refs,
        selector,
        action,
        provider,
        dry_run,
        rules,
    } = spec;
    checker.enforced(&[("selector", selector), ("provider", provider)]);
    let most = AuthorizationPolicies::RULES_MAX;
    if let Some(rule) = rules.get(most) {
        let message = format!("`rules` has {} entries: {most} at most", rules.len());
        checker.refuse(rule.referenced, message);
    }
    let action = check_action(action.as_ref(), checker);
    if let Some(dry_run) = dry_run.as_ref().filter(|it| it.value)
        && action == AuthorizationAction::Audit
    {
        let message = "AUDIT enforces nothing: leave `dryRun` out";
        checker.refuse(dry_run.referenced, message);
    }
    if rules.is_empty() && action != AuthorizationAction::Allow {
        let message =
            "a policy without `rules` matches no call: write `rules: [ {} ]` for every call";
        checker.warn(target_refs.referenced, message);
    }
    let mut check_rule = |rule: &Spanned<wire::AuthorizationRule>| AuthorizationRule {
        from: check_sources(&rule.value, trust_domain, checker),
        to: check_operations(&rule.value, targets, checker),
        when: check_conditions(&rule.value, checker),
    };
    AuthorizationPolicy {
        name: String::new(),
        action,
        dry_run: dry_run.as_ref().is_some_and(|it| it.value),
        rules: rules.iter().map(&mut check_rule).collect(),
    }
}

fn check_action(
    action: Option<&Spanned<Action>>,
    checker: &mut Checker<'_, '_>,
) -> AuthorizationAction {
    let Some(action) = action else {
        return AuthorizationAction::default();
    };
    match action.value {
        Action::Allow => AuthorizationAction::Allow,
        Action::Deny => AuthorizationAction::Deny,
        Action::Audit => AuthorizationAction::Audit,
        Action::Custom => {
            let message = "CUSTOM is not enforced yet: write ALLOW, DENY or AUDIT";
            checker.refuse(action.referenced, message);
            AuthorizationAction::default()
        }
    }
}

fn check_sources(
    rule: &wire::AuthorizationRule,
    own_trust_domain: &str,
    checker: &mut Checker<'_, '_>,
) -> Vec<SourceMatch> {
    let sources = checker.entries("from", &rule.from).iter();
    let check = |from: &wire::From| {
        let wire::Source {
            principals,
            not_principals,
            namespaces,
            not_namespaces,
            trust_domains,
            not_trust_domains,
            request_principals,
            not_request_principals,
            ip_blocks,
            not_ip_blocks,
            remote_ip_blocks,
            not_remote_ip_blocks,
        } = &from.source.value;
        checker.enforced(&[
            ("requestPrincipals", request_principals),
            ("notRequestPrincipals", not_request_principals),
            ("ipBlocks", ip_blocks),
            ("notIpBlocks", not_ip_blocks),
            ("remoteIpBlocks", remote_ip_blocks),
            ("notRemoteIpBlocks", not_remote_ip_blocks),
        ]);
        let lists = [
            principals,
            not_principals,
            namespaces,
            not_namespaces,
            trust_domains,
            not_trust_domains,
        ];
        checker.says_something("source", &from.source, &lists);
        SourceMatch {
            principals: checker.identities(principals, not_principals, own_trust_domain),
            namespaces: checker.values((namespaces, not_namespaces), namespace),
            trust_domains: checker.values((trust_domains, not_trust_domains), trust_domain),
        }
    };
    sources.map(check).collect()
}

fn check_operations(
    rule: &wire::AuthorizationRule,
    targets: &[(&Service, Location)],
    checker: &mut Checker<'_, '_>,
) -> Vec<OperationMatch> {
    let operations = checker.entries("to", &rule.to).iter();
    let check = |to: &wire::To| {
        let wire::Operation {
            grpc_services,
            not_grpc_services,
            grpc_methods,
            not_grpc_methods,
            methods,
            not_methods,
            paths,
            not_paths,
            hosts,
            not_hosts,
            ports,
            not_ports,
        } = &to.operation.value;
        checker.enforced(&[
            ("hosts", hosts),
            ("notHosts", not_hosts),
            ("ports", ports),
            ("notPorts", not_ports),
        ]);
        checker.implemented(grpc_services, targets);
        checker.implemented(not_grpc_services, targets);
        let lists = [
            grpc_services,
            not_grpc_services,
            grpc_methods,
            not_grpc_methods,
            methods,
            not_methods,
            paths,
            not_paths,
        ];
        checker.says_something("operation", &to.operation, &lists);
        OperationMatch {
            grpc_services: checker.values((grpc_services, not_grpc_services), grpc_service),
            grpc_methods: checker.values((grpc_methods, not_grpc_methods), grpc_method),
            methods: checker.values((methods, not_methods), http_method),
            paths: checker.values((paths, not_paths), path),
        }
    };
    operations.map(check).collect()
}

fn check_conditions(
    rule: &wire::AuthorizationRule,
    checker: &mut Checker<'_, '_>,
) -> Vec<HeaderCondition> {
    let conditions = checker.entries("when", &rule.when).iter();
    let check = |condition: &wire::Condition| {
        let wire::Condition {
            key,
            values,
            not_values,
        } = condition;
        if values.is_none() && not_values.is_none() {
            let message = "a condition needs `values` or `notValues`";
            checker.refuse(key.referenced, message);
        }
        HeaderCondition {
            name: header_name(key, checker),
            values: checker.values((values, not_values), |_| Ok(())),
        }
    };
    conditions.map(check).collect()
}
