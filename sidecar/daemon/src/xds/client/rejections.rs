//! What was refused and is still refused, for people: which, why and since when.
//!
//! A resource that could not even be decoded is no part of what is held, so it is remembered
//! here until the server has another word on its name. Decides nothing.

use std::collections::BTreeMap;

use outrider_policy::Tick;
use outrider_proto::Kind;

use super::update::{Removed, Update};
use crate::xds::Rejection;

/// A resource whose last version was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedResource {
    /// Its kind.
    pub kind: Kind,
    /// Its name; empty if it came without one and could not be decoded.
    pub name: String,
    /// Every field that is wrong, by its path.
    pub reason: String,
    /// When this reason was first found.
    pub since: Tick,
}

type Reasons = BTreeMap<(Kind, String), (String, Tick)>;

/// All that are refused.
#[derive(Debug, Default)]
pub(super) struct Rejections {
    validated: Reasons,
    undecodable: Reasons,
}

impl Rejections {
    pub fn all(&self) -> Vec<RejectedResource> {
        let all: Reasons = self
            .validated
            .clone()
            .into_iter()
            .chain(self.undecodable.clone())
            .collect();
        let each = all
            .into_iter()
            .map(|((kind, name), (reason, since))| RejectedResource {
                kind,
                name,
                reason,
                since,
            });
        each.collect()
    }

    /// The judgement of all that is held.
    pub fn validated(&mut self, now: Tick, rejected: &[Rejection]) {
        let before = std::mem::take(&mut self.validated);
        for rejection in rejected {
            insert(&mut self.validated, &before, now, rejection);
        }
    }

    /// What of a response could not be decoded takes the place of what was said before of all
    /// that the response names.
    pub fn note_undecodable(
        &mut self,
        now: Tick,
        update: &Update,
        arrived: &[String],
        rejected: &[Rejection],
    ) {
        let before = self.undecodable.clone();
        let gone = |name: &String| match &update.gone {
            Removed::Named(names) => names.contains(name),
            Removed::AllOthers => true,
        };
        let named = |name: &String| name.is_empty() || arrived.contains(name) || gone(name);
        self.undecodable
            .retain(|(kind, name), _| *kind != update.kind || !named(name));
        for rejection in rejected {
            insert(&mut self.undecodable, &before, now, rejection);
        }
    }

    /// Drops rejections of resources that are no longer wanted.
    pub fn keep(&mut self, kind: Kind, is_wanted: impl Fn(&str) -> bool) {
        let kept = |name: &String| name.is_empty() || is_wanted(name);
        self.undecodable
            .retain(|(of, name), _| *of != kind || kept(name));
    }
}

/// A reason that was there before is as old as it was.
fn insert(reasons: &mut Reasons, before: &Reasons, now: Tick, rejection: &Rejection) {
    let Some(kind) = Kind::of_type_url(&rejection.type_url) else {
        return;
    };
    let key = (kind, rejection.name.clone());
    let errors = rejection.errors.iter().map(ToString::to_string);
    let reason = errors.collect::<Vec<_>>().join("; ");
    let known = before.get(&key).filter(|(known, _)| *known == reason);
    let since = known.map_or(now, |(_, since)| *since);
    reasons.insert(key, (reason, since));
}
