//! Cuts a byte stream into frames, however it is chunked.
//!
//! DATA is passed on as it comes and never buffered. Other frames are handed out whole: in
//! place when they lie in the input in one piece, else buffered here (at most 16 KiB).

use std::borrow::Cow;

use super::{FrameHead, HEAD_LEN, Kind, PAYLOAD_MAX, PREFACE, flag};
use crate::{ConnectionError, FirstOctets, Foreign};

/// The next thing the peer said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'b> {
    /// The client's preface is whole: frames follow.
    Preface,
    /// The peer does not begin as a client of HTTP/2. What it says from here on is not for us.
    Foreign(Foreign),
    /// A whole frame that is not DATA. The payload of unknown types is left out.
    Frame(FrameHead, Cow<'b, [u8]>),
    /// A DATA frame begins; `data_len` octets follow as `DataBytes` (none if 0).
    Data { head: FrameHead, data_len: u32 },
    /// Octets of the DATA frame that began; `is_last` with the frame's last octet of data.
    DataBytes { bytes: &'b [u8], is_last: bool },
}

#[derive(Debug)]
pub(crate) struct Reader {
    state: State,
}

#[derive(Debug)]
enum State {
    /// So many octets of the client's preface have come.
    Preface(usize),
    /// It is no preface; what it is is not clear yet.
    Foreign(FirstOctets),
    /// So many octets of a frame head have come.
    Head([u8; HEAD_LEN], usize),
    /// A frame that is being buffered.
    Payload(FrameHead, Vec<u8>),
    /// A padded DATA frame whose first octet is to come.
    PadLength(FrameHead),
    Data {
        left: u32,
        padding: u32,
    },
    Skip(u32),
}

const NEXT_HEAD: State = State::Head([0; HEAD_LEN], 0);

impl Reader {
    /// Expects a client's preface first.
    pub(crate) fn of_client() -> Reader {
        Reader {
            state: State::Preface(0),
        }
    }

    /// Expects frames at once.
    pub(crate) fn of_server() -> Reader {
        Reader { state: NEXT_HEAD }
    }

    /// Inside a frame that is returned whole: not DATA, whose octets pass as they come.
    pub(crate) fn is_inside_frame(&self) -> bool {
        match &self.state {
            State::Head(_, have) => *have > 0,
            State::Payload(..) | State::PadLength(_) => true,
            State::Preface(_) | State::Foreign(_) | State::Data { .. } | State::Skip(_) => false,
        }
    }

    /// Takes input until a piece is whole. `None`: the input is used up.
    ///
    /// # Errors
    /// A frame is larger than [`PAYLOAD_MAX`], or DATA is all padding and
    /// more.
    pub(crate) fn next<'b>(
        &mut self,
        input: &mut &'b [u8],
    ) -> Result<Option<Piece<'b>>, ConnectionError> {
        loop {
            let piece = match &mut self.state {
                State::Preface(matched) => match match_preface(matched, input) {
                    Preface::Partial => return Ok(None),
                    Preface::Whole => {
                        self.state = NEXT_HEAD;
                        Some(Piece::Preface)
                    }
                    Preface::Wrong => {
                        let mut first = FirstOctets::default();
                        first.take(&PREFACE[..*matched]);
                        self.state = State::Foreign(first);
                        None
                    }
                },
                State::Foreign(first) => {
                    let octets = take(input, usize::MAX);
                    return Ok(first.take(octets).map(Piece::Foreign));
                }
                State::Head(octets, have) => {
                    let Some(head) = take_head(octets, have, input) else {
                        return Ok(None);
                    };
                    self.begin(head, input)?
                }
                State::Payload(head, buffered) => {
                    let Some(piece) = buffer_frame(*head, buffered, input) else {
                        return Ok(None);
                    };
                    self.state = NEXT_HEAD;
                    Some(piece)
                }
                State::PadLength(head) => {
                    let Some((&padding, rest)) = input.split_first() else {
                        return Ok(None);
                    };
                    *input = rest;
                    let head = *head;
                    Some(self.begin_padded(head, padding)?)
                }
                State::Data { .. } | State::Skip(_) if input.is_empty() => return Ok(None),
                State::Data { left, padding } => {
                    let bytes = take(input, *left as usize);
                    *left -= bytes.len() as u32;
                    let is_last = *left == 0;
                    if is_last {
                        self.state = skip(*padding);
                    }
                    Some(Piece::DataBytes { bytes, is_last })
                }
                State::Skip(left) => {
                    *left -= take(input, *left as usize).len() as u32;
                    if *left == 0 {
                        self.state = NEXT_HEAD;
                    }
                    None
                }
            };
            if piece.is_some() {
                return Ok(piece);
            }
        }
    }

    fn begin_padded<'b>(
        &mut self,
        head: FrameHead,
        padding: u8,
    ) -> Result<Piece<'b>, ConnectionError> {
        let padding = u32::from(padding);
        let data_len = (head.length - 1).checked_sub(padding);
        let data_len =
            data_len.ok_or(ConnectionError::protocol("padding longer than the frame"))?;
        Ok(self.begin_data(head, data_len, padding))
    }

    fn begin<'b>(
        &mut self,
        head: FrameHead,
        input: &mut &'b [u8],
    ) -> Result<Option<Piece<'b>>, ConnectionError> {
        let length = head.length as usize;
        if length > PAYLOAD_MAX {
            return Err(ConnectionError::frame_size("frame above MAX_FRAME_SIZE"));
        }
        match head.kind {
            Kind::Data if head.has(flag::PADDED) && length == 0 => {
                Err(ConnectionError::frame_size("DATA without its pad length"))
            }
            Kind::Data if head.has(flag::PADDED) => {
                self.state = State::PadLength(head);
                Ok(None)
            }
            Kind::Data => Ok(Some(self.begin_data(head, head.length, 0))),
            Kind::Unknown => {
                self.state = skip(head.length);
                Ok(Some(Piece::Frame(head, Cow::Borrowed(&[]))))
            }
            Kind::Headers
            | Kind::Priority
            | Kind::RstStream
            | Kind::Settings
            | Kind::PushPromise
            | Kind::Ping
            | Kind::Goaway
            | Kind::WindowUpdate
            | Kind::Continuation => {
                if input.len() < length {
                    self.state = State::Payload(head, Vec::with_capacity(length));
                    return Ok(None);
                }
                self.state = NEXT_HEAD;
                Ok(Some(Piece::Frame(head, Cow::Borrowed(take(input, length)))))
            }
        }
    }

    fn begin_data<'b>(&mut self, head: FrameHead, data_len: u32, padding: u32) -> Piece<'b> {
        self.state = match data_len {
            0 => skip(padding),
            left => State::Data { left, padding },
        };
        Piece::Data { head, data_len }
    }
}

