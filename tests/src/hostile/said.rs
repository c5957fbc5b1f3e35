//! All that a proxy said on a connection until it closed it or fell silent, and what we expect.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::{Target, call, code};
use crate::raw::{FieldReader, Frame, Heard, Peer, kind};

/// What was said.
#[derive(Debug, Default)]
pub struct Said {
    /// Error code of the last GOAWAY.
    pub goaway: Option<u32>,
    /// RST_STREAM by stream: the first code.
    pub resets: BTreeMap<u32, u32>,
    /// Heads and trailers by stream, in order.
    pub fields: BTreeMap<u32, Vec<(String, String)>>,
    /// The proxy closed the connection.
    pub is_closed: bool,
    /// Frames in all.
    pub frames: usize,
    /// Octets of DATA.
    pub data_bytes: usize,
    /// How long it took.
    pub took: Duration,
}

impl Said {
    /// Listens until the proxy closes, or says nothing for `patience`.
    pub async fn all(peer: &mut Peer, patience: Duration) -> Said {
        let began = Instant::now();
        let mut said = Said::default();
        let mut reader = FieldReader::of_responses();
        loop {
            match peer.next(patience).await {
                Heard::Frame(frame) => said.note(&mut reader, &frame),
                Heard::Closed => {
                    said.is_closed = true;
                    break;
                }
                Heard::Silence => break,
            }
        }
        said.took = began.elapsed();
        said
    }

    /// Listens until the stream is over: reset, or answered to its end. Else as [`Said::all`].
    pub async fn until_over(peer: &mut Peer, stream: u32, patience: Duration) -> Said {
        let mut said = Said::default();
        let mut reader = FieldReader::of_responses();
        while let Heard::Frame(frame) = peer.next(patience).await {
            said.note(&mut reader, &frame);
            let ends = frame.has(crate::raw::flag::END_STREAM)
                && matches!(frame.kind, kind::DATA | kind::HEADERS);
            if frame.stream == stream && (ends || frame.kind == kind::RST_STREAM) {
                return said;
            }
            if frame.kind == kind::GOAWAY {
                said.is_closed = peer.until_closed(patience).await;
                return said;
            }
        }
        said
    }

    fn note(&mut self, reader: &mut FieldReader, frame: &Frame) {
        self.frames += 1;
        match frame.kind {
            kind::GOAWAY => self.goaway = frame.error_code(),
            kind::RST_STREAM => {
                let code = frame.error_code().unwrap_or(u32::MAX);
                self.resets.entry(frame.stream).or_insert(code);
            }
            kind::DATA => self.data_bytes += frame.payload.len(),
            _ => {
                if let Some(fields) = reader.read(frame) {
                    self.fields.entry(frame.stream).or_default().extend(fields);
                }
            }
        }
    }

    /// A field of the answer on a stream.
    pub fn field(&self, stream: u32, name: &str) -> Option<&str> {
        let fields = self.fields.get(&stream)?;
        let found = fields.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The connection was ended with this code.
    ///
    /// # Errors
    /// What happened instead.
    pub fn ended_with(&self, code: u32) -> Result<(), String> {
        match (self.goaway, self.is_closed) {
            (Some(found), true) if found == code => Ok(()),
            (goaway, closed) => Err(format!(
                "expected GOAWAY {code} and a close; GOAWAY {goaway:?}, closed: {closed}, \
                 {} resets",
                self.resets.len()
            )),
        }
    }

    /// The connection was ended as that of a peer that asks too much.
    ///
    /// # Errors
    /// What happened instead.
    pub fn was_calmed(&self) -> Result<(), String> {
        self.ended_with(code::ENHANCE_YOUR_CALM)
    }

    /// The stream was reset with this code, and nothing else happened.
    ///
    /// # Errors
    /// What happened instead.
    pub fn was_reset(&self, stream: u32, code: u32) -> Result<(), String> {
        match (self.resets.get(&stream), self.goaway, self.is_closed) {
            (Some(found), None, false) if *found == code => Ok(()),
            (found, goaway, closed) => Err(format!(
                "expected RST_STREAM {code} on {stream}; RST_STREAM {found:?}, GOAWAY {goaway:?}, \
                 closed: {closed}"
            )),
        }
    }
}

/// The connection is still served.
///
/// # Errors
/// It is not.
pub async fn still_serves(peer: &mut Peer, target: &Target, stream: u32) -> Result<(), String> {
    let path = Target::path("Echo");
    let served = call(
        peer,
        stream,
        &target.authority,
        &path,
        Duration::from_secs(5),
    )
    .await;
    served.map_err(|why| format!("the connection serves no more: {why}"))
}
