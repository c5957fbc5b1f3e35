//! The control side: everything that may be slow, on one thread with a current-thread runtime.
//!
//! Reading order: `configuration` (from what a source says to the workers), `documents_source` and
//! `documents` (one of the sources; the other is `member`), `change` (what may not replace what),
//! `names` and `dns` (what names stand for), `identity_watch` and `identity` (certificates),
//! `status` (what the admin pages are told). The crate `folder` tells of changes.

pub mod configuration;
pub mod documents_source;
pub mod identity_watch;
pub mod status;

mod change;
pub mod dns;
mod documents;
pub mod identity;
pub mod names;

use std::path::Path;

use crate::error::StartupError;

/// Reads a folder as the start does; says how many services it configures.
pub fn validate(folder: &Path) -> Result<usize, StartupError> {
    let (_, loaded) = documents::load_first(folder)?;
    Ok(loaded.services_count)
}
