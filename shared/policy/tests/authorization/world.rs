//! Short ways to write policies, calls and verdicts.

use std::borrow::Cow;

use outrider_policy::{
    AuthorizationAction, AuthorizationCall, AuthorizationDecision, AuthorizationPolicies,
    AuthorizationPolicy, AuthorizationRule, AuthorizationVerdict, CallerIdentity, GrpcPath,
    HeaderCondition, IdentityMatch, OperationMatch, SourceMatch, StringMatch, ValueMatch,
};

pub use outrider_policy::AuthorizationAction::{Allow, Audit, Deny};

pub const CART: &str = "spiffe://td/ns/shop/svc/cart";
pub const ADMIN: &str = "spiffe://td/ns/ops/svc/admin";
pub const ABROAD: &str = "spiffe://other/ns/shop/svc/cart";
pub const GET: &str = "/shop.v1.Orders/Get";
pub const PLACE: &str = "/shop.v1.Orders/Place";

/// A call; `headers` as (name, joined value).
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub caller: Option<&'static str>,
    pub method: &'static str,
    pub path: &'static str,
    pub is_grpc: bool,
    pub headers: &'static [(&'static str, &'static str)],
}

/// A gRPC call of a service; no identity: over plaintext.
pub fn grpc(caller: impl Into<Option<&'static str>>, path: &'static str) -> Call {
    Call {
        caller: caller.into(),
        method: "POST",
        path,
        is_grpc: true,
        headers: &[],
    }
}

/// A plain HTTP/2 request.
pub fn http(caller: &'static str, method: &'static str, path: &'static str) -> Call {
    Call {
        method,
        is_grpc: false,
        ..grpc(caller, path)
    }
}

impl Call {
    pub fn with(self, headers: &'static [(&'static str, &'static str)]) -> Call {
        Call { headers, ..self }
    }
}

/// A policy; its name is its action's, unless it is given one.
pub fn policy(
    action: AuthorizationAction,
    rules: impl IntoIterator<Item = AuthorizationRule>,
) -> AuthorizationPolicy {
    AuthorizationPolicy {
        name: format!("{action:?}").to_lowercase(),
        action,
        dry_run: false,
        rules: rules.into_iter().collect(),
    }
}

pub fn dry(policy: AuthorizationPolicy) -> AuthorizationPolicy {
    AuthorizationPolicy {
        name: format!("dry-{}", policy.name),
        dry_run: true,
        ..policy
    }
}

fn texts<M>(texts: &[&str], parse: impl Fn(&str) -> M) -> Vec<M> {
    texts.iter().map(|text| parse(text)).collect()
}

pub fn strings(values: &[&str], not_values: &[&str]) -> ValueMatch<StringMatch> {
    let parse = |text: &str| StringMatch::parse(text).expect(text);
    ValueMatch {
        values: texts(values, parse),
        not_values: texts(not_values, parse),
    }
}

pub fn identities(values: &[&str], not_values: &[&str]) -> ValueMatch<IdentityMatch> {
    let parse = |text: &str| IdentityMatch::parse(text).expect(text);
    ValueMatch {
        values: texts(values, parse),
        not_values: texts(not_values, parse),
    }
}

/// Every call.
pub fn all() -> AuthorizationRule {
    AuthorizationRule::default()
}

/// Calls of one of these.
pub fn from<const N: usize>(from: [SourceMatch; N]) -> AuthorizationRule {
    AuthorizationRule {
        from: from.into(),
        ..all()
    }
}

/// Calls of these identities.
pub fn of(principals: &[&str]) -> AuthorizationRule {
    from([SourceMatch {
        principals: identities(principals, &[]),
        ..SourceMatch::default()
    }])
}

/// Calls of all but these identities.
pub fn not_of(principals: &[&str]) -> AuthorizationRule {
    from([SourceMatch {
        principals: identities(&[], principals),
        ..SourceMatch::default()
    }])
}

/// Calls of one of these operations.
pub fn to<const N: usize>(to: [OperationMatch; N]) -> AuthorizationRule {
    AuthorizationRule {
        to: to.into(),
        ..all()
    }
}

/// Operations on these paths.
pub fn paths(values: &[&str], not_values: &[&str]) -> OperationMatch {
    OperationMatch {
        paths: strings(values, not_values),
        ..OperationMatch::default()
    }
}

/// Calls with this header.
pub fn when(name: &str, values: &[&str], not_values: &[&str]) -> AuthorizationRule {
    AuthorizationRule {
        when: vec![condition(name, values, not_values)],
        ..all()
    }
}

pub fn condition(name: &str, values: &[&str], not_values: &[&str]) -> HeaderCondition {
    HeaderCondition {
        name: name.to_owned(),
        values: strings(values, not_values),
    }
}

pub fn decide(
    denies_by_default: bool,
    policies: &[AuthorizationPolicy],
    call: Call,
) -> (AuthorizationPolicies, AuthorizationDecision) {
    let built = AuthorizationPolicies::build(denies_by_default, policies.to_vec());
    let built = built.expect("good policies");
    let decision = judge(&built, call);
    (built, decision)
}

pub fn judge(policies: &AuthorizationPolicies, call: Call) -> AuthorizationDecision {
    let path = call.path.as_bytes();
    let judged = AuthorizationCall {
        caller: call.caller.map(identity),
        method: call.method.as_bytes(),
        path,
        grpc: GrpcPath::parse(path).ok().filter(|_| call.is_grpc),
    };
    policies.decide(&judged, |name| {
        let found = call.headers.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| Cow::Borrowed(value.as_bytes()))
    })
}

/// The parts of an id, as the crate `identity` reads them.
fn identity(id: &str) -> CallerIdentity<'_> {
    let rest = id.strip_prefix("spiffe://").expect("a SPIFFE id");
    let (trust_domain, path) = rest.split_once('/').unwrap_or((rest, ""));
    let namespace = path
        .strip_prefix("ns/")
        .and_then(|path| path.split_once("/svc/"))
        .map(|(namespace, _)| namespace);
    CallerIdentity {
        id,
        trust_domain,
        namespace,
    }
}

/// A verdict as text: `allow by allow[0]`, `deny by default`, ...
pub fn shown(policies: &AuthorizationPolicies, verdict: AuthorizationVerdict) -> String {
    let rule = |rule| format!("by {}[{}]", policies.policy_name(rule), rule.rule);
    match verdict {
        AuthorizationVerdict::AllowedBy(index) => format!("allowed {}", rule(index)),
        AuthorizationVerdict::AllowedByDefault => "allowed by default".to_owned(),
        AuthorizationVerdict::DeniedBy(index) => format!("denied {}", rule(index)),
        AuthorizationVerdict::DeniedUnmatched => "denied, no rule matches".to_owned(),
        AuthorizationVerdict::DeniedByDefault => "denied by default".to_owned(),
    }
}

/// A line of a table: what it shows, the policies, the call, the verdict.
pub type Case = (&'static str, Vec<AuthorizationPolicy>, Call, &'static str);

/// Checks a table under the default `allow`, which is Istio's.
pub fn check(cases: impl IntoIterator<Item = Case>) {
    for (name, policies, call, expected) in cases {
        let (built, decision) = decide(false, &policies, call);
        assert_eq!(shown(&built, decision.verdict), expected, "{name}");
    }
}
