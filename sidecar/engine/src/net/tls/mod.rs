//! TLS inside the engine: rustls' own byte machines, and which peers are accepted.
//!
//! TLS 1.3 only, mutual, no tickets, no session storage, no early data (see the identity table in
//! the docs for why). Sockets and clocks stay outside: validity is judged by the `TimeProvider`
//! that the process (or a simulation) hands in.

mod material;
mod transport;
mod trust;

pub(crate) use material::PeerRole;
pub use material::{MaterialError, TlsMaterial, anonymous_client};
pub(crate) use transport::{Decoded, Peer, TlsFailure, Transport};
