//! Who is connected, in numbers, for metrics.

use std::net::IpAddr;

/// Addresses that a [`Census`] names. 8.
pub const BUSIEST_MAX: usize = 8;

/// Connections that had to go, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TurnedAway {
    /// In their handshake, for others.
    pub handshakes: u64,
    /// Without a certificate, for others.
    pub anonymous: u64,
    /// One too many of a member or of the operator, or without a descriptor.
    pub known: u64,
}

/// Who is inside, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Handshakes under way.
    pub handshakes: usize,
    /// Without a certificate.
    pub anonymous: usize,
    /// With one.
    pub known: usize,
    /// The addresses with the most connections, and how many.
    pub busiest: Vec<(IpAddr, usize)>,
    /// Who had to go.
    pub turned_away: TurnedAway,
}
