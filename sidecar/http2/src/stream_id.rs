//! The number of a stream (RFC 9113 5.1.1).

/// Number of a stream: 1..=2^31-1, odd when the client opened it, never used twice on a
/// connection. 0 means the connection itself and is never given to the owner, save as
/// the `last` of a GOAWAY that accepts nothing.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub struct StreamId(u32);

impl StreamId {
    /// The connection itself, on the wire.
    pub(crate) const CONNECTION: StreamId = StreamId(0);
    /// The largest number there is; the `last` of a GOAWAY notice.
    pub(crate) const MAX: StreamId = StreamId(0x7fff_ffff);

    /// The low 31 bits of `bits`: the reserved bit is ignored on receipt (RFC 9113 4.1).
    pub(crate) const fn new(bits: u32) -> StreamId {
        StreamId(bits & 0x7fff_ffff)
    }

    /// The number as on the wire.
    pub const fn value(self) -> u32 {
        self.0
    }

    pub(crate) const fn is_connection(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn is_clients(self) -> bool {
        self.0 % 2 == 1
    }

    /// The next number of the same side, or `None` when they are used up.
    pub(crate) fn next(self) -> Option<StreamId> {
        (self.0 <= Self::MAX.0 - 2).then(|| StreamId(self.0 + 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignores_the_reserved_bit() {
        assert_eq!(StreamId::new(0x8000_0005).value(), 5);
    }

    #[test]
    fn numbers_run_out_at_the_largest() {
        assert_eq!(StreamId::new(1).next(), Some(StreamId::new(3)));
        assert_eq!(StreamId::MAX.next(), None);
    }
}
