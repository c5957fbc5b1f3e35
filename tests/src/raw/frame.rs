//! Frames as octets (RFC 9113 4.1, 6): written whatever they say, read without judging.

/// Frame types (RFC 9113 6).
pub mod kind {
    /// DATA.
    pub const DATA: u8 = 0x0;
    /// HEADERS.
    pub const HEADERS: u8 = 0x1;
    /// PRIORITY.
    pub const PRIORITY: u8 = 0x2;
    /// RST_STREAM.
    pub const RST_STREAM: u8 = 0x3;
    /// SETTINGS.
    pub const SETTINGS: u8 = 0x4;
    /// PUSH_PROMISE.
    pub const PUSH_PROMISE: u8 = 0x5;
    /// PING.
    pub const PING: u8 = 0x6;
    /// GOAWAY.
    pub const GOAWAY: u8 = 0x7;
    /// WINDOW_UPDATE.
    pub const WINDOW_UPDATE: u8 = 0x8;
    /// CONTINUATION.
    pub const CONTINUATION: u8 = 0x9;
    /// A type that RFC 9113 does not know.
    pub const UNKNOWN: u8 = 0xbb;
}

/// Flags; what they mean depends on the type.
pub mod flag {
    /// DATA, HEADERS: nothing follows on the stream.
    pub const END_STREAM: u8 = 0x1;
    /// SETTINGS, PING: an acknowledgement.
    pub const ACK: u8 = 0x1;
    /// HEADERS, CONTINUATION: the field block ends here.
    pub const END_HEADERS: u8 = 0x4;
    /// DATA, HEADERS: padding.
    pub const PADDED: u8 = 0x8;
    /// HEADERS: five octets of priority.
    pub const PRIORITY: u8 = 0x20;
}

/// Settings (RFC 9113 6.5.2).
pub mod setting {
    /// SETTINGS_HEADER_TABLE_SIZE.
    pub const HEADER_TABLE_SIZE: u16 = 0x1;
    /// SETTINGS_ENABLE_PUSH.
    pub const ENABLE_PUSH: u16 = 0x2;
    /// SETTINGS_MAX_CONCURRENT_STREAMS.
    pub const MAX_CONCURRENT_STREAMS: u16 = 0x3;
    /// SETTINGS_INITIAL_WINDOW_SIZE.
    pub const INITIAL_WINDOW_SIZE: u16 = 0x4;
    /// SETTINGS_MAX_FRAME_SIZE.
    pub const MAX_FRAME_SIZE: u16 = 0x5;
    /// SETTINGS_MAX_HEADER_LIST_SIZE.
    pub const MAX_HEADER_LIST_SIZE: u16 = 0x6;
}

/// Octets before every payload.
const HEAD_BYTES: usize = 9;

/// One frame. The length on the wire is that of `payload`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Type.
    pub kind: u8,
    /// Flags.
    pub flags: u8,
    /// Stream, the reserved bit included.
    pub stream: u32,
    /// Everything behind the head.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Any frame.
    pub fn new(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Frame {
        Frame {
            kind,
            flags,
            stream,
            payload: payload.to_vec(),
        }
    }

    /// DATA without padding; `flags` such as [`flag::END_STREAM`].
    pub fn data(stream: u32, flags: u8, payload: &[u8]) -> Frame {
        Frame::new(kind::DATA, flags, stream, payload)
    }

    /// HEADERS of a whole block, END_HEADERS set; `flags` such as [`flag::END_STREAM`].
    pub fn headers(stream: u32, flags: u8, block: &[u8]) -> Frame {
        Frame::new(kind::HEADERS, flags | flag::END_HEADERS, stream, block)
    }

    /// CONTINUATION; `flags` such as [`flag::END_HEADERS`].
    pub fn continuation(stream: u32, flags: u8, block: &[u8]) -> Frame {
        Frame::new(kind::CONTINUATION, flags, stream, block)
    }

    /// PRIORITY of weight 16.
    pub fn priority(stream: u32, depends_on: u32) -> Frame {
        let mut payload = depends_on.to_be_bytes().to_vec();
        payload.push(15);
        Frame::new(kind::PRIORITY, 0, stream, &payload)
    }

    /// RST_STREAM.
    pub fn reset(stream: u32, code: u32) -> Frame {
        Frame::new(kind::RST_STREAM, 0, stream, &code.to_be_bytes())
    }

    /// SETTINGS.
    pub fn settings(settings: &[(u16, u32)]) -> Frame {
        let octets = |(id, value): &(u16, u32)| {
            let id = id.to_be_bytes().into_iter();
            id.chain(value.to_be_bytes()).collect::<Vec<u8>>()
        };
        let payload: Vec<u8> = settings.iter().flat_map(octets).collect();
        Frame::new(kind::SETTINGS, 0, 0, &payload)
    }

    /// SETTINGS acknowledgement.
    pub fn settings_ack() -> Frame {
        Frame::new(kind::SETTINGS, flag::ACK, 0, &[])
    }

    /// PING.
    pub fn ping(payload: [u8; 8]) -> Frame {
        Frame::new(kind::PING, 0, 0, &payload)
    }

    /// GOAWAY without debug data.
    pub fn goaway(last: u32, code: u32) -> Frame {
        let mut payload = last.to_be_bytes().to_vec();
        payload.extend_from_slice(&code.to_be_bytes());
        Frame::new(kind::GOAWAY, 0, 0, &payload)
    }

    /// WINDOW_UPDATE; stream 0 is the connection.
    pub fn window_update(stream: u32, increment: u32) -> Frame {
        Frame::new(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
    }

    /// The frame on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(HEAD_BYTES + self.payload.len());
        octets.extend_from_slice(&(self.payload.len() as u32).to_be_bytes()[1..]);
        octets.extend_from_slice(&[self.kind, self.flags]);
        octets.extend_from_slice(&self.stream.to_be_bytes());
        octets.extend_from_slice(&self.payload);
        octets
    }

    /// Takes the first frame off `octets`, if it is there whole.
    pub fn take(octets: &mut Vec<u8>) -> Option<Frame> {
        let [a, b, c, kind, flags, d, e, f, g, ..] = octets[..] else {
            return None;
        };
        let end = HEAD_BYTES + u32::from_be_bytes([0, a, b, c]) as usize;
        let payload = octets.get(HEAD_BYTES..end)?.to_vec();
        octets.drain(..end);
        let stream = u32::from_be_bytes([d, e, f, g]);
        Some(Frame {
            kind,
            flags,
            stream,
            payload,
        })
    }

    /// The error code, if this is RST_STREAM or GOAWAY.
    pub fn error_code(&self) -> Option<u32> {
        let octets = match self.kind {
            kind::RST_STREAM => self.payload.get(..4)?,
            kind::GOAWAY => self.payload.get(4..8)?,
            _ => return None,
        };
        octets.try_into().ok().map(u32::from_be_bytes)
    }

    /// Is this flag set?
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let frame = Frame::goaway(7, 11);
        let mut octets = frame.encode();
        let rest = [0, 0];
        octets.extend_from_slice(&rest);
        assert_eq!(Frame::take(&mut octets).as_ref(), Some(&frame));
        assert_eq!(
            (frame.error_code(), octets.as_slice()),
            (Some(11), &rest[..])
        );
    }

    #[test]
    fn a_frame_that_is_not_there_whole_is_left() {
        let mut octets = Frame::ping([1; 8]).encode();
        octets.pop();
        assert_eq!(Frame::take(&mut octets), None);
        assert_eq!(octets.len(), 16);
    }
}
