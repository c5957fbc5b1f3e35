//! The control plane: what exists, who may see it, and how it reaches the sidecars.
//!
//! Knows documents and xDS; knows nothing of a sidecar's code.

mod error;
mod options;
mod parts;
mod process;
mod restore;
mod running;

pub mod authority;
pub mod tls;
pub mod tokens;

mod operator;

pub mod ads;

pub mod mesh;

pub mod refusals;

pub mod registry;

pub mod publish;

pub mod ads_service;
pub mod metrics;
pub mod sidecars;

pub mod admin;
mod allowance;
pub mod caller;
mod descriptors;
pub mod member;
mod streams;

pub mod clock;
mod dependents;
pub mod desk;
pub mod journal;
mod store;
mod text;

pub use error::StartupError;
pub use options::{CERTIFICATE_LIFE_SECONDS, FLAGS, Options};
pub use parts::Parts;
pub use process::Addresses;
pub use restore::{RestoreError, Unreadable, restore};
pub use running::{Running, run, start};

pub use caller::{Caller, Identity, Workload};
pub use member::MemberId;
pub use store::{Store, StoreError};
