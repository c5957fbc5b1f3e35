//! Who may call a service, as a part of its inbound listener's policy.

use crate::wire::AuthorizationDefault;
use outrider_policy::{
    AuthorizationAction, AuthorizationPolicy, AuthorizationRule, HeaderCondition, OperationMatch,
    SourceMatch, ValueMatch,
};
use outrider_proto::v1::Authorization;
use outrider_proto::v1::authorization::{
    Action, Condition, Operation, Policy, Rule, Source, Values,
};

/// `None` if everybody may call it.
pub(super) fn render(
    policies: &[AuthorizationPolicy],
    default: AuthorizationDefault,
) -> Option<Authorization> {
    let denies_by_default = default == AuthorizationDefault::Deny;
    if !denies_by_default && policies.is_empty() {
        return None;
    }
    Some(Authorization {
        denies_by_default,
        policies: policies.iter().map(policy).collect(),
    })
}

fn policy(policy: &AuthorizationPolicy) -> Policy {
    let action = match policy.action {
        AuthorizationAction::Allow => Action::Allow,
        AuthorizationAction::Deny => Action::Deny,
        AuthorizationAction::Audit => Action::Audit,
    };
    Policy {
        name: policy.name.clone(),
        action: action.into(),
        dry_run: policy.dry_run,
        rules: policy.rules.iter().map(rule).collect(),
    }
}

fn rule(rule: &AuthorizationRule) -> Rule {
    Rule {
        from: rule.from.iter().map(source).collect(),
        to: rule.to.iter().map(operation).collect(),
        when: rule.when.iter().map(condition).collect(),
    }
}

fn source(source: &SourceMatch) -> Source {
    Source {
        principals: values(&source.principals),
        namespaces: values(&source.namespaces),
        trust_domains: values(&source.trust_domains),
    }
}

fn operation(operation: &OperationMatch) -> Operation {
    Operation {
        grpc_services: values(&operation.grpc_services),
        grpc_methods: values(&operation.grpc_methods),
        methods: values(&operation.methods),
        paths: values(&operation.paths),
    }
}

fn condition(condition: &HeaderCondition) -> Condition {
    Condition {
        header: condition.name.clone(),
        values: values(&condition.values),
    }
}

/// `None` for lists that say nothing.
fn values<M: ToString>(list: &ValueMatch<M>) -> Option<Values> {
    let texts = |list: &[M]| list.iter().map(ToString::to_string).collect();
    let written = Values {
        values: texts(&list.values),
        not_values: texts(&list.not_values),
    };
    (written != Values::default()).then_some(written)
}
