//! Who may make this call, by the policies of the local service.
//!
//! The caller reads that it may not, and no more: which rule says so is for the operator, in the
//! record. Never marked as unprocessed: every other instance would refuse it, too.

use outrider_policy::order::Step;
use outrider_policy::{
    AuthorizationCall, AuthorizationDecision, AuthorizationPolicies, AuthorizationVerdict,
    CallerIdentity, GrpcPath, Policy, PolicyVerdict, Reason, Rule, RuleIndex,
};

use super::Context;
use super::route::joined;
use crate::call::Call;
use crate::refusal::Refusal;

const POLICY: Policy = Policy::Step(Step::Authorization);

pub(super) fn check(context: &Context<'_>, call: &mut Call) -> Result<(), Refusal> {
    let policies = &context.configuration.snapshot.inbound.authorization;
    if policies.allows_all() {
        return Ok(());
    }
    let decision = decide(policies, call);
    if let Some(matched) = decision.audit {
        call.note(POLICY, PolicyVerdict::Audited, named(policies, matched));
    }
    if !decision.verdict.is_allowed() {
        return Err(denied(policies, decision.verdict));
    }
    if let Some(dry) = decision.dry_run
        && !dry.is_allowed()
    {
        call.note(POLICY, PolicyVerdict::WouldRefuse, rule(policies, dry));
    }
    Ok(())
}

fn decide(policies: &AuthorizationPolicies, call: &Call) -> AuthorizationDecision {
    let path = call.request.find(b":path").unwrap_or_default();
    let caller = call.caller.as_deref().map(|id| CallerIdentity {
        id: id.as_str(),
        trust_domain: id.trust_domain(),
        namespace: id.namespace(),
    });
    let judged = AuthorizationCall {
        caller,
        method: call.request.find(b":method").unwrap_or_default(),
        path,
        grpc: GrpcPath::parse(path).ok().filter(|_| call.is_grpc),
    };
    policies.decide(&judged, |name| joined(&call.request, name))
}

fn denied(policies: &AuthorizationPolicies, verdict: AuthorizationVerdict) -> Refusal {
    let sentence = "this caller may not make this call";
    Refusal {
        detail: Some(why(policies, verdict)),
        rule: rule(policies, verdict),
        ..Refusal::late(Reason::Denied, sentence)
    }
}

/// For the trail.
fn rule(policies: &AuthorizationPolicies, verdict: AuthorizationVerdict) -> Rule {
    match verdict {
        AuthorizationVerdict::AllowedBy(rule) | AuthorizationVerdict::DeniedBy(rule) => {
            named(policies, rule)
        }
        AuthorizationVerdict::DeniedUnmatched => Rule::Fixed("unmatched"),
        AuthorizationVerdict::AllowedByDefault | AuthorizationVerdict::DeniedByDefault => {
            Rule::Fixed("default")
        }
    }
}

fn named(policies: &AuthorizationPolicies, rule: RuleIndex) -> Rule {
    Rule::Named(format!("{}[{}]", policies.policy_name(rule), rule.rule).into())
}

/// For the record.
fn why(policies: &AuthorizationPolicies, verdict: AuthorizationVerdict) -> String {
    match verdict {
        AuthorizationVerdict::AllowedBy(rule) | AuthorizationVerdict::DeniedBy(rule) => format!(
            "rules[{}] of AuthorizationPolicy {} matches",
            rule.rule,
            policies.policy_name(rule)
        ),
        AuthorizationVerdict::DeniedUnmatched => {
            "no rule of an ALLOW AuthorizationPolicy matches".to_owned()
        }
        AuthorizationVerdict::AllowedByDefault | AuthorizationVerdict::DeniedByDefault => {
            "no AuthorizationPolicy decides, and the Mesh denies by default".to_owned()
        }
    }
}
