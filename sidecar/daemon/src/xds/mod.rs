//! Acceptance of xDS resources, from documents or a control plane.
//!
//! Every field of a resource is enforced or refused with its path; nothing is ignored.
//! A resource is judged alone: good ones are taken, a bad one keeps its last good
//! version. Decides nothing about calls, resolves no names, speaks no protocol.
//! Reference: gRFC A46 (a bad resource does not block the others).

mod accept;
mod authorization;
pub mod client;
mod cluster;
mod cluster_policy;
mod configuration;
mod connections;
mod domains;
mod endpoint_metadata;
mod endpoints;
mod fields;
mod http_options;
mod listener;
mod rate_limit;
mod rejection;
mod retry;
mod route;
mod route_match;
mod secret;
mod tls;
mod tracing;

#[cfg(test)]
mod tests;

pub use accept::{Accepted, accept};
pub use configuration::Configuration;
pub use fields::FieldError;
pub use rejection::{NACK_CODE, Rejection, nack_message};
