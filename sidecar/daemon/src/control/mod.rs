//! The control side: everything that may be slow, on one thread with a current-thread runtime.
//!
//! Reading order: `configuration` (the pipeline from folder to workers), `documents` (its
//! beginning), `change` (what may not replace what), `names` and `dns` (its middle),
//! `identity_watch` and `identity` (certificates), `status` (what the admin pages are told). The
//! crate `folder` tells of changes.

pub mod configuration;
pub mod identity_watch;
pub mod status;

mod change;
mod dns;
mod documents;
pub mod identity;
mod names;

use std::path::Path;

use crate::error::StartupError;

/// Reads a folder as the start does; says how many services it configures.
pub fn validate(folder: &Path) -> Result<usize, StartupError> {
    let (_, loaded) = documents::load_first(folder)?;
    Ok(loaded.services_count)
}
