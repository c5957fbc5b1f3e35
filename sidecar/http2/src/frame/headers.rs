//! The payload of HEADERS (RFC 9113 6.2): a field block fragment between optional parts.

use super::{FrameHead, flag, number};
use crate::{ConnectionError, StreamId};

pub(crate) struct HeadersPayload<'a> {
    pub(crate) fragment: &'a [u8],
    /// The deprecated priority names the stream itself as its parent (RFC 7540 5.3.1).
    pub(crate) depends_on_itself: bool,
}

impl<'a> HeadersPayload<'a> {
    /// # Errors
    /// FRAME_SIZE_ERROR when a part is missing, PROTOCOL_ERROR when padding is longer than
    /// what it could pad.
    pub(crate) fn parse(
        head: &FrameHead,
        payload: &'a [u8],
    ) -> Result<HeadersPayload<'a>, ConnectionError> {
        let (padding, mut rest) = match payload.split_first() {
            Some((&padding, rest)) if head.has(flag::PADDED) => (usize::from(padding), rest),
            None if head.has(flag::PADDED) => {
                return Err(ConnectionError::frame_size(
                    "HEADERS without its pad length",
                ));
            }
            Some(_) | None => (0, payload),
        };
        let mut depends_on_itself = false;
        if head.has(flag::PRIORITY) {
            let cut = ConnectionError::frame_size("HEADERS too short for its priority");
            let (priority, behind) = rest.split_at_checked(5).ok_or(cut)?;
            depends_on_itself = StreamId::new(number(priority)) == head.stream;
            rest = behind;
        }
        let long = ConnectionError::protocol("padding longer than the frame");
        let fragment_len = rest.len().checked_sub(padding).ok_or(long)?;
        Ok(HeadersPayload {
            fragment: &rest[..fragment_len],
            depends_on_itself,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;
    use crate::ErrorCode;

    fn parse(flags: u8, payload: &[u8]) -> Result<(&[u8], bool), ErrorCode> {
        let head = FrameHead {
            length: payload.len() as u32,
            kind: Kind::Headers,
            flags,
            stream: StreamId::new(1),
        };
        let parsed = HeadersPayload::parse(&head, payload).map_err(|error| error.code)?;
        Ok((parsed.fragment, parsed.depends_on_itself))
    }

    #[test]
    fn cuts_the_fragment_out() {
        let both = flag::PADDED | flag::PRIORITY;
        assert_eq!(parse(0, b"ab"), Ok((&b"ab"[..], false)));
        assert_eq!(parse(flag::PADDED, b"\x01ab\0"), Ok((&b"ab"[..], false)));
        assert_eq!(
            parse(both, b"\x01\0\0\0\x03\x10ab\0"),
            Ok((&b"ab"[..], false))
        );
        assert_eq!(parse(both, b"\0\x80\0\0\x01\x10"), Ok((&b""[..], true)));
        assert_eq!(parse(flag::PADDED, b""), Err(ErrorCode::FrameSizeError));
        assert_eq!(
            parse(flag::PRIORITY, b"\0\0\0\x03"),
            Err(ErrorCode::FrameSizeError)
        );
        assert_eq!(
            parse(flag::PADDED, b"\x03ab"),
            Err(ErrorCode::ProtocolError)
        );
    }
}
