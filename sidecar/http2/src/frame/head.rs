//! The nine octets in front of every frame (RFC 9113 4.1).

use crate::StreamId;

pub(crate) const HEAD_LEN: usize = 9;

/// Flags, by the frames they are defined for.
pub(crate) mod flag {
    /// SETTINGS, PING.
    pub(crate) const ACK: u8 = 0x1;
    /// DATA, HEADERS.
    pub(crate) const END_STREAM: u8 = 0x1;
    /// HEADERS, CONTINUATION.
    pub(crate) const END_HEADERS: u8 = 0x4;
    /// DATA, HEADERS.
    pub(crate) const PADDED: u8 = 0x8;
    /// HEADERS.
    pub(crate) const PRIORITY: u8 = 0x20;
}

/// Frame types (RFC 9113 6).
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Data,
    Headers,
    Priority,
    RstStream,
    Settings,
    PushPromise,
    Ping,
    Goaway,
    WindowUpdate,
    Continuation,
    /// To be ignored (RFC 9113 5.5).
    Unknown,
}

impl Kind {
    fn from_u8(kind: u8) -> Kind {
        match kind {
            0 => Kind::Data,
            1 => Kind::Headers,
            2 => Kind::Priority,
            3 => Kind::RstStream,
            4 => Kind::Settings,
            5 => Kind::PushPromise,
            6 => Kind::Ping,
            7 => Kind::Goaway,
            8 => Kind::WindowUpdate,
            9 => Kind::Continuation,
            _ => Kind::Unknown,
        }
    }
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct FrameHead {
    /// Octets of payload behind the head.
    pub(crate) length: u32,
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
    pub(crate) stream: StreamId,
}

impl FrameHead {
    pub(crate) fn parse(octets: [u8; HEAD_LEN]) -> FrameHead {
        let [a, b, c, kind, flags, stream @ ..] = octets;
        FrameHead {
            length: u32::from_be_bytes([0, a, b, c]),
            kind: Kind::from_u8(kind),
            flags,
            stream: StreamId::new(u32::from_be_bytes(stream)),
        }
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_part() {
        let head = FrameHead::parse([1, 2, 3, 9, 0x4, 0x80, 0, 1, 1]);
        assert_eq!(
            (head.length, head.kind, head.stream.value()),
            (0x01_0203, Kind::Continuation, 257)
        );
        assert!(head.has(flag::END_HEADERS) && !head.has(flag::PADDED));
    }
}
