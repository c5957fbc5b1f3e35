//! Instances as they announce themselves, and the changes of the registry that follow.

use std::net::SocketAddr;

use crate::members::MemberId;

/// A service, as the certificates of its sidecars name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceName {
    /// Name of the service.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
}

impl std::fmt::Display for ServiceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.service)
    }
}

/// What an instance announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Whose instance it is.
    pub name: ServiceName,
    /// Which member announced it; only this member may end it.
    pub member: MemberId,
    /// Distinguishes two runs at one address.
    pub instance: String,
    /// Where it is reached.
    pub address: SocketAddr,
}

/// An instance that has a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// What it announced.
    pub announced: Announced,
    /// When it joined. Milliseconds since 1970-01-01 UTC.
    pub joined_unix_ms: i64,
}

/// Why an instance stopped being an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// It is stopping.
    Withdrawn,
    /// Its application takes no calls; the reason may be empty.
    NotServing(String),
    /// It announced another address.
    Moved,
    /// Its stream broke, and its address refuses connections.
    Dead,
    /// It sent no announcement for longer than a lease.
    Expired,
    /// Another member took over its address.
    Succeeded,
}

impl LeaveReason {
    /// What happened to the instance, to follow its address in a sentence.
    pub fn describe(&self) -> String {
        let text = match self {
            LeaveReason::Withdrawn => "has withdrawn, because its sidecar stops",
            LeaveReason::NotServing(because) if because.is_empty() => "takes no calls",
            LeaveReason::NotServing(because) => return format!("takes no calls: {because}"),
            LeaveReason::Moved => "has announced itself at another address",
            LeaveReason::Dead => {
                "has died: its connection broke and no process listens at its address"
            }
            LeaveReason::Expired => "was not heard of for longer than its lease of 5 s",
            LeaveReason::Succeeded => {
                "was not heard of any more, and another member is at its address"
            }
        };
        text.to_owned()
    }
}

/// What an event changed; each is written to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The service is new; with its rank.
    Known(ServiceName, i64),
    /// The service had no announcement for a long time.
    Forgotten(ServiceName),
    /// The instance is an endpoint.
    Joined(Registration),
    /// The instance is no longer an endpoint.
    Left(Announced, LeaveReason),
}
