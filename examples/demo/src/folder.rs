//! What the demo's processes share: a folder of documents, tokens and logs, and a collector.
//!
//! Readable by its owner alone (mode 0700) and removed with the demo, unless that is killed.

use std::path::{Path, PathBuf};
use std::{fs, io};

use tempfile::TempDir;
use tonic::transport::Uri;

use crate::documents;

/// A folder of the demo's own.
pub struct Folder {
    root: TempDir,
    /// Where every sidecar sends its spans.
    pub collector: Option<Uri>,
}

impl Folder {
    /// Makes the folder with the documents of all services.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn prepare(collector: Option<Uri>) -> io::Result<Folder> {
        let root = tempfile::Builder::new()
            .prefix("outrider-demo-")
            .tempdir()?;
        let folder = Folder { root, collector };
        fs::create_dir(folder.tokens())?;
        fs::create_dir(folder.documents())?;
        documents::write(&folder.documents())?;
        Ok(folder)
    }

    /// Where the documents are, which the control plane watches.
    pub fn documents(&self) -> PathBuf {
        self.root.path().join("documents")
    }

    /// Where the tokens are: one file for each service, under its name.
    pub fn tokens(&self) -> PathBuf {
        self.root.path().join("tokens")
    }

    /// Where a process keeps what it needs after a restart.
    pub fn data(&self, name: &str) -> PathBuf {
        self.root.path().join(format!("{name}-data"))
    }

    /// Where a process writes its log.
    pub fn log(&self, name: &str, part: &str) -> PathBuf {
        Path::join(self.root.path(), format!("{name}-{part}.log"))
    }
}
