//! ADS, the server's side: what one client is sent, when and in which order.
//!
//! Pure state machines, one per stream, without I/O, clock or randomness. All rules follow
//! one idea: a stream knows what its client asked for ([`subscription`]) and what it was told
//! ([`ledger`]); after every event [`session`] compares that with what exists for this client
//! ([`View`]) and sends the difference, what is needed first and what is gone last. The two
//! protocols ([`DeltaStream`], [`WorldStream`]) only translate messages.
//!
//! Deliberately not here: who the client is (its certificate says so, not its node), which
//! resources its kind of client gets, and waiting for a first catalogue (close streams with
//! UNAVAILABLE until there is one, or a restart would delete everything).
//! No TTL is ever sent: Envoy dies of one on a state-of-the-world stream.
//! Reference: <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol>.

mod catalogue;

mod session;

mod ledger;
mod subscription;

mod answer;
mod delta;
mod world;

#[cfg(test)]
mod conformance;

pub use answer::Answer;
pub use catalogue::{Catalogue, View};
pub use delta::DeltaStream;
pub use ledger::Standing;
pub use world::WorldStream;

/// The `control_plane.identifier` of every response.
const IDENTIFIER: &str = "outrider";
