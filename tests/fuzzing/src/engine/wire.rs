//! One socket of the engine and the peer behind it, which speaks HTTP/2 by our own codec until
//! octets of the fuzzer are mixed in.

use std::time::Duration;

use outrider_engine::ConnectionId;
use outrider_http2::{Config, Connection, ErrorCode, Event, GoawayKind, StreamId, WindowPool};

use crate::frames::fields;
use crate::input::Input;

/// A connection of the engine.
pub(super) struct Wire {
    pub(super) id: ConnectionId,
    pub(super) is_open: bool,
    /// The engine reads: no [`outrider_engine::Action::Read`] said otherwise.
    pub(super) is_read: bool,
    peer: Connection,
    /// The fuzzer spoke for the peer: what the engine answers may surprise it.
    is_tainted: bool,
    /// Streams that the peer may act on.
    streams: Vec<StreamId>,
    held: Vec<(StreamId, usize)>,
}

const STATUS: [&str; 6] = ["0", "14", "8", "1", "99", "x"];

/// Authority, path and further fields.
type CallHead = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// What calls look like; the last ones must be refused.
const CALLS: [CallHead; 9] = [
    ("orders", "/shop.v1.Orders/Get", &[]),
    ("orders", "/shop.v1.Orders/Get", &[("grpc-timeout", "50m")]),
    (
        "orders.mesh:80",
        "/shop.v1.Orders/Find",
        &[("grpc-timeout", "1H")],
    ),
    (
        "localhost",
        "/shop.v1.Orders/Place",
        &[("grpc-previous-rpc-attempts", "1")],
    ),
    (
        "orders",
        "/shop.v1.Orders/Place",
        &[(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )],
    ),
    ("orders", "/shop.v1.Orders/Get", &[("grpc-timeout", "0n")]),
    ("orders", "/shop.v1.Orders/Get", &[("grpc-timeout", "1x")]),
    ("nobody", "/shop.v1.Orders/Get", &[]),
    ("orders", "/shop.v1.Orders/../Get", &[]),
];

impl Wire {
    /// The engine accepted: the peer is a client.
    pub(super) fn of_client(id: ConnectionId) -> Wire {
        Wire::new(id, Connection::client)
    }

    /// The engine connected: the peer is a server.
    pub(super) fn of_server(id: ConnectionId) -> Wire {
        Wire::new(id, Connection::server)
    }

    fn new(id: ConnectionId, connection: impl Fn(Config, &WindowPool) -> Connection) -> Wire {
        // A peer that lets the engine do what it likes: limits are the engine's own to keep.
        let mut config = Config {
            peer_is_trusted: true,
            ..Config::default()
        };
        for budget in [
            &mut config.resets,
            &mut config.window_updates,
            &mut config.settings,
            &mut config.pings,
            &mut config.idle_frames,
        ] {
            budget.burst = u32::MAX;
        }
        config.empty_data_max = u32::MAX;
        Wire {
            id,
            is_open: true,
            is_read: true,
            peer: connection(config, &WindowPool::new(0)),
            is_tainted: false,
            streams: Vec::new(),
            held: Vec::new(),
        }
    }

