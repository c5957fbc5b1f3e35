//! Who may call the local service: our `Authorization`, in an inbound listener's policy.

use super::fields::Fields;
use outrider_policy::{
    AuthorizationAction, AuthorizationPolicies, AuthorizationPolicy, AuthorizationRule, BadMatch,
    HeaderCondition, IdentityMatch, OperationMatch, SourceMatch, StringMatch, ValueMatch,
};
use outrider_proto::v1;
use outrider_proto::v1::authorization::{
    Action, Condition, Operation, Policy, Rule, Source, Values,
};

/// A policy that cannot be honoured makes the whole listener unacceptable: without it callers could be
/// let in.
pub(super) fn parse(
    authorization: &v1::Authorization,
    fields: &mut Fields<'_>,
) -> AuthorizationPolicies {
    let v1::Authorization {
        denies_by_default,
        policies,
    } = authorization;
    let parse = |(index, policy)| parse_policy(policy, &mut fields.at_index("policies", index));
    let policies = policies.iter().enumerate().map(parse).collect();
    AuthorizationPolicies::build(*denies_by_default, policies).unwrap_or_else(|error| {
        fields.refuse("policies", error.to_string());
        AuthorizationPolicies::default()
    })
}

fn parse_policy(policy: &Policy, fields: &mut Fields<'_>) -> AuthorizationPolicy {
    let Policy {
        name,
        action,
        dry_run,
        rules,
    } = policy;
    let action = match Action::try_from(*action) {
        Ok(Action::Allow) => AuthorizationAction::Allow,
        Ok(Action::Deny) => AuthorizationAction::Deny,
        Ok(Action::Audit) => AuthorizationAction::Audit,
        Err(_) => {
            fields.refuse("action", "not known here");
            AuthorizationAction::default()
        }
    };
    let parse = |(index, rule)| parse_rule(rule, &mut fields.at_index("rules", index));
    AuthorizationPolicy {
        name: name.clone(),
        action,
        dry_run: *dry_run,
        rules: rules.iter().enumerate().map(parse).collect(),
    }
}

fn parse_rule(rule: &Rule, fields: &mut Fields<'_>) -> AuthorizationRule {
    let Rule { from, to, when } = rule;
    AuthorizationRule {
        from: from.iter().map(|it| parse_source(it, fields)).collect(),
        to: to.iter().map(|it| parse_operation(it, fields)).collect(),
        when: when.iter().map(|it| parse_condition(it, fields)).collect(),
    }
}

fn parse_source(source: &Source, fields: &mut Fields<'_>) -> SourceMatch {
    let Source {
        principals,
        namespaces,
        trust_domains,
    } = source;
    SourceMatch {
        principals: parse_values("principals", principals, IdentityMatch::parse, fields),
        namespaces: parse_values("namespaces", namespaces, StringMatch::parse, fields),
        trust_domains: parse_values("trust_domains", trust_domains, StringMatch::parse, fields),
    }
}

fn parse_operation(operation: &Operation, fields: &mut Fields<'_>) -> OperationMatch {
    let Operation {
        grpc_services,
        grpc_methods,
        methods,
        paths,
    } = operation;
    OperationMatch {
        grpc_services: parse_values("grpc_services", grpc_services, StringMatch::parse, fields),
        grpc_methods: parse_values("grpc_methods", grpc_methods, StringMatch::parse, fields),
        methods: parse_values("methods", methods, StringMatch::parse, fields),
        paths: parse_values("paths", paths, StringMatch::parse, fields),
    }
}

fn parse_condition(condition: &Condition, fields: &mut Fields<'_>) -> HeaderCondition {
    let Condition { header, values } = condition;
    HeaderCondition {
        name: header.clone(),
        values: parse_values("when", values, StringMatch::parse, fields),
    }
}

fn parse_values<M>(
    field: &str,
    values: &Option<Values>,
    parse: fn(&str) -> Result<M, BadMatch>,
    fields: &mut Fields<'_>,
) -> ValueMatch<M> {
    let Some(Values { values, not_values }) = values else {
        return ValueMatch::default();
    };
    let mut list = |texts: &[String]| {
        let mut parsed = Vec::new();
        for text in texts {
            match parse(text) {
                Ok(rule) => parsed.push(rule),
                Err(problem) => fields.refuse(field, format!("`{text}`: {problem}")),
            }
        }
        parsed
    };
    ValueMatch {
        values: list(values),
        not_values: list(not_values),
    }
}
