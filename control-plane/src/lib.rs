//! The control plane: which services exist, who may see them, and how sidecars get them.
//!
//! Knows documents and xDS; knows nothing of a sidecar's code.

// Process: options, parts, tasks.
mod serve;

// Identity: certificates, join tokens, TLS.
pub mod authority;
pub mod tls;
pub mod tokens;

// Configuration and discovery: documents and registrations, joined and sent over ADS.
mod document_store;
pub mod registry;

mod publish;

pub mod ads;
mod ads_service;

// Members, storage, and what is shown.
pub mod members;
mod storage;

pub mod admin;
mod metrics;
mod operator;

pub mod clock;
mod text;

pub use members::MemberId;
pub use members::caller::{Caller, Identity, Workload};
pub use serve::error::StartupError;
pub use serve::options::{CERTIFICATE_LIFE_SECONDS, FLAGS, Options};
pub use serve::parts::Parts;
pub use serve::process::Addresses;
pub use serve::running::{Running, run, start};
pub use storage::restore::{RestoreError, Unreadable, restore};
pub use storage::store::{Store, StoreError};
