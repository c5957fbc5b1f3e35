//! Builds the policies of a service, and bounds what a call can cost.

use super::decide::AuthorizationPolicies;
use super::identity_match::IdentityMatch;
use super::rule::{
    AuthorizationPolicy, AuthorizationRule, HeaderCondition, OperationMatch, SourceMatch,
};
use super::string_match::{BadMatch, StringMatch, ValueMatch, check_length};
use crate::ConfigError;

impl AuthorizationPolicies {
    /// Most policies of a service.
    pub const POLICIES_MAX: usize = 100;

    /// Most rules of a policy.
    pub const RULES_MAX: usize = 100;

    /// Most sources, operations, conditions and values of all policies of a service. Each is compared
    /// at most twice for a call, so this bounds what a call costs.
    pub const ENTRIES_MAX: usize = 4_096;

    /// Builds the policies of one service, in the order in which they are reported.
    ///
    /// # Errors
    /// [`ConfigError`] for more than [`AuthorizationPolicies::POLICIES_MAX`] policies, than
    /// [`AuthorizationPolicies::RULES_MAX`] rules of one, or than
    /// [`AuthorizationPolicies::ENTRIES_MAX`] entries of all; a header name in upper case; or a value
    /// that is empty or over 2,048 octets.
    pub fn build(
        denies_by_default: bool,
        policies: Vec<AuthorizationPolicy>,
    ) -> Result<AuthorizationPolicies, ConfigError> {
        if policies.len() > Self::POLICIES_MAX {
            return Err(error("service", "policies", "more than 100"));
        }
        let mut entries = 0;
        for policy in &policies {
            if policy.rules.len() > Self::RULES_MAX {
                return Err(error(&policy.name, "rules", "more than 100"));
            }
            for (index, rule) in policy.rules.iter().enumerate() {
                entries += rule.entries();
                if entries > Self::ENTRIES_MAX {
                    let problem = "more than 4,096 entries in all policies of the service";
                    return Err(error(&policy.name, &format!("rules[{index}]"), problem));
                }
                rule.check().map_err(|(field, problem)| {
                    error(&policy.name, &format!("rules[{index}].{field}"), &problem)
                })?;
            }
        }
        Ok(AuthorizationPolicies {
            has_dry_run: policies.iter().any(|policy| policy.dry_run),
            policies,
            denies_by_default,
        })
    }
}

fn error(name: &str, field: &str, problem: &str) -> ConfigError {
    ConfigError {
        resource: format!("authorization \"{name}\""),
        field: field.to_owned(),
        problem: problem.to_owned(),
    }
}

impl AuthorizationRule {
    /// How many comparisons it can cost.
    pub fn entries(&self) -> usize {
        let AuthorizationRule { from, to, when } = self;
        let from = from.iter().map(|source| 1 + source.values());
        let to = to.iter().map(|operation| 1 + operation.values());
        let when = when.iter().map(|condition| 1 + condition.values.len());
        from.chain(to).chain(when).sum()
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        let from = self.from.iter().try_for_each(SourceMatch::check);
        from.map_err(|problem| ("from", problem.to_string()))?;
        let to = self.to.iter().try_for_each(OperationMatch::check);
        to.map_err(|problem| ("to", problem.to_string()))?;
        let when = self.when.iter().try_for_each(HeaderCondition::check);
        when.map_err(|problem| ("when", problem))
    }
}

impl SourceMatch {
    fn values(&self) -> usize {
        self.principals.len() + self.namespaces.len() + self.trust_domains.len()
    }

    fn check(&self) -> Result<(), BadMatch> {
        let SourceMatch {
            principals,
            namespaces,
            trust_domains,
        } = self;
        let written = principals.iter().filter(|it| **it != IdentityMatch::Any);
        written
            .map(IdentityMatch::text)
            .try_for_each(check_length)?;
        check_values(namespaces)?;
        check_values(trust_domains)
    }
}

impl OperationMatch {
    fn lists(&self) -> [&ValueMatch<StringMatch>; 4] {
        let OperationMatch {
            grpc_services,
            grpc_methods,
            methods,
            paths,
        } = self;
        [grpc_services, grpc_methods, methods, paths]
    }

    fn values(&self) -> usize {
        self.lists().iter().map(|list| list.len()).sum()
    }

    fn check(&self) -> Result<(), BadMatch> {
        self.lists().into_iter().try_for_each(check_values)
    }
}

impl HeaderCondition {
    fn check(&self) -> Result<(), String> {
        let HeaderCondition { name, values } = self;
        if name.is_empty() || name.bytes().any(|octet| octet.is_ascii_uppercase()) {
            return Err(format!("`{name}` is no header name in lower case"));
        }
        check_values(values).map_err(|problem| problem.to_string())
    }
}

/// An empty prefix or suffix would match everything without being written as `*`.
fn check_values(list: &ValueMatch<StringMatch>) -> Result<(), BadMatch> {
    let written = list.iter().filter(|rule| **rule != StringMatch::Present);
    let mut texts = written.map(StringMatch::text);
    texts.try_for_each(check_length)
}
