//! The control side: everything that may be slow, on one thread with a current-thread runtime.
//!
//! Reading order: `configuration` (from a source to the workers), `documents_source` and
//! `documents` (one of the sources; the other is `member`), `change` (which changes are refused),
//! `names`, `answer` and `resolve` (name resolution), `name_news` (what of it is logged),
//! `identity_watch` and `identity` (certificates), `status` (what the admin pages show).
//! `outrider_host::folder` reports changes of folders.

pub mod configuration;
pub mod documents_source;
pub mod identity_watch;
pub mod status;

pub mod answer;
mod change;
mod documents;
pub mod identity;
mod name_news;
pub mod names;
pub mod resolve;

use outrider_host::folder::Files;

use crate::xds::Configuration;

/// Checks documents as the start does; says how many services they configure.
///
/// # Errors
/// One text for each problem.
pub fn validate(files: &Files) -> Result<usize, Vec<String>> {
    let loaded = documents::load(files, &Configuration::default())?;
    Ok(loaded.services_count)
}
