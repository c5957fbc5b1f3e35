//! What the tests of promises stand on: applications, callers, certificates, sidecars.
//!
//! Callers and applications speak HTTP/2 through the `h2` crate, so that a mistake of our own
//! codec cannot cancel itself out. Decides nothing; a test says what must hold. [`simulation`] and
//! [`ads`] stand apart: a whole mesh, and its discovery, without sockets or a clock. [`raw`] writes
//! frames that no library would.

pub mod ads;
pub mod aging;
pub mod cancelling;
pub mod control;
pub mod dribbling;
pub mod hostile;
pub mod interop;
pub mod joiner;
pub mod member;
pub mod raw;
pub mod simulation;
pub mod stalled;
pub mod stock;
pub mod tools;
pub mod trust;

mod admin;
mod application;
mod authority;
mod caller;
mod collector;
mod control_plane;
mod handlers;
mod hops;
mod mesh;
mod reserved;
mod sidecar;
mod traced;

pub use admin::Admin;
pub use application::Application;
pub use authority::Authority;
pub use caller::{Caller, Reply};
pub use collector::{Collector, Received};
pub use control_plane::{ControlPlane, operator};
pub use hops::{Hops, Served, Way};
pub use mesh::{Mesh, ORDERS, call_orders, until_ready};
pub use reserved::Reserved;
pub use sidecar::{Sidecar, write_document, write_plain_service, write_service, write_service_of};
pub use traced::{TracedMesh, traced_documents};
