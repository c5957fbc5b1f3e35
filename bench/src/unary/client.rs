//! One downstream end: keeps ten calls in flight and checks every answer whole.
//!
//! Its cost is not part of the figure.

use std::collections::BTreeMap;
use std::time::Duration;

use outrider_http2::{Config, Connection, Event, Fields, StreamId, WindowPool};

use super::headers::RequestHead;

/// A gRPC message on the wire: 5 octets of prefix and 59 of content, 64 in all.
pub const MESSAGE: [u8; 64] = message();

const fn message() -> [u8; 64] {
    let mut message = [b'm'; 64];
    [message[0], message[1], message[2], message[3]] = [0; 4];
    message[4] = 59;
    message
}

/// One client connection.
pub struct Client {
    http2: Connection,
    /// Octets of the answer's body so far, by stream.
    open: BTreeMap<StreamId, usize>,
}

impl Client {
    /// A fresh connection.
    pub fn new(pool: &WindowPool) -> Client {
        Client {
            http2: Connection::client(Config::default(), pool),
            open: BTreeMap::new(),
        }
    }

    /// Calls in flight.
    pub fn open_calls(&self) -> usize {
        self.open.len()
    }

    /// Starts call `number`.
    pub fn call(&mut self, number: u64) {
        let head = RequestHead::new(number);
        let stream = self
            .http2
            .open(head.fields(), false)
            .unwrap_or_else(|why| panic!("call {number} cannot start: {why:?}"));
        self.http2.data(stream, &MESSAGE, true);
        self.open.insert(stream, 0);
    }

    /// Takes what the engine wrote; returns the calls that ended, all well.
    pub fn receive(&mut self, now: Duration, mut bytes: &[u8]) -> usize {
        let before = self.open.len();
        while let Some(event) = self.http2.receive(now, &mut bytes) {
            match event {
                Event::Head { fields, end, .. } => {
                    assert_eq!(fields.find(b":status"), Some(&b"200"[..]), "{fields:?}");
                    assert!(!end, "a refusal: {fields:?}");
                }
                Event::Data { stream, bytes, .. } => {
                    self.http2.credit(stream, bytes.len());
                    *self.open.entry(stream).or_default() += bytes.len();
                }
                Event::Trailers { stream, fields } => self.ended(stream, &fields),
                Event::SettingsChanged | Event::Pong { .. } => {}
                Event::Interim { .. }
                | Event::HeadTooLarge { .. }
                | Event::TrailersTooLarge { .. }
                | Event::HeadMalformed { .. }
                | Event::Malformed { .. }
                | Event::Reset { .. }
                | Event::Goaway { .. }
                | Event::Foreign(_)
                | Event::Failed(_) => panic!("unexpected: {event:?}"),
            }
        }
        before - self.open.len()
    }

    fn ended(&mut self, stream: StreamId, trailers: &Fields) {
        assert_eq!(
            trailers.find(b"grpc-status"),
            Some(&b"0"[..]),
            "{trailers:?}"
        );
        assert_eq!(self.open.remove(&stream), Some(MESSAGE.len()));
    }

    /// What the connection has to send; it is sent.
    pub fn output(&mut self) -> Vec<u8> {
        let bytes = self.http2.output().to_vec();
        self.http2.written(bytes.len());
        bytes
    }
}
