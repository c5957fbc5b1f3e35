//! What policies decided about one call: who decided what, by which rule.
//!
//! A decision is listed where a policy did something: it refused the call, made it wait, kept it from a retry,
//! would have refused it in a dry run, or marked it for the audit. The record, the span, the access log and one metric are made of the list.

use std::fmt;

use crate::order::Step;

/// Decisions kept of one call; later ones are counted. A call that every policy touches once has fewer.
const DECISIONS_MAX: usize = 8;

/// One decision of one policy about one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Who decided.
    pub policy: Policy,
    /// What.
    pub verdict: PolicyVerdict,
    /// By which of its rules.
    pub rule: Rule,
}

/// Who decides about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// A step of admission.
    Step(Step),
    /// Whether a failed attempt is followed by another.
    Retry,
    /// How many retries there may be beside the calls.
    RetryBudget,
    /// Whether a call waits until an endpoint can be reached.
    WaitForReady,
}

/// What a policy did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyVerdict {
    /// It refused the call.
    Refused,
    /// It made the call wait.
    Waited,
    /// It kept the call from what it would have done otherwise, such as a retry.
    Limited,
    /// It would have refused the call, but runs dry.
    WouldRefuse,
    /// It marked the call for the audit.
    Audited,
}

/// The rule of a policy that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// One that the policy always has.
    Fixed(&'static str),
    /// One that the configuration names.
    Named(Box<str>),
}

/// The decisions about one call, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    decisions: Vec<Decision>,
    dropped: u32,
}

impl Policy {
    /// The word used in metrics, spans and logs.
    pub fn name(self) -> &'static str {
        match self {
            Policy::Step(step) => step.name(),
            Policy::Retry => "retry",
            Policy::RetryBudget => "retry_budget",
            Policy::WaitForReady => "wait_for_ready",
        }
    }
}

impl PolicyVerdict {
    /// The word used in metrics, spans and logs.
    pub fn name(self) -> &'static str {
        match self {
            PolicyVerdict::Refused => "refused",
            PolicyVerdict::Waited => "waited",
            PolicyVerdict::Limited => "limited",
            PolicyVerdict::WouldRefuse => "would_refuse",
            PolicyVerdict::Audited => "audited",
        }
    }
}

impl Rule {
    /// Its name.
    pub fn as_str(&self) -> &str {
        match self {
            Rule::Fixed(name) => name,
            Rule::Named(name) => name,
        }
    }
}

impl Trail {
    /// Adds a decision, or counts it if there are too many.
    pub fn note(&mut self, decision: Decision) {
        if self.decisions.len() < DECISIONS_MAX {
            self.decisions.push(decision);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// The first decisions, eight at most.
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// How many more there were.
    pub fn dropped(&self) -> u32 {
        self.dropped
    }
}

/// `policy:verdict:rule`.
impl fmt::Display for Decision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (policy, verdict) = (self.policy.name(), self.verdict.name());
        write!(out, "{policy}:{verdict}:{}", self.rule.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(rule: Rule) -> Decision {
        Decision {
            policy: Policy::Step(Step::Limits),
            verdict: PolicyVerdict::Refused,
            rule,
        }
    }

    #[test]
    fn a_trail_keeps_the_first_decisions_and_counts_the_rest() {
        let mut trail = Trail::default();
        for number in 0..10 {
            trail.note(decision(Rule::Named(number.to_string().into())));
        }
        let rules: Vec<_> = trail
            .decisions()
            .iter()
            .map(|it| it.rule.as_str())
            .collect();
        assert_eq!(rules, ["0", "1", "2", "3", "4", "5", "6", "7"]);
        assert_eq!(trail.dropped(), 2);
    }

    #[test]
    fn a_decision_reads_as_who_what_and_by_which_rule() {
        let text = decision(Rule::Fixed("CALLS_LIMIT")).to_string();
        assert_eq!(text, "limits:refused:CALLS_LIMIT");
    }
}
