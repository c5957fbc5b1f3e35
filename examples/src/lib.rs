//! A small shop in tonic: `frontend` calls `orders`, which calls `inventory` and `payments`.
//!
//! Each service is one short file that reads like any gRPC service. None of them knows the mesh:
//! all they are given is one address on localhost, where everything they call is found
//! ([`Options::upstream`]). What an application owes its callees is in [`call`]: the trace and the
//! time that is left. How an instance is told to misbehave is in [`backstage`].

pub mod backstage;
pub mod call;
mod connections;
mod frontend;
mod inventory;
mod orders;
mod payments;
mod serve;
pub mod signals;

pub use connections::{Upstream, origin, upstream};
pub use serve::{Options, Service, main, serve, serve_until};

/// Messages, clients and servers of package `shop.v1`, generated from `proto/shop.proto` by
/// `cargo run -p xtask -- codegen`.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    reason = "generated code"
)]
pub mod shop {
    include!("gen/shop.v1.rs");
}
