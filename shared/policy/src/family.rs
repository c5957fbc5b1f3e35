//! Families of addresses, and which is tried first.

use std::net::{IpAddr, SocketAddr};

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Four octets; A records.
    Ipv4,
    /// Sixteen octets; AAAA records.
    Ipv6,
}

impl Family {
    /// The family of an address with a port.
    pub fn of(address: &SocketAddr) -> Family {
        match address {
            SocketAddr::V4(_) => Family::Ipv4,
            SocketAddr::V6(_) => Family::Ipv6,
        }
    }

    /// The family of an address.
    pub fn of_ip(address: &IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        }
    }

    /// The one that this is not.
    #[must_use]
    pub fn other(self) -> Family {
        match self {
            Family::Ipv4 => Family::Ipv6,
            Family::Ipv6 => Family::Ipv4,
        }
    }
}
