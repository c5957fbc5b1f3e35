//! How many connections there are, by kind, for metrics.

use std::net::IpAddr;

/// Addresses in [`ConnectionCounts::busiest`]. 8.
pub const BUSIEST_MAX: usize = 8;

/// Connections refused or closed because there were too many, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefusedConnections {
    /// During the handshake.
    pub handshakes: u64,
    /// Without a certificate.
    pub anonymous: u64,
    /// With a certificate: too many of one member or operator, or no descriptors left.
    pub known: u64,
}

/// Open connections, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// Handshakes under way.
    pub handshakes: usize,
    /// Without a certificate.
    pub anonymous: usize,
    /// With a certificate.
    pub known: usize,
    /// The addresses with the most connections, and how many.
    pub busiest: Vec<(IpAddr, usize)>,
    /// Connections that were refused or closed.
    pub refused: RefusedConnections,
}
