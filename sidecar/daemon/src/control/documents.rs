//! From a folder of documents to a configuration that has been accepted, or the reasons why not.
//!
//! One path for the start, a change and `outrider validate`: the folder is read, its text checked,
//! rendered to xDS resources, and those go through the acceptance that ADS will use. Names are not
//! resolved here.

use std::io;
use std::path::Path;

use super::folder::{self, Files};
use crate::error::StartupError;
use crate::xds::{self, Accepted};

/// What came of a set of files.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration and the resources that were refused.
    pub accepted: Accepted,
    /// The trust domain of the mesh.
    pub trust_domain: String,
    /// How many services the documents describe.
    pub services_count: usize,
}

/// Checks and renders `files` and accepts the outcome on top of `last_good`.
///
/// # Errors
/// One text for each problem, with file, line and column, in the order of the files.
pub fn load(files: &Files, last_good: &xds::Configuration) -> Result<Loaded, Vec<String>> {
    let texts: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let documents = outrider_documents::load(&texts).map_err(|errors| {
        errors
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<String>>()
    })?;
    let accepted = xds::accept(&outrider_documents::render(&documents), last_good);
    let services_count = documents.service_names().count();
    Ok(Loaded {
        accepted,
        trust_domain: documents.trust_domain().to_owned(),
        services_count,
    })
}

/// Reads a folder for the first time, when there is no last good state: everything must be right.
///
/// # Errors
/// [`StartupError::Folder`] or [`StartupError::Documents`].
pub fn load_first(folder: &Path) -> Result<(Files, Loaded), StartupError> {
    let unreadable = |source: io::Error| StartupError::Folder {
        folder: folder.to_owned(),
        source,
    };
    let wrong = |problems: Vec<String>| StartupError::Documents {
        folder: folder.to_owned(),
        problems,
    };
    let files = folder::read(folder).map_err(unreadable)?;
    let loaded = load(&files, &xds::Configuration::default()).map_err(wrong)?;
    if !loaded.accepted.rejected.is_empty() {
        return Err(wrong(
            loaded
                .accepted
                .rejected
                .iter()
                .map(ToString::to_string)
                .collect(),
        ));
    }
    Ok((files, loaded))
}
