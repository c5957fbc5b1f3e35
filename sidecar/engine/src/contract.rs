//! What goes into the engine and what comes out: the words shared with the loop that owns the sockets.
//!
//! A loop feeds events (`Engine::received` and its siblings), then drains [`Action`]s once per turn.
//! Nothing here knows how a byte travels or what time it is.

use std::net::SocketAddr;

use outrider_http2::Foreign;

use crate::ids::{ConnectionId, Side};
use crate::record::CallRecord;

/// How a socket ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCause {
    /// The peer closed in an orderly way (end of file).
    Eof,
    /// The peer or the network reset the connection.
    Reset,
    /// Any other socket error.
    Error,
}

/// Why a connection to an endpoint could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// The peer refused (nothing listens there).
    Refused,
    /// No route, or the network or host is unreachable.
    Unreachable,
    /// No answer within the cluster's connect timeout.
    TimedOut,
    /// The socket could not be made here (file descriptors, memory, ports): the endpoint is not
    /// to blame.
    NoSocket,
}

impl ConnectFailure {
    /// A few words for people.
    pub fn words(self) -> &'static str {
        match self {
            ConnectFailure::Refused => "connection refused",
            ConnectFailure::Unreachable => "host unreachable",
            ConnectFailure::TimedOut => "connect timed out",
            ConnectFailure::NoSocket => {
                "this sidecar has no file descriptor, port or memory left for a connection"
            }
        }
    }
}

/// What the loop must do next.
#[derive(Debug)]
pub enum Action {
    /// Start a TCP connection; answer with `connected` or `connect_failed`.
    Connect {
        /// The connection's name from now on.
        id: ConnectionId,
        /// Where to.
        address: SocketAddr,
    },
    /// Bytes are ready in `Engine::output(id)`; write what the socket takes and tell `written`.
    Write(ConnectionId),
    /// Close the socket; the engine has forgotten the connection already.
    Close(ConnectionId),
    /// Stop or resume reading this connection (back-pressure).
    Read {
        /// Which connection.
        id: ConnectionId,
        /// `false`: leave bytes in the socket until `true` comes.
        on: bool,
    },
    /// A call waits for a service of this name: `orders`, or `grpc/shop.v1.Orders` for a service
    /// that lists this gRPC service. Said once; from then on every configuration is expected to
    /// have it or to call it absent. At most 1,024 names without a route are wanted at any time.
    Want(String),
    /// A call has ended; its one record.
    Record(Box<CallRecord>),
    /// A peer spoke another protocol than its listener, and its connection is closed; worth a line in the
    /// log, but not one each time.
    Foreign {
        /// The listener.
        side: Side,
        /// Where it came from.
        peer: Option<SocketAddr>,
        /// What it spoke.
        foreign: Foreign,
    },
    /// A panic was contained; said once for each thing it ended, and worth a line in the log.
    Contained(Contained),
}

/// What a contained panic ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contained {
    /// A call, with INTERNAL.
    Call,
    /// A connection, with its calls.
    Connection,
    /// Nothing that anybody has: the event that panicked was no call's and no connection's.
    Nothing,
}

impl Contained {
    /// All of them, in the order of [`Counters::contained_panics`](crate::Counters).
    pub const ALL: [Contained; 3] = [Contained::Call, Contained::Connection, Contained::Nothing];

    /// The word used in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Contained::Call => "call",
            Contained::Connection => "connection",
            Contained::Nothing => "nothing",
        }
    }
}
