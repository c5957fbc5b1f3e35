//! A party of a world that speaks HTTP/2 by itself, and what it saw.

use std::time::Duration;

use outrider_http2::{self as http2, Ends, Event, Field, Fields, ResetCause, StreamId};
use outrider_policy::Tick;

use super::fields;
use super::octets::pings;

/// What a peer saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Head(StreamId, Fields, bool),
    Data(StreamId, Vec<u8>, bool),
    Trailers(StreamId, Fields),
    Reset(StreamId, ResetCause),
    Goaway(u32),
}

/// A party that speaks HTTP/2 by itself: a calling application or a serving one.
pub struct Peer {
    pub http2: http2::Connection,
    pub seen: Vec<Seen>,
    /// Octets of each DATA frame that came; the last may not be whole yet.
    pub frames: Vec<usize>,
    in_frame: bool,
    /// Gives window back for what it receives; a stalled reader does not.
    pub reads: bool,
    /// Pings of ours that were answered.
    pub pongs: u32,
    /// Pings that came.
    pub pings: Vec<String>,
}

impl Peer {
    pub fn new(http2: http2::Connection) -> Peer {
        Peer {
            http2,
            seen: Vec::new(),
            frames: Vec::new(),
            in_frame: false,
            reads: true,
            pongs: 0,
            pings: Vec::new(),
        }
    }

    fn note_frame(&mut self, octets: usize, ends: Ends) {
        match self.frames.last_mut() {
            Some(last) if self.in_frame => *last += octets,
            Some(_) | None => self.frames.push(octets),
        }
        self.in_frame = ends == Ends::Nothing;
    }

    pub fn receive(&mut self, now: Tick, mut bytes: &[u8]) {
        let now = Duration::from_nanos(now.as_nanos());
        self.pings.extend(pings(bytes));
        while let Some(event) = self.http2.receive(now, &mut bytes) {
            match event {
                Event::Head {
                    stream,
                    fields,
                    end,
                } => self.seen.push(Seen::Head(stream, fields, end)),
                Event::Data {
                    stream,
                    bytes,
                    ends,
                } => {
                    let end = ends.stream();
                    self.note_frame(bytes.len(), ends);
                    self.seen.push(Seen::Data(stream, bytes.to_vec(), end));
                    if self.reads {
                        self.http2.credit(stream, bytes.len());
                    }
                }
                Event::Trailers { stream, fields } => {
                    self.seen.push(Seen::Trailers(stream, fields))
                }
                Event::Reset { stream, cause } => self.seen.push(Seen::Reset(stream, cause)),
                Event::Goaway { last, .. } => self.seen.push(Seen::Goaway(last.value())),
                Event::Pong { .. } => self.pongs += 1,
                Event::Interim { .. }
                | Event::HeadTooLarge { .. }
                | Event::TrailersTooLarge { .. }
                | Event::SettingsChanged => {}
                Event::HeadMalformed { why, .. } | Event::Malformed { why, .. } => {
                    panic!("a peer of the test saw a malformed request: {why}")
                }
                Event::Foreign(foreign) => panic!("a peer of the test saw {foreign:?}"),
                Event::Failed(error) => panic!("a peer of the test saw {error:?}"),
            }
        }
    }

    /// Calls a gRPC method; the stream.
    pub fn call(
        &mut self,
        authority: &str,
        path: &str,
        more: &[(&str, &str)],
        end: bool,
    ) -> StreamId {
        let mut head = fields(&[
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", authority),
            (":path", path),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ]);
        for (name, value) in more {
            head.push(Field {
                name: name.as_bytes(),
                value: value.as_bytes(),
                sensitive: false,
            });
        }
        self.http2
            .open(head.iter(), end)
            .expect("room for a stream")
    }

    /// Answers a gRPC call with one message and a status.
    pub fn answer(&mut self, stream: StreamId, body: &[u8], status: &str) {
        self.http2.head(
            stream,
            fields(&[(":status", "200"), ("content-type", "application/grpc")]).iter(),
            false,
        );
        self.http2.data(stream, body, false);
        self.http2
            .trailers(stream, fields(&[("grpc-status", status)]).iter());
    }

    /// The heads seen, in order.
    pub fn heads(&self) -> Vec<(StreamId, Fields)> {
        let head = |seen: &Seen| match seen {
            Seen::Head(stream, fields, _) => Some((*stream, fields.clone())),
            Seen::Data(..) | Seen::Trailers(..) | Seen::Reset(..) | Seen::Goaway(_) => None,
        };
        self.seen.iter().filter_map(head).collect()
    }

    /// The gRPC status of the last answer, in its head or its trailers.
    pub fn status(&self) -> Option<String> {
        self.field("grpc-status")
    }

    /// A field of the last answer, in its head or its trailers.
    pub fn field(&self, name: &str) -> Option<String> {
        self.seen.iter().rev().find_map(|seen| match seen {
            Seen::Head(_, fields, _) | Seen::Trailers(_, fields) => fields
                .find(name.as_bytes())
                .map(|value| String::from_utf8_lossy(value).into_owned()),
            Seen::Data(..) | Seen::Reset(..) | Seen::Goaway(_) => None,
        })
    }

    /// All body octets seen.
    pub fn body(&self) -> Vec<u8> {
        let data = |seen: &Seen| match seen {
            Seen::Data(_, bytes, _) => bytes.clone(),
            Seen::Head(..) | Seen::Trailers(..) | Seen::Reset(..) | Seen::Goaway(_) => Vec::new(),
        };
        self.seen.iter().flat_map(data).collect()
    }
}
