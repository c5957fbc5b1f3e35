//! A raw HTTP/2 peer for both roles: any octets out, also wrong ones; frames in.
//!
//! Knows how frames and literal field blocks are written (RFC 9113 4.1, RFC 7541 6) and nothing of
//! what may be sent when: breaking the rules is what it is for.

mod door;
mod frame;
mod hpack;
mod peer;

pub use door::{Door, Socket, Wire};
pub use frame::{Frame, flag, kind, setting};
pub use hpack::{Block, FieldReader, grpc_request, grpc_response, grpc_trailers};
pub use peer::{Heard, PREFACE, Peer, Sent};
