//! The ids that many files name: connections, calls, listeners, and the scope of an event.

/// Names one connection, downstream or upstream, for as long as the process lives.
///
/// The serial makes a late event for a connection that is gone harmless: it finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    pub(crate) slot: u32,
    pub(crate) serial: u32,
}

impl ConnectionId {
    /// Names no connection.
    pub(crate) const NONE: ConnectionId = ConnectionId {
        slot: u32::MAX,
        serial: 0,
    };
}

/// The listener a downstream connection came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// From the local application towards the mesh: plaintext HTTP/2 on loopback.
    Outbound,
    /// From another sidecar towards the local application: mutual TLS.
    Inbound,
}

impl Side {
    /// The word used in metrics, logs and refusals.
    pub fn name(self) -> &'static str {
        match self {
            Side::Outbound => "outbound",
            Side::Inbound => "inbound",
        }
    }
}

/// Names a live call on its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CallId(pub(crate) u32);

/// The call or connection whose event is being handled: what a panic would damage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Neither a call nor a connection.
    #[default]
    None,
    /// A call that is not in the slab: its holder answers and records it.
    UnkeptCall,
    /// A call of the slab.
    Call(CallId),
    /// A connection.
    Connection(ConnectionId),
}
