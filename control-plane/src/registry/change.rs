//! Instances as they announce themselves, and what becomes of them: the words of the registry.

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

/// What an instance says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Whose instance it is.
    pub name: ServiceName,
    /// Which member of the mesh says so: what it announces, only it may end.
    pub member: MemberId,
    /// Tells two runs at one address apart.
    pub instance: String,
    /// Where it is reached.
    pub address: SocketAddr,
}

/// An instance that has a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// What it said.
    pub announced: Announced,
    /// When it joined. Milliseconds since 1970-01-01 UTC.
    pub joined_unix_ms: i64,
}

/// Why an instance is no endpoint any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// It said that it stops.
    Withdrawn,
    /// It said that its application takes no calls, and perhaps why.
    NotServing(String),
    /// It announced another address.
    Moved,
    /// Its stream broke, and nobody listens where it was.
    Dead,
    /// It fell silent.
    Expired,
    /// Another member is at its address, and it is not heard there any more.
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
            LeaveReason::Dead => "has died: its connection broke and nobody listens at its address",
            LeaveReason::Expired => "was not heard of for longer than its lease of 5 s",
            LeaveReason::Succeeded => {
                "was not heard of any more, and another member is at its address"
            }
        };
        text.to_owned()
    }
}

/// What an event changed, and what has to be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The service is known from now on.
    Known(ServiceName, i64),
    /// Nobody announced it for long.
    Forgotten(ServiceName),
    /// The instance is an endpoint.
    Joined(Registration),
    /// The instance is none any more.
    Left(Announced, LeaveReason),
}
