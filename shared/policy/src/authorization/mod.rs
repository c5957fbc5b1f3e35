//! Who may call what: the AuthorizationPolicies of one service, and what they say of a call.
//!
//! Semantics of Istio's AuthorizationPolicy: DENY counts before ALLOW; where an ALLOW policy exists,
//! what none of its rules matches is denied; AUDIT decides nothing. Reference:
//! <https://istio.io/latest/docs/reference/config/security/authorization-policy/>.
//! Two things are ours: gRPC services and methods can be named instead of paths, and a prefix of an
//! identity ends at a path segment. Knows no certificates: the caller's identity comes as text.

mod build;
mod decide;
mod identity_match;
mod rule;
mod string_match;

pub use decide::{
    AuthorizationCall, AuthorizationDecision, AuthorizationPolicies, AuthorizationVerdict,
    RuleIndex,
};
pub use identity_match::{CallerIdentity, IdentityMatch};
pub use rule::{
    AuthorizationAction, AuthorizationPolicy, AuthorizationRule, HeaderCondition, OperationMatch,
    SourceMatch,
};
pub use string_match::{BadMatch, StringMatch, ValueMatch};
