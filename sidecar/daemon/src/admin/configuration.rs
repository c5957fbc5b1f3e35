//! The `/config` page: what is in force, since when, and what was refused and why.

use outrider_policy::Tick;
use serde::Serialize;

use crate::control::status::{ConfigurationStatus, IdentityStatus, NameStatus};

#[derive(Debug, Serialize)]
pub struct Page<'a> {
    version: &'a str,
    age_seconds: f64,
    accepted: &'a [String],
    /// Why the documents now in the folder are not in force.
    refused_change: &'a [String],
    names: &'a [NameStatus],
    identity: Option<Identity<'a>>,
}

#[derive(Debug, Serialize)]
struct Identity<'a> {
    id: &'a str,
    expires_unix: i64,
    refused_change: Option<&'a str>,
}

/// The page as of `now`.
pub fn page<'a>(
    now: Tick,
    status: &'a ConfigurationStatus,
    identity: Option<&'a IdentityStatus>,
) -> Page<'a> {
    Page {
        version: &status.version,
        age_seconds: now.since(status.accepted_at).as_secs_f64(),
        accepted: &status.accepted,
        refused_change: &status.refused,
        names: &status.names,
        identity: identity.map(|identity| Identity {
            id: &identity.id,
            expires_unix: identity.expires_unix,
            refused_change: identity.refused.as_deref(),
        }),
    }
}