fn skip(octets: u32) -> State {
    if octets > 0 {
        State::Skip(octets)
    } else {
        NEXT_HEAD
    }
}

/// The frame, once its last octet is there.
fn buffer_frame<'b>(
    head: FrameHead,
    buffered: &mut Vec<u8>,
    input: &mut &[u8],
) -> Option<Piece<'b>> {
    let length = head.length as usize;
    buffered.extend_from_slice(take(input, length - buffered.len()));
    let is_whole = buffered.len() == length;
    is_whole.then(|| Piece::Frame(head, Cow::Owned(std::mem::take(buffered))))
}

/// Up to `most` octets off the front.
fn take<'b>(input: &mut &'b [u8], most: usize) -> &'b [u8] {
    let (taken, rest) = input.split_at(most.min(input.len()));
    *input = rest;
    taken
}

fn take_head(
    octets: &mut [u8; HEAD_LEN],
    have: &mut usize,
    input: &mut &[u8],
) -> Option<FrameHead> {
    if *have == 0
        && let Some((whole, rest)) = input.split_first_chunk()
    {
        *input = rest;
        return Some(FrameHead::parse(*whole));
    }
    let got = take(input, HEAD_LEN - *have);
    octets[*have..*have + got.len()].copy_from_slice(got);
    *have += got.len();
    (*have == HEAD_LEN).then(|| FrameHead::parse(*octets))
}

enum Preface {
    Partial,
    Whole,
    Wrong,
}

/// Consumes the preface as far as it has come. Wrong octets are reported at once and not consumed, so
/// that peers of other protocols need not wait.
fn match_preface(matched: &mut usize, input: &mut &[u8]) -> Preface {
    let missing = &PREFACE[*matched..];
    let got = &input[..input.len().min(missing.len())];
    if !missing.starts_with(got) {
        return Preface::Wrong;
    }
    *matched += got.len();
    *input = &input[got.len()..];
    match *matched == PREFACE.len() {
        true => Preface::Whole,
        false => Preface::Partial,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    /// A ping, padded data "abc", an unknown frame and an empty settings.
    const FRAMES: &[u8] = b"\0\0\x08\x06\0\0\0\0\0abcdefgh\0\0\x06\0\x08\0\0\0\x01\x02abc\0\0\
        \0\0\x02\x63\0\0\0\0\0xx\0\0\0\x04\0\0\0\0\0";

    /// What the pieces say, with data joined.
    fn told(chunk: usize) -> Vec<String> {
        let mut reader = Reader::of_server();
        let (mut told, mut data) = (Vec::new(), Vec::new());
        for mut input in FRAMES.chunks(chunk) {
            while let Some(piece) = reader.next(&mut input).unwrap() {
                match piece {
                    Piece::DataBytes { bytes, is_last } => {
                        data.extend_from_slice(bytes);
                        if is_last {
                            told.push(format!("{data:?}"));
                        }
                    }
                    other => told.push(format!("{other:?}")),
                }
            }
        }
        told
    }

    #[test]
    fn any_chunking_gives_the_same_pieces() {
        let whole = told(FRAMES.len());
        assert_eq!(whole.len(), 5);
        for chunk in 1..FRAMES.len() {
            assert_eq!(told(chunk), whole, "{chunk}");
        }
    }

    #[test]
    fn a_wrong_preface_is_told_as_what_it_is() {
        let http1 = Piece::Foreign(Foreign::Http1 { is_head: false });
        let cases = [
            ("PRI * HTTP/1.1\r\n", http1),
            ("PRI * HTTP/2.0\r\n\r\nG", Piece::Foreign(Foreign::Http2)),
            ("PRI\0", Piece::Foreign(Foreign::Unknown)),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Piece::Preface),
        ];
        for (octets, expected) in cases {
            let mut reader = Reader::of_client();
            let (last, others) = octets.as_bytes().split_last().unwrap();
            for octet in others {
                assert_eq!(reader.next(&mut &[*octet][..]), Ok(None), "{octets}");
            }
            assert_eq!(reader.next(&mut &[*last][..]), Ok(Some(expected)));
        }
    }

    #[test]
    fn sizes_are_judged_before_the_payload_comes() {
        let refusal = |input: &[u8]| Reader::of_server().next(&mut &*input).unwrap_err().code;
        assert_eq!(
            refusal(b"\0\x40\x01\x01\0\0\0\0\x01"),
            ErrorCode::FrameSizeError
        );
        assert_eq!(
            refusal(b"\0\0\0\0\x08\0\0\0\x01"),
            ErrorCode::FrameSizeError
        );
        assert_eq!(
            refusal(b"\0\0\x02\0\x08\0\0\0\x01\x02"),
            ErrorCode::ProtocolError
        );
    }
}
