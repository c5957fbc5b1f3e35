//! Identities of the mesh: SPIFFE ids, the certificates that carry them, and how a peer's
//! certificate is verified.
//!
//! Knows no sockets, files or clocks: the time of a verification is rustls', the roots are the
//! caller's.

mod any_server;
mod spiffe_id;
mod svid;
mod verifier;

pub use any_server::AnyServer;
pub use spiffe_id::{BadSpiffeId, SpiffeId};
pub use svid::{IdentityError, Svid};
pub use verifier::{SvidVerifier, Trust};
