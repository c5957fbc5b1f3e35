//! A server that takes no stream on a connection at first and a hundred a moment later, and the rows of
//! what stock clients make of it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::case::{Case, Part};
use super::own::{self, PATIENCE};
use super::step::send;
use crate::raw::{Frame, Heard, Peer, flag, grpc_response, grpc_trailers, kind, setting};

/// How long a connection takes no stream.
const PAUSE: Duration = Duration::from_millis(700);
/// RST_STREAM's code for a stream that did nothing (RFC 9113 7).
const REFUSED_STREAM: u32 = 7;

/// Calls that wait; more than the server takes at once then.
pub fn rows() -> Vec<Case> {
    let calls = || Part::unary([send("x")]).calls(150).deadline(20_000);
    let case = Case::new("no stream at first, 100 a moment later", [calls()]);
    vec![case.clone(), case.through_a_pair()]
}

/// Serves until the process ends.
///
/// # Panics
/// When the system has no port or no thread.
pub fn serve() -> SocketAddr {
    own::serve(converse)
}

async fn converse(socket: TcpStream) {
    let mut peer = Peer::new(socket);
    let streams = |most| [(setting::MAX_CONCURRENT_STREAMS, most)];
    if peer.greet_as_server(&streams(0)).await.is_err() {
        return;
    }
    let opens = Instant::now() + PAUSE;
    let mut is_open = false;
    loop {
        let patience = match is_open {
            true => PATIENCE,
            false => opens.saturating_duration_since(Instant::now()),
        };
        match peer.next(patience).await {
            Heard::Frame(frame) => peer.send_octets(&answer(&frame, is_open)).await,
            Heard::Silence if !is_open => {
                is_open = true;
                peer.send(&Frame::settings(&streams(100))).await
            }
            Heard::Silence | Heard::Closed => return,
        };
    }
}

fn answer(frame: &Frame, is_open: bool) -> Vec<u8> {
    match frame.kind {
        kind::PING if !frame.has(flag::ACK) => {
            Frame::new(kind::PING, flag::ACK, 0, &frame.payload).encode()
        }
        kind::HEADERS if !is_open => Frame::reset(frame.stream, REFUSED_STREAM).encode(),
        kind::DATA if frame.has(flag::END_STREAM) && is_open => reply(frame.stream),
        _ => Vec::new(),
    }
}

fn reply(stream: u32) -> Vec<u8> {
    let (head, end) = (grpc_response(), grpc_trailers(0));
    let ends = flag::END_HEADERS | flag::END_STREAM;
    [
        Frame::headers(stream, flag::END_HEADERS, head.octets()).encode(),
        Frame::data(stream, 0, b"\0\0\0\0\x03\x0a\x01x").encode(),
        Frame::headers(stream, ends, end.octets()).encode(),
    ]
    .concat()
}
