//! ADS, the client's side: what a sidecar asks for, takes and puts in force.
//!
//! A pure state machine: responses, subscriptions, the life of the stream and the time go in; requests
//! and the configuration in force come out. Level-triggered: what is wanted follows from the
//! services that calls have named and from what their routes and clusters lead to; after every
//! event the difference to what this stream was told is asked for. What arrives is validated
//! ([`resource_cache`]), what is complete goes in force ([`in_force`]); until then, and while no
//! control plane answers, the last good stays.
//!
//! It may begin with what an earlier life stored ([`Client::restored`]). Besides the services it
//! always asks for the mesh's trust bundle and for its listeners.
//!
//! Knows no sockets, no files and no identity. Delta is tried first on every connection; a
//! server that does not have it is spoken to in state of the world.
//! Reference: <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol>.

mod state;

mod in_force;
mod resource_cache;
mod subscriptions;

mod ads_stream;
mod kind_cache;
mod rejections;
mod update;

mod back_off;

#[cfg(test)]
mod tests;

pub use ads_stream::{Protocol, Request};
pub use back_off::Closed;
pub use rejections::RejectedResource;
pub use state::Client;
pub use subscriptions::Resolution;
pub use update::Response;
