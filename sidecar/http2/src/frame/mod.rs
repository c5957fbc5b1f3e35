//! Frames on the wire (RFC 9113 4, 6): how they are cut out of a byte stream and written.
//!
//! Knows sizes and layouts; not what a frame means to a stream.

mod head;
mod headers;
mod reader;
mod settings;
pub(crate) mod write;

pub(crate) use head::{FrameHead, HEAD_LEN, Kind, flag};
pub(crate) use headers::HeadersPayload;
pub(crate) use reader::{Piece, Reader};
pub(crate) use settings::{PeerSettings, setting};

/// Largest payload we take and send. The protocol's default, which every peer must take
/// (RFC 9113 4.2); larger frames would let one stream hold a connection longer.
pub(crate) const PAYLOAD_MAX: usize = 16_384;

/// A DATA frame with fewer octets is small.
pub(crate) const SMALL_BYTES: usize = 256;

/// Whether `more` octets may go in a DATA frame that has `len`, and whose given frame may have ended.
/// DATA frames keep the limits that their sender gave them: HTTP/2 does not ask for that, but Dubbo 3
/// loses a message that begins in the frame in which another one ends. Small frames are put together,
/// because the h2 crate ends a connection with too many small ones (`too_many_data_frames`).
pub(crate) fn may_join(len: usize, has_ended: bool, more: usize) -> bool {
    !has_ended || (len < SMALL_BYTES && more < SMALL_BYTES)
}

/// What a client says first (RFC 9113 3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first four octets of `bytes` as a number; missing ones count as zeros.
pub(crate) fn number(bytes: &[u8]) -> u32 {
    bytes
        .first_chunk()
        .map_or(0, |&octets| u32::from_be_bytes(octets))
}
