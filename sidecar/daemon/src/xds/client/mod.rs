//! ADS, the client's side: what a sidecar asks for, takes and puts in force.
//!
//! A pure state machine: responses, wishes, the life of the stream and the time go in; requests
//! and the configuration in force come out. Level-triggered: what is wanted follows from the
//! services that calls have named and from what their routes and clusters lead to; after every
//! event the difference to what this stream was told is asked for. What arrives is judged
//! ([`holdings`]), what is complete goes in force ([`serving`]); until then, and while no
//! control plane answers, the last good stays.
//!
//! It may begin with what an earlier life stored ([`Client::restored`]). Besides the services it
//! always asks for the mesh's trust bundle.
//!
//! Knows no sockets, no files and no identity. Delta is tried first on every connection; a
//! server that does not have it is spoken to in state of the world.
//! Reference: <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol>.

mod state;

mod holdings;
mod serving;
mod wishes;

mod cache;
mod link;
mod refusals;
mod update;

mod back_off;

#[cfg(test)]
mod tests;

pub use back_off::Closed;
pub use link::{Protocol, Request};
pub use refusals::Refused;
pub use state::Client;
pub use update::Response;
pub use wishes::Found;