    pub(super) fn call(&mut self, input: &mut Input<'_>) {
        let (authority, path, more) = CALLS[input.below(CALLS.len())];
        let flags = input.octet();
        let content_type = if flags & 14 != 14 {
            "application/grpc"
        } else {
            "text/plain"
        };
        let head = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", authority),
            ("content-type", content_type),
            ("te", "trailers"),
        ];
        let list = fields(&head).chain(fields(more));
        if let Ok(stream) = self.peer.open(list, flags & 1 == 1) {
            self.streams.push(stream);
        }
    }

    fn stream(&mut self, input: &mut Input<'_>) -> Option<StreamId> {
        let at = input.below(self.streams.len().clamp(1, 256));
        self.streams.get(at).copied()
    }

    pub(super) fn send(&mut self, input: &mut Input<'_>) {
        let (length, flags) = (input.number(), input.octet());
        if let Some(stream) = self.stream(input) {
            self.peer.data(stream, &vec![0x5a; length], flags & 1 == 1);
        }
    }

    pub(super) fn end_sending(&mut self) {
        if let Some(stream) = self.streams.last() {
            self.peer.data(*stream, &[], true);
        }
    }

    pub(super) fn reset(&mut self) {
        if let Some(stream) = self.streams.pop() {
            self.peer.reset(stream, ErrorCode::Cancel);
        }
    }

    /// A whole answer: head, message, trailers.
    pub(super) fn answer(&mut self, input: &mut Input<'_>) {
        let status = STATUS[input.below(STATUS.len())];
        let length = input.number() / 2;
        let Some(stream) = self.stream(input) else {
            return;
        };
        let head = [(":status", "200"), ("content-type", "application/grpc")];
        self.peer.head(stream, fields(&head), false);
        self.peer.data(stream, &vec![0xa5; length], false);
        let trailers = [("grpc-status", status), ("grpc-retry-pushback-ms", "5")];
        self.peer
            .trailers(stream, fields(&trailers[..1 + length % 2]));
    }

    /// A head alone, an interim one or an answer that is none.
    pub(super) fn head(&mut self, input: &mut Input<'_>) {
        let (status, flags) = (["200", "100", "503", "404"][input.below(4)], input.octet());
        let Some(stream) = self.stream(input) else {
            return;
        };
        let head = [
            (":status", status),
            ("content-type", "application/grpc"),
            ("grpc-status", STATUS[usize::from(flags) % STATUS.len()]),
        ];
        let end = flags & 1 == 1 && status != "100";
        self.peer
            .head(stream, fields(&head[..2 + usize::from(end)]), end);
    }

    pub(super) fn credit(&mut self, input: &mut Input<'_>) {
        let at = input.below(self.held.len().clamp(1, 256));
        if at < self.held.len() {
            let (stream, bytes) = self.held.swap_remove(at);
            self.peer.credit(stream, bytes);
        }
    }

    pub(super) fn control(&mut self, input: &mut Input<'_>) {
        match input.below(4) {
            0 => self.peer.ping([0; 8]),
            1 => self.peer.goaway(ErrorCode::NoError, GoawayKind::Notice),
            2 => self.peer.goaway(ErrorCode::NoError, GoawayKind::Final),
            _ => {
                if let Some(stream) = self.stream(input) {
                    self.peer.reset(stream, ErrorCode::RefusedStream);
                }
            }
        }
    }

    /// Octets for the engine, at most `most`.
    pub(super) fn said(&mut self, most: usize) -> Vec<u8> {
        let count = self.peer.output().len().min(most);
        let said = self.peer.output()[..count].to_vec();
        self.peer.written(count);
        said
    }

    pub(super) fn taint(&mut self) {
        self.is_tainted = true;
    }

    /// What the engine says reaches the peer.
    pub(super) fn hear(&mut self, now: Duration, mut octets: &[u8]) {
        while let Some(event) = self.peer.receive(now, &mut octets) {
            match event {
                Event::Head { stream, .. }
                | Event::HeadTooLarge { stream, .. }
                | Event::HeadMalformed { stream, .. } => {
                    if !self.streams.contains(&stream) {
                        self.streams.push(stream);
                    }
                }
                Event::Data { stream, bytes, .. } => self.held.push((stream, bytes.len())),
                Event::Reset { stream, .. } => self.streams.retain(|open| *open != stream),
                Event::Failed(error) => assert!(self.is_tainted, "the engine said {error}"),
                Event::Interim { .. }
                | Event::Trailers { .. }
                | Event::TrailersTooLarge { .. }
                | Event::Malformed { .. }
                | Event::Goaway { .. }
                | Event::Foreign(_)
                | Event::SettingsChanged
                | Event::Pong { .. } => {}
            }
        }
    }
}
