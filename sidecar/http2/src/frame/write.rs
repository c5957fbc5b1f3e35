//! Appends frames to an output buffer.

use super::{HEAD_LEN, PAYLOAD_MAX, flag};
use crate::{ErrorCode, StreamId};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

fn head(length: usize, kind: u8, flags: u8, stream: StreamId) -> [u8; HEAD_LEN] {
    debug_assert!(length <= PAYLOAD_MAX);
    let [_, a, b, c] = (length as u32).to_be_bytes();
    let [s, t, u, v] = stream.value().to_be_bytes();
    [a, b, c, kind, flags, s, t, u, v]
}

/// `payload` is at most [`PAYLOAD_MAX`] octets.
pub(crate) fn data(out: &mut Vec<u8>, stream: StreamId, payload: &[u8], end: bool) {
    out.reserve(HEAD_LEN + payload.len());
    out.extend_from_slice(&head(payload.len(), DATA, end_flag(end), stream));
    out.extend_from_slice(payload);
}

/// Makes the DATA frame that `out` ends with, of `len` octets of payload, longer by `payload`. Both
/// together are at most [`PAYLOAD_MAX`] octets.
pub(crate) fn extend_data(
    out: &mut Vec<u8>,
    stream: StreamId,
    len: usize,
    payload: &[u8],
    end: bool,
) {
    let start = out.len() - HEAD_LEN - len;
    out.extend_from_slice(payload);
    let longer = head(len + payload.len(), DATA, end_flag(end), stream);
    out[start..start + HEAD_LEN].copy_from_slice(&longer);
}

/// HEADERS with the block that `encode` appends; split into CONTINUATION where it is too long
/// for one frame.
pub(crate) fn headers(
    out: &mut Vec<u8>,
    stream: StreamId,
    end: bool,
    encode: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD_LEN]);
    encode(out);
    let block_start = start + HEAD_LEN;
    let block_len = out.len() - block_start;
    if block_len > PAYLOAD_MAX {
        return split_headers(out, stream, end, block_start);
    }
    let whole = head(
        block_len,
        HEADERS,
        end_flag(end) | flag::END_HEADERS,
        stream,
    );
    out[start..block_start].copy_from_slice(&whole);
}

fn split_headers(out: &mut Vec<u8>, stream: StreamId, end: bool, block_start: usize) {
    let block = out.split_off(block_start);
    out.truncate(block_start - HEAD_LEN);
    let last = block.len().div_ceil(PAYLOAD_MAX) - 1;
    for (at, fragment) in block.chunks(PAYLOAD_MAX).enumerate() {
        let (kind, end_stream) = if at == 0 {
            (HEADERS, end_flag(end))
        } else {
            (CONTINUATION, 0)
        };
        let end_headers = if at == last { flag::END_HEADERS } else { 0 };
        out.extend_from_slice(&head(
            fragment.len(),
            kind,
            end_stream | end_headers,
            stream,
        ));
        out.extend_from_slice(fragment);
    }
}

pub(crate) fn rst_stream(out: &mut Vec<u8>, stream: StreamId, code: ErrorCode) {
    out.extend_from_slice(&head(4, RST_STREAM, 0, stream));
    out.extend_from_slice(&code.as_u32().to_be_bytes());
}

pub(crate) fn settings(out: &mut Vec<u8>, settings: &[(u16, u32)]) {
    out.extend_from_slice(&head(settings.len() * 6, SETTINGS, 0, StreamId::CONNECTION));
    for (identifier, value) in settings {
        out.extend_from_slice(&identifier.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

pub(crate) fn settings_ack(out: &mut Vec<u8>) {
    out.extend_from_slice(&head(0, SETTINGS, flag::ACK, StreamId::CONNECTION));
}

pub(crate) fn ping(out: &mut Vec<u8>, payload: [u8; 8], flags: u8) {
    out.extend_from_slice(&head(8, PING, flags, StreamId::CONNECTION));
    out.extend_from_slice(&payload);
}

/// `reason` is for people who read captures.
pub(crate) fn goaway(out: &mut Vec<u8>, last: StreamId, code: ErrorCode, reason: &str) {
    out.extend_from_slice(&head(8 + reason.len(), GOAWAY, 0, StreamId::CONNECTION));
    out.extend_from_slice(&last.value().to_be_bytes());
    out.extend_from_slice(&code.as_u32().to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

pub(crate) fn window_update(out: &mut Vec<u8>, stream: StreamId, increment: u32) {
    out.extend_from_slice(&head(4, WINDOW_UPDATE, 0, stream));
    out.extend_from_slice(&increment.to_be_bytes());
}

fn end_flag(end: bool) -> u8 {
    if end { flag::END_STREAM } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::super::{FrameHead, Kind, Piece, Reader};
    use super::*;

    fn frames(mut input: &[u8]) -> Vec<(FrameHead, Vec<u8>)> {
        let mut reader = Reader::of_server();
        let next = || reader.next(&mut input).unwrap();
        std::iter::from_fn(next)
            .map(|piece| match piece {
                Piece::Frame(head, payload) => (head, payload.into_owned()),
                Piece::Preface
                | Piece::Foreign(_)
                | Piece::Data { .. }
                | Piece::DataBytes { .. } => panic!("other frames only"),
            })
            .collect()
    }

    #[test]
    fn a_long_block_continues_and_ends_once() {
        let block: Vec<u8> = (0..2 * PAYLOAD_MAX + 1).map(|at| at as u8).collect();
        let mut out = vec![];
        settings_ack(&mut out);
        headers(&mut out, StreamId::new(3), true, |out| {
            out.extend_from_slice(&block)
        });
        let frames = frames(&out);
        let seen: Vec<_> = frames[1..]
            .iter()
            .map(|(head, _)| (head.kind, head.flags, head.length))
            .collect();
        let end = flag::END_STREAM;
        let full = PAYLOAD_MAX as u32;
        assert_eq!(
            seen,
            [
                (Kind::Headers, end, full),
                (Kind::Continuation, 0, full),
                (Kind::Continuation, flag::END_HEADERS, 1)
            ]
        );
        assert_eq!(
            frames[1..]
                .iter()
                .flat_map(|(_, payload)| payload)
                .copied()
                .collect::<Vec<_>>(),
            block
        );
    }

    #[test]
    fn a_block_of_just_one_frame_is_not_split() {
        let mut out = vec![];
        headers(&mut out, StreamId::new(1), false, |out| {
            out.resize(HEAD_LEN + PAYLOAD_MAX, 0)
        });
        assert_eq!(frames(&out)[0].0.flags, flag::END_HEADERS);
    }
}
