//! Well-formed calls, frame by frame, on a raw connection.

use std::time::Duration;

use super::Target;
use crate::raw::{Frame, Heard, Peer, Sent, flag, grpc_request, kind};

/// A gRPC message without content: flag and length.
pub const EMPTY_MESSAGE: &[u8] = &[0; 5];

/// The head of a call to a method of the backend; its body is still to come.
pub fn open(target: &Target, stream: u32, method: &str) -> Frame {
    let block = grpc_request(&target.authority, &Target::path(method));
    Frame::headers(stream, 0, block.octets())
}

/// One call of an empty message. Answers PING and SETTINGS meanwhile; frames of other streams are
/// dropped.
///
/// # Errors
/// How it ended, if not with trailers and all within `patience`.
pub async fn call(
    peer: &mut Peer,
    stream: u32,
    authority: &str,
    path: &str,
    patience: Duration,
) -> Result<(), String> {
    let block = grpc_request(authority, path);
    let mut octets = Frame::headers(stream, 0, block.octets()).encode();
    octets.extend(Frame::data(stream, flag::END_STREAM, EMPTY_MESSAGE).encode());
    match peer.send_octets(&octets).await {
        Sent::All => {}
        sent @ (Sent::Closed | Sent::Stalled) => return Err(format!("not sent: {sent:?}")),
    }
    match tokio::time::timeout(patience, answer(peer, stream, patience)).await {
        Ok(answered) => answered,
        Err(_) => Err(format!("no answer within {patience:?}")),
    }
}

async fn answer(peer: &mut Peer, stream: u32, patience: Duration) -> Result<(), String> {
    loop {
        let frame = match peer.next(patience).await {
            Heard::Frame(frame) => frame,
            Heard::Closed => return Err("the connection was closed".to_owned()),
            Heard::Silence => return Err(format!("no answer within {patience:?}")),
        };
        match frame.kind {
            kind::HEADERS if frame.stream == stream && frame.has(flag::END_STREAM) => {
                return Ok(());
            }
            kind::RST_STREAM if frame.stream == stream => {
                return Err(format!("reset with {:?}", frame.error_code()));
            }
            kind::GOAWAY => return Err(format!("GOAWAY with {:?}", frame.error_code())),
            _ => acknowledge(peer, &frame).await,
        }
    }
}

/// Answers what must be answered, and gives credit back.
async fn acknowledge(peer: &mut Peer, frame: &Frame) {
    match frame.kind {
        kind::SETTINGS if !frame.has(flag::ACK) => {
            peer.send(&Frame::settings_ack()).await;
        }
        kind::PING if !frame.has(flag::ACK) => {
            let pong = Frame::new(kind::PING, flag::ACK, 0, &frame.payload);
            peer.send(&pong).await;
        }
        kind::DATA if !frame.payload.is_empty() => {
            let length = frame.payload.len() as u32;
            peer.send(&Frame::window_update(0, length)).await;
        }
        _ => {}
    }
}
