//! One upstream end: answers every call with its own message and OK.
//!
//! Its cost is not part of the figure.

use std::time::Duration;

use outrider_http2::{Config, Connection, Event, Field, StreamId, WindowPool};

use super::client::MESSAGE;

/// One server connection.
pub struct Server {
    http2: Connection,
}

impl Server {
    /// A fresh connection.
    pub fn new(pool: &WindowPool) -> Server {
        let config = Config {
            max_concurrent_streams: Some(1024),
            ..Config::default()
        };
        Server {
            http2: Connection::server(config, pool),
        }
    }

    /// Takes what the engine wrote, and answers each request that is complete.
    pub fn receive(&mut self, now: Duration, mut bytes: &[u8]) {
        while let Some(event) = self.http2.receive(now, &mut bytes) {
            match event {
                Event::Data {
                    stream,
                    bytes,
                    ends,
                } => {
                    self.http2.credit(stream, bytes.len());
                    if ends.stream() {
                        self.answer(stream);
                    }
                }
                Event::Head { .. } | Event::SettingsChanged | Event::Pong { .. } => {}
                Event::Interim { .. }
                | Event::Trailers { .. }
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
    }

    fn answer(&mut self, stream: StreamId) {
        let head = [
            Field::new(b":status", b"200"),
            Field::new(b"content-type", b"application/grpc"),
        ];
        self.http2.head(stream, head, false);
        self.http2.data(stream, &MESSAGE, false);
        let trailers = [
            Field::new(b"grpc-status", b"0"),
            Field::new(b"grpc-message", b""),
        ];
        self.http2.trailers(stream, trailers);
    }

    /// What the connection has to send; it is sent.
    pub fn output(&mut self) -> Vec<u8> {
        let bytes = self.http2.output().to_vec();
        self.http2.written(bytes.len());
        bytes
    }
}
