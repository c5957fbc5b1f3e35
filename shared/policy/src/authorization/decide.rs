//! The verdict of a service's policies on one call.

use std::borrow::Cow;

use super::identity_match::CallerIdentity;
use super::rule::{AuthorizationAction, AuthorizationPolicy};
use crate::GrpcPath;

/// What is judged of a call beside its headers.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizationCall<'c> {
    /// The identity that the caller proved; none over plaintext.
    pub caller: Option<CallerIdentity<'c>>,
    /// The HTTP method.
    pub method: &'c [u8],
    /// The `:path`, whose grammar has been checked.
    pub path: &'c [u8],
    /// Its parts, if the call is a gRPC call.
    pub grpc: Option<GrpcPath<'c>>,
}

/// The policies of one service. [`AuthorizationPolicies::build`] is the only way to make one; the
/// default has no policy and allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizationPolicies {
    pub(super) policies: Vec<AuthorizationPolicy>,
    pub(super) denies_by_default: bool,
    /// Is there a dry-run policy? Else each call is judged once.
    pub(super) has_dry_run: bool,
}

/// Where a rule stands: indices, so that a decision allocates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleIndex {
    /// Place of the policy among those of the service, from 0.
    pub policy: usize,
    /// Place of the rule in its policy, from 0.
    pub rule: usize,
}

/// May the call go on, and why?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorizationVerdict {
    /// This rule of an ALLOW policy matches, and none of a DENY policy does.
    AllowedBy(RuleIndex),
    /// There is no ALLOW policy, none of a DENY policy matches, and the mesh allows by default.
    AllowedByDefault,
    /// This rule of a DENY policy matches.
    DeniedBy(RuleIndex),
    /// There are ALLOW policies, and none of their rules matches.
    DeniedUnmatched,
    /// There is no ALLOW policy, and the mesh denies by default.
    DeniedByDefault,
}

impl AuthorizationVerdict {
    /// May the call go on?
    pub fn is_allowed(self) -> bool {
        match self {
            AuthorizationVerdict::AllowedBy(_) | AuthorizationVerdict::AllowedByDefault => true,
            AuthorizationVerdict::DeniedBy(_)
            | AuthorizationVerdict::DeniedUnmatched
            | AuthorizationVerdict::DeniedByDefault => false,
        }
    }

    /// The rule that decided, if one did.
    pub fn rule(self) -> Option<RuleIndex> {
        match self {
            AuthorizationVerdict::AllowedBy(rule) | AuthorizationVerdict::DeniedBy(rule) => {
                Some(rule)
            }
            AuthorizationVerdict::AllowedByDefault
            | AuthorizationVerdict::DeniedUnmatched
            | AuthorizationVerdict::DeniedByDefault => None,
        }
    }
}

/// Everything that the policies say of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorizationDecision {
    /// What is enforced.
    pub verdict: AuthorizationVerdict,
    /// What would be enforced if the dry-run policies were; `None` where there is no such policy.
    pub dry_run: Option<AuthorizationVerdict>,
    /// The first rule of an AUDIT policy that matches.
    pub audit: Option<RuleIndex>,
}

/// Which policies a verdict takes into account.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Enforced,
    WithDryRun,
}

impl Scope {
    fn has(self, policy: &AuthorizationPolicy) -> bool {
        self == Scope::WithDryRun || !policy.dry_run
    }
}

impl AuthorizationPolicies {
    /// Is every call allowed, whatever it is? So nothing of it need be looked at.
    pub fn allows_all(&self) -> bool {
        self.policies.is_empty() && !self.denies_by_default
    }

    /// Judges one call. `headers` gives the value of a header by its name in lower case, several of
    /// one name joined with commas.
    pub fn decide<'h>(
        &self,
        call: &AuthorizationCall<'_>,
        headers: impl Fn(&str) -> Option<Cow<'h, [u8]>>,
    ) -> AuthorizationDecision {
        let matching =
            |action, scope| self.first_match(action, scope, |rule| rule.matches(call, &headers));
        let verdict = |scope| self.verdict(scope, &matching);
        AuthorizationDecision {
            verdict: verdict(Scope::Enforced),
            dry_run: self.has_dry_run.then(|| verdict(Scope::WithDryRun)),
            audit: matching(AuthorizationAction::Audit, Scope::WithDryRun),
        }
    }

    /// DENY first, then ALLOW, then the default.
    fn verdict(
        &self,
        scope: Scope,
        matching: &impl Fn(AuthorizationAction, Scope) -> Option<RuleIndex>,
    ) -> AuthorizationVerdict {
        if let Some(rule) = matching(AuthorizationAction::Deny, scope) {
            return AuthorizationVerdict::DeniedBy(rule);
        }
        if let Some(rule) = matching(AuthorizationAction::Allow, scope) {
            return AuthorizationVerdict::AllowedBy(rule);
        }
        if self.of(AuthorizationAction::Allow, scope).next().is_some() {
            return AuthorizationVerdict::DeniedUnmatched;
        }
        match self.denies_by_default {
            true => AuthorizationVerdict::DeniedByDefault,
            false => AuthorizationVerdict::AllowedByDefault,
        }
    }

    fn first_match(
        &self,
        action: AuthorizationAction,
        scope: Scope,
        matches: impl Fn(&super::AuthorizationRule) -> bool,
    ) -> Option<RuleIndex> {
        self.of(action, scope).find_map(|(policy, it)| {
            let rule = it.rules.iter().position(&matches)?;
            Some(RuleIndex { policy, rule })
        })
    }

    fn of(
        &self,
        action: AuthorizationAction,
        scope: Scope,
    ) -> impl Iterator<Item = (usize, &AuthorizationPolicy)> {
        let policies = self.policies.iter().enumerate();
        policies.filter(move |(_, policy)| policy.action == action && scope.has(policy))
    }

    /// The name of a rule's policy; empty for an index that came from other policies.
    pub fn policy_name(&self, rule: RuleIndex) -> &str {
        let policy = self.policies.get(rule.policy);
        debug_assert!(policy.is_some(), "{rule:?} is of other policies");
        policy.map_or("", |policy| &policy.name)
    }
}
