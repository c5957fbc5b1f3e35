//! What the documents say of one call, and which of their lines say it.
//!
//! Decides with the same code as a sidecar; only the places are added here.

use crate::check::LocatedAuthorization;
use crate::error::{DocumentError, Place, located};
use crate::load::{self, Checked};
use crate::model::Documents;
use crate::wire::AuthorizationDefault;
use outrider_policy::{
    AuthorizationAction, AuthorizationCall, AuthorizationDecision, AuthorizationPolicies,
    AuthorizationVerdict, ConfigError, RuleIndex,
};
use std::borrow::Cow;
use std::fmt;

/// A sentence, and the line of a document that it is about. `Display` shows both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// `allowed`, `denied`, `dry run`, `audit`.
    level: &'static str,
    message: String,
    /// None where the sentence is about what no document says.
    line: Option<DocumentError>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.line {
            Some(line) => line.show(self.level, f),
            None => write!(f, "{}: {}", self.level, self.message),
        }
    }
}

/// Documents that are right, with the places of what decides who may call.
pub struct LocatedDocuments<'f> {
    files: &'f [(&'f str, &'f str)],
    checked: Checked,
}

impl<'f> LocatedDocuments<'f> {
    /// As [`crate::load`].
    ///
    /// # Errors
    /// As [`crate::load`].
    pub fn load(files: &'f [(&'f str, &'f str)]) -> Result<Self, Vec<DocumentError>> {
        let checked = load::load_located(files)?;
        Ok(LocatedDocuments { files, checked })
    }

    /// The documents.
    pub fn documents(&self) -> &Documents {
        &self.checked.documents
    }

    /// Judges a call to a service as its sidecars would, and says why. `headers` are pairs of a name
    /// in lower case and a value. A service without a document has no policy.
    ///
    /// # Errors
    /// [`ConfigError`] for policies that a sidecar would refuse; documents that were loaded have none.
    pub fn authorize(
        &self,
        service: &str,
        call: &AuthorizationCall<'_>,
        headers: &[(String, String)],
    ) -> Result<(AuthorizationDecision, Vec<Explanation>), ConfigError> {
        let policies = self.documents().authorization_of(service)?;
        let decision = policies.decide(call, |name| joined(headers, name));
        let level = match decision.verdict.is_allowed() {
            true => "allowed",
            false => "denied",
        };
        let mut explained = self.explain(service, level, false, decision.verdict);
        if let Some(verdict) = decision.dry_run {
            let level = match verdict.is_allowed() {
                true => "dry run, allowed",
                false => "dry run, denied",
            };
            explained.extend(self.explain(service, level, true, verdict));
        }
        if let Some(rule) = decision.audit {
            explained.push(self.by_rule(service, "audit", rule));
        }
        Ok((decision, explained))
    }

    fn explain(
        &self,
        service: &str,
        level: &'static str,
        with_dry_run: bool,
        verdict: AuthorizationVerdict,
    ) -> Vec<Explanation> {
        match verdict {
            AuthorizationVerdict::AllowedBy(rule) | AuthorizationVerdict::DeniedBy(rule) => {
                vec![self.by_rule(service, level, rule)]
            }
            AuthorizationVerdict::DeniedUnmatched => {
                let is_one = |it: &&LocatedAuthorization| {
                    it.policy.action == AuthorizationAction::Allow
                        && (with_dry_run || !it.policy.dry_run)
                };
                let allow = self.policies_of(service).iter().filter(is_one);
                let explain = |located: &LocatedAuthorization| {
                    let name = &located.policy.name;
                    let message = format!("no rule of AuthorizationPolicy {name} (ALLOW) matches");
                    self.at(level, message, Some(located.at))
                };
                allow.map(explain).collect()
            }
            AuthorizationVerdict::AllowedByDefault | AuthorizationVerdict::DeniedByDefault => {
                vec![self.by_default(service, level)]
            }
        }
    }

    fn by_rule(&self, service: &str, level: &'static str, rule: RuleIndex) -> Explanation {
        let located = self.policies_of(service).get(rule.policy);
        let name = located.map_or("", |located| &located.policy.name);
        let action = match located.map(|located| located.policy.action) {
            Some(AuthorizationAction::Deny) => "DENY",
            Some(AuthorizationAction::Audit) => "AUDIT",
            Some(AuthorizationAction::Allow) | None => "ALLOW",
        };
        let message = format!(
            "rules[{}] of AuthorizationPolicy {name} ({action}) matches",
            rule.rule
        );
        let place = located.and_then(|located| located.rules.get(rule.rule));
        self.at(level, message, place.copied())
    }

    fn by_default(&self, service: &str, level: &'static str) -> Explanation {
        let default = match self.documents().mesh.authorization_default {
            AuthorizationDefault::Allow => "allow",
            AuthorizationDefault::Deny => "deny",
        };
        let place = self.checked.authorization_default_at;
        let unwritten = match place {
            Some(_) => "",
            None => ", as where none is written",
        };
        let message = format!(
            "no AuthorizationPolicy decides for service {service}, and the default of the Mesh is \
             `{default}`{unwritten}"
        );
        self.at(level, message, place)
    }

    fn policies_of(&self, service: &str) -> &[LocatedAuthorization] {
        let policies = self.checked.authorizations.get(service);
        policies.map_or(&[], |policies| policies)
    }

    fn at(&self, level: &'static str, message: String, place: Option<Place>) -> Explanation {
        let line = place.map(|place| (place, message.clone()));
        let line = located(self.files, line.into_iter().collect());
        Explanation {
            level,
            message,
            line: line.into_iter().next(),
        }
    }
}

impl Documents {
    /// Who may call a service, as its sidecars decide it.
    ///
    /// # Errors
    /// [`ConfigError`] never for documents that were loaded: their checks are stricter.
    pub fn authorization_of(&self, service: &str) -> Result<AuthorizationPolicies, ConfigError> {
        let service = self.service(service);
        let policies = service.map_or_else(Vec::new, |it| it.authorization.clone());
        let denies_by_default = self.mesh.authorization_default == AuthorizationDefault::Deny;
        AuthorizationPolicies::build(denies_by_default, policies)
    }
}

/// The values of one name as a sidecar sees them.
fn joined<'h>(headers: &'h [(String, String)], name: &str) -> Option<Cow<'h, [u8]>> {
    let values = headers.iter().filter(|(known, _)| known == name);
    let values: Vec<&str> = values.map(|(_, value)| value.as_str()).collect();
    (!values.is_empty()).then(|| Cow::Owned(values.join(",").into_bytes()))
}
