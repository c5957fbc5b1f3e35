//! The `/config` page: what is in force, since when, and what was refused and why.

use std::net::SocketAddr;

use outrider_policy::Tick;
use serde::Serialize;

use crate::clock;
use crate::control::status::{ConfigurationStatus, IdentityStatus, NameStatus};
use crate::member::MemberStatus;

#[derive(Debug, Serialize)]
pub struct Page<'a> {
    version: &'a str,
    age_seconds: f64,
    accepted: &'a [String],
    /// Why the documents now in the folder, or resources of the control plane, are not in force.
    refused_change: &'a [String],
    names: &'a [NameStatus],
    identity: Option<Identity<'a>>,
    /// `null` beside documents.
    control_plane: Option<ControlPlane<'a>>,
}

#[derive(Debug, Serialize)]
struct ControlPlane<'a> {
    url: &'a str,
    connected: bool,
    problem: Option<&'a str>,
    last_answer_age_seconds: Option<f64>,
    last_answer_version: &'a str,
    /// How long ago the configuration that this process began with was saved.
    last_good_age_seconds: Option<i64>,
    advertised: Option<SocketAddr>,
    not_announced: Option<&'a str>,
    application_serving: bool,
    application_problem: Option<&'a str>,
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
    member: Option<&'a MemberStatus>,
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
        control_plane: member.map(|member| control_plane(now, member)),
    }
}

fn control_plane(now: Tick, member: &MemberStatus) -> ControlPlane<'_> {
    let age = |at: Tick| now.since(at).as_secs_f64();
    let since = |saved| clock::unix_seconds().saturating_sub(saved);
    ControlPlane {
        url: &member.control_plane,
        connected: member.connected,
        problem: member.problem.as_deref(),
        last_answer_age_seconds: member.answered_at.map(age),
        last_answer_version: &member.answered_version,
        last_good_age_seconds: member.restored_unix.map(since),
        advertised: member.advertised,
        not_announced: member.not_announced.as_deref(),
        application_serving: member.application_serving,
        application_problem: member.application_problem.as_deref(),
    }
}
