//! A server that resets each call with the code that the call asks for, in `t-reset`; with `t-begun`
//! after a head and a message. And the rows of what stock clients make of it.
//!
//! FLOW_CONTROL_ERROR, HTTP_1_1_REQUIRED and unknown numbers are not among them: there the libraries
//! differ from gRPC's table, and from each other (`docs/ERRORS.md`).

use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::case::{Case, Part};
use super::own::{self, PATIENCE};
use super::step::send;
use crate::raw::{FieldReader, Frame, Heard, Peer, flag, grpc_response, kind};

/// Codes of RST_STREAM, and what gRPC's page says of them.
const CODES: [(u32, &[&str]); 12] = [
    (0, &["INTERNAL"]),
    (1, &["INTERNAL"]),
    (2, &["INTERNAL"]),
    (4, &["INTERNAL"]),
    (5, &["INTERNAL"]),
    (6, &["INTERNAL"]),
    (7, &["UNAVAILABLE"]),
    (8, &["CANCELLED"]),
    (9, &["INTERNAL"]),
    (10, &["INTERNAL"]),
    (11, &["RESOURCE_EXHAUSTED"]),
    (12, &["PERMISSION_DENIED"]),
];

/// Calls that are reset before anything else is said.
pub fn rows() -> Vec<Case> {
    of(|| Part::unary([]), "no")
}

/// As [`rows`], without STREAM_CLOSED, which tonic has no code for: it says UNKNOWN.
pub fn tonic_rows() -> Vec<Case> {
    let mut rows = rows();
    rows.retain(|row| !row.name().contains("code 5,"));
    rows
}

/// Streams that are reset after a message. Of a unary call grpc-go then says INTERNAL, whatever the
/// code, and C-core does so now and then of any call, or forgets the message.
pub fn begun_rows() -> Vec<Case> {
    of(|| Part::stream([send("a")], []), "yes")
}

fn of(call: fn() -> Part, begun: &str) -> Vec<Case> {
    let row = |(code, ends): (u32, &'static [&'static str])| {
        let asked = code.to_string();
        let asked = [("t-reset", asked.as_str()), ("t-begun", begun)];
        let part = call().calls(5).ends(ends).metadata(&asked);
        Case::new(format!("a reset with code {code}, begun: {begun}"), [part])
    };
    let rows = CODES.into_iter().map(row);
    rows.flat_map(|row| [row.clone(), row.through_a_pair()])
        .collect()
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
    if peer.greet_as_server(&[]).await.is_err() {
        return;
    }
    let mut reader = FieldReader::of_requests();
    while let Heard::Frame(frame) = peer.next(PATIENCE).await {
        if frame.kind == kind::PING && !frame.has(flag::ACK) {
            let answer = Frame::new(kind::PING, flag::ACK, 0, &frame.payload);
            peer.send(&answer).await;
        }
        if let Some(fields) = reader.read(&frame) {
            peer.send_octets(&answer(frame.stream, &fields)).await;
        }
    }
}

fn answer(stream: u32, fields: &[(String, String)]) -> Vec<u8> {
    let find = |name: &str| fields.iter().find(|field| field.0 == name);
    let said = |name| find(name).map_or("", |(_, value)| value);
    let mut octets = Vec::new();
    if said("t-begun") == "yes" {
        let head = Frame::headers(stream, flag::END_HEADERS, grpc_response().octets());
        octets.extend(head.encode());
        octets.extend(Frame::data(stream, 0, b"\0\0\0\0\x06\x0a\x04part").encode());
    }
    let code = said("t-reset").parse().unwrap_or(2);
    octets.extend(Frame::reset(stream, code).encode());
    octets
}
