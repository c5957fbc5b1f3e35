//! What an AuthorizationPolicy says, and whether one of its rules matches a call.

use std::borrow::Cow;

use super::decide::AuthorizationCall;
use super::identity_match::{CallerIdentity, IdentityMatch};
use super::string_match::{StringMatch, ValueMatch};
use crate::path::before_query;

/// What becomes of a call that a rule of the policy matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthorizationAction {
    /// It is allowed, unless a DENY policy matches too. What no ALLOW policy matches is denied.
    #[default]
    Allow,
    /// It is denied.
    Deny,
    /// It is marked in the record; nothing is decided.
    Audit,
}

/// An AuthorizationPolicy of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizationPolicy {
    /// Name for records and metrics: `<namespace>/<name>`.
    pub name: String,
    /// What becomes of a call that matches. Default ALLOW.
    pub action: AuthorizationAction,
    /// Evaluated and reported, not enforced. Default false. Says nothing with AUDIT.
    pub dry_run: bool,
    /// One must match. Without any the policy matches no call: an ALLOW policy then denies all.
    pub rules: Vec<AuthorizationRule>,
}

/// A rule: who, what and under which conditions. The default matches every call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizationRule {
    /// One must match; empty: any caller does, also one without an identity.
    pub from: Vec<SourceMatch>,
    /// One must match; empty: any operation does.
    pub to: Vec<OperationMatch>,
    /// All must match.
    pub when: Vec<HeaderCondition>,
}

/// Who calls. All fields must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceMatch {
    /// SPIFFE ids.
    pub principals: ValueMatch<IdentityMatch>,
    /// Namespaces of the ids.
    pub namespaces: ValueMatch<StringMatch>,
    /// Trust domains of the ids.
    pub trust_domains: ValueMatch<StringMatch>,
}

/// What is called. All fields must match. A plain HTTP/2 request has no gRPC service or method.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperationMatch {
    /// Full names of gRPC services: `shop.v1.Orders`.
    pub grpc_services: ValueMatch<StringMatch>,
    /// Names of gRPC methods: `Get`.
    pub grpc_methods: ValueMatch<StringMatch>,
    /// HTTP methods; that of a gRPC call is always POST.
    pub methods: ValueMatch<StringMatch>,
    /// Paths without their query; of a gRPC call `/package.Service/Method`.
    pub paths: ValueMatch<StringMatch>,
}

/// A condition on one request header. A header that came several times is judged as one value,
/// joined with commas, as routes do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderCondition {
    /// Name in lower case.
    pub name: String,
    /// What its value must be.
    pub values: ValueMatch<StringMatch>,
}

impl AuthorizationRule {
    pub(super) fn matches<'h>(
        &self,
        call: &AuthorizationCall<'_>,
        headers: &impl Fn(&str) -> Option<Cow<'h, [u8]>>,
    ) -> bool {
        let AuthorizationRule { from, to, when } = self;
        (from.is_empty() || from.iter().any(|source| source.matches(call.caller)))
            && (to.is_empty() || to.iter().any(|operation| operation.matches(call)))
            && when.iter().all(|condition| condition.matches(headers))
    }
}

impl SourceMatch {
    fn matches(&self, caller: Option<CallerIdentity<'_>>) -> bool {
        let SourceMatch {
            principals,
            namespaces,
            trust_domains,
        } = self;
        let namespace = caller.and_then(|caller| caller.namespace);
        let trust_domain = caller.map(|caller| caller.trust_domain);
        principals.holds(|rule| caller.is_some_and(|caller| rule.matches(caller.id)))
            && namespaces.holds_for(namespace.map(str::as_bytes))
            && trust_domains.holds_for(trust_domain.map(str::as_bytes))
    }
}

impl OperationMatch {
    fn matches(&self, call: &AuthorizationCall<'_>) -> bool {
        let OperationMatch {
            grpc_services,
            grpc_methods,
            methods,
            paths,
        } = self;
        grpc_services.holds_for(call.grpc.map(|path| path.service.as_bytes()))
            && grpc_methods.holds_for(call.grpc.map(|path| path.method.as_bytes()))
            && methods.holds_for(Some(call.method))
            && paths.holds_for(Some(before_query(call.path)))
    }
}

impl HeaderCondition {
    fn matches<'h>(&self, headers: &impl Fn(&str) -> Option<Cow<'h, [u8]>>) -> bool {
        self.values.holds_for(headers(&self.name).as_deref())
    }
}
