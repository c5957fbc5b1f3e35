//! Which member of the mesh a certificate belongs to.
//!
//! An id is made at random when a sidecar joins, and stands in the serial number of its first
//! certificate and of all that follow it by renewal. So instances of one service are told apart by
//! what only the authority can write, and Envoy and gRPC need to know nothing of it.
//! Reference: RFC 5280 4.1.2.2 (serial numbers).

use std::fmt;

use outrider_proto::token::hex;

/// A member: the holder of the certificates that began with one join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId([u8; Self::BYTES]);

impl MemberId {
    /// Length. Bytes; 8, of which 62 bits are random.
    pub const BYTES: usize = 8;

    /// Whose leases were written down before members had ids.
    pub const UNKNOWN: MemberId = MemberId([0; Self::BYTES]);

    /// The member that `random` octets make. The serial number that begins with them is positive
    /// and no shorter than it looks.
    pub fn new(mut random: [u8; Self::BYTES]) -> MemberId {
        random[0] = random[0] & 0x3f | 0x40;
        MemberId(random)
    }

    /// As it was kept.
    pub fn from_octets(octets: [u8; Self::BYTES]) -> MemberId {
        MemberId(octets)
    }

    /// The member whose certificate has this serial number. One that is not the authority's work,
    /// and too short, is filled up with zeros.
    pub fn of_serial(serial: &[u8]) -> MemberId {
        let mut octets = [0; Self::BYTES];
        for (octet, given) in octets.iter_mut().zip(serial) {
            *octet = *given;
        }
        MemberId(octets)
    }

    /// What serial numbers of its certificates begin with.
    pub fn octets(self) -> [u8; Self::BYTES] {
        self.0
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_what_its_serial_numbers_begin_with() {
        let member = MemberId::new([0xff; 8]);
        let mut serial = member.octets().to_vec();
        serial.extend([7; 8]);
        assert_eq!(MemberId::of_serial(&serial), member);
        assert_eq!(member.to_string(), "7fffffffffffffff");
        assert_eq!(MemberId::of_serial(&[1]).to_string(), "0100000000000000");
    }
}
