//! The control plane: what exists, who may see it, and how it reaches the sidecars.
//!
//! Knows documents and xDS; knows nothing of a sidecar's code.

pub mod ads;

pub mod caller;

pub mod clock;
pub mod desk;
pub mod journal;
mod store;

pub use caller::{Caller, Workload};
pub use store::{Store, StoreError};
