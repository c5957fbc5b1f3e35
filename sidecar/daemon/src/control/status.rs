//! The state of the control side, published for the admin pages.

use outrider_policy::Tick;
use serde::Serialize;

/// The configuration in force and what was refused.
#[derive(Clone, Debug, Default)]
pub struct ConfigurationStatus {
    /// Content hash of the configuration in force.
    pub version: String,
    /// When it came into force.
    pub accepted_at: Tick,
    /// Resources in force, as `type/name`.
    pub accepted: Vec<String>,
    /// Why the folder's present contents were refused as a whole, or which resources of a control
    /// plane and why; empty when none were.
    pub refused: Vec<String>,
    /// Host names of endpoints.
    pub names: Vec<NameStatus>,
}

/// A host name of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NameStatus {
    /// The name.
    pub host: String,
    /// The addresses in use.
    pub addresses: Vec<String>,
    /// Why the last lookup gave none.
    pub problem: Option<String>,
}

impl NameStatus {
    /// A line for people; `None` for a name that resolves.
    pub fn trouble(&self) -> Option<String> {
        let (host, problem) = (&self.host, self.problem.as_ref()?);
        Some(match self.addresses.is_empty() {
            true => format!("{host} does not resolve: {problem}"),
            false => format!("{host} does not resolve, its last addresses stay: {problem}"),
        })
    }
}

/// The identity in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityStatus {
    /// The SPIFFE id.
    pub id: String,
    /// When it expires. Seconds since 1970-01-01 UTC.
    pub expires_unix: i64,
    /// Until when this sidecar is ready with it. Seconds since 1970-01-01 UTC.
    pub ready_until_unix: i64,
    /// Why the last change was refused: files that do not fit, a renewal that failed. `None` when
    /// it was not.
    pub refused: Option<String>,
}

/// The phase of the process's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Serving.
    Serving,
    /// Finishing what is open.
    Draining,
}
