//! From a folder of documents to a configuration that has been accepted, or the reasons why not.
//!
//! One path for the start, a change and `outrider validate`: the folder is read, its text checked,
//! rendered to xDS resources, and those go through the acceptance that ADS will use. Unlike what a
//! stream brings, documents are taken as a whole or not at all. Names are not resolved here.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use outrider_host::folder::{Contents, Files};

use crate::error::StartupError;
use crate::xds::{self, Accepted};

/// The result of loading a set of files. The default is empty: nothing was ever loaded.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Everything the documents say, accepted.
    pub configuration: xds::Configuration,
    /// The trust domain of the mesh.
    pub trust_domain: String,
    /// How many services the documents describe.
    pub services_count: usize,
    /// The services whose endpoints only a control plane knows.
    pub registered: Vec<String>,
    /// The files that hold documents.
    pub written: BTreeSet<String>,
    /// The files that hold none.
    pub blank: BTreeSet<String>,
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
    let names = files.iter().map(|(name, text)| (name.clone(), text));
    let (blank, written): (Vec<_>, Vec<_>) =
        names.partition(|(_, text)| outrider_documents::is_empty(text));
    let only_names = |files: Vec<(String, _)>| files.into_iter().map(|(name, _)| name).collect();
    Ok(Loaded {
        configuration: whole(accepted)?,
        trust_domain: documents.trust_domain().to_owned(),
        services_count: documents.service_names().count(),
        registered: documents
            .registered_service_names()
            .map(str::to_owned)
            .collect(),
        written: only_names(written),
        blank: only_names(blank),
    })
}

impl Loaded {
    /// Services that a sidecar with a folder of documents cannot serve. For a control plane they are right.
    pub fn unserved(&self) -> Vec<String> {
        let services = self.registered.iter();
        let unserved = services.map(|service| {
            format!(
                "Service `{service}` has the endpoints that register, which takes a control plane: \
                 write `endpoints: {{ static: [...] }}`, or start with --control-plane"
            )
        });
        unserved.collect()
    }
}

/// All or nothing: keeping the last good of a single resource is for streams, where resources come
/// one by one.
fn whole(accepted: Accepted) -> Result<xds::Configuration, Vec<String>> {
    if accepted.rejected.is_empty() {
        return Ok(accepted.configuration);
    }
    let rejected = accepted.rejected.iter();
    Err(rejected.map(ToString::to_string).collect())
}

/// Reads a folder for the first time, when there is no last good state: everything must be right.
///
/// # Errors
/// [`StartupError::Folder`] or [`StartupError::Documents`].
pub fn load_first(folder: &Path) -> Result<(Contents, Loaded), StartupError> {
    let unreadable = |source: io::Error| StartupError::Folder {
        folder: folder.to_owned(),
        source,
    };
    let wrong = |problems: Vec<String>| StartupError::Documents {
        folder: folder.to_owned(),
        problems,
    };
    let contents = outrider_host::folder::read(folder).map_err(unreadable)?;
    let loaded = load(&contents.files, &xds::Configuration::default()).map_err(wrong)?;
    Ok((contents, loaded))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xds::{FieldError, Rejection};

    #[test]
    fn registered_endpoints_are_right_and_not_served_from_a_folder() {
        let text =
            "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: { name: orders }\nspec: {}\n";
        let files = Files::from([("orders.yaml".to_owned(), text.to_owned())]);
        let loaded = load(&files, &xds::Configuration::default()).expect("the document is right");
        let unserved = loaded.unserved();
        assert!(unserved[0].contains("`orders`"), "{unserved:?}");
    }

    #[test]
    fn one_rejected_resource_refuses_all() {
        let accepted = Accepted {
            configuration: xds::Configuration::default(),
            rejected: vec![Rejection {
                type_url: "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned(),
                index: 1,
                name: "orders".to_owned(),
                errors: vec![FieldError {
                    path: "lb_policy".to_owned(),
                    problem: "not known".to_owned(),
                }],
            }],
        };
        let problems = whole(accepted).expect_err("not whole");
        assert!(problems[0].contains("orders"), "{problems:?}");
    }
}
