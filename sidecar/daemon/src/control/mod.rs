//! The control side: everything that may be slow, on one thread with a current-thread runtime.
//!
//! Reading order: `configuration` (from what a source says to the workers), `documents_source` and
//! `documents` (one of the sources; the other is `member`), `change` (what may not replace what),
//! `names`, `answer` and `resolve` (what names stand for), `name_news` (what of it is logged),
//! `identity_watch` and `identity` (certificates), `status` (what the admin pages are told).
//! `outrider_host::folder` tells of changes.

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
