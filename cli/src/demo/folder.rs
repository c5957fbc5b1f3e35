//! What the demo's processes share: a folder of certificates, documents and logs, and a collector.
//!
//! Readable by its owner alone (mode 0700) and removed with the demo, unless that is killed.

use std::path::{Path, PathBuf};
use std::{collections::BTreeMap, fs, io, net::SocketAddr};

use tempfile::TempDir;
use tonic::transport::Uri;

use super::{certificates, documents};

/// A folder of the demo's own.
pub struct Folder {
    root: TempDir,
    /// Where every sidecar sends its spans.
    pub collector: Option<Uri>,
}

impl Folder {
    /// Makes the folder with an identity and documents for each service, given its endpoints. A
    /// service without any gets no document: it only makes calls.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn prepare(
        mut endpoints: BTreeMap<&str, Vec<SocketAddr>>,
        collector: Option<Uri>,
    ) -> io::Result<Folder> {
        let root = tempfile::Builder::new()
            .prefix("outrider-demo-")
            .tempdir()?;
        let folder = Folder { root, collector };
        fs::create_dir(folder.certificates())?;
        let services: Vec<_> = endpoints.keys().copied().collect();
        certificates::write(&folder.certificates(), &services)?;
        endpoints.retain(|_, endpoints| !endpoints.is_empty());
        fs::create_dir(folder.documents())?;
        documents::write(&folder.documents(), &endpoints)?;
        Ok(folder)
    }

    /// Where the identities are.
    pub fn certificates(&self) -> PathBuf {
        self.root.path().join("certificates")
    }

    /// Where the documents are, which every sidecar watches.
    pub fn documents(&self) -> PathBuf {
        self.root.path().join("documents")
    }

    /// Where a process writes its log.
    pub fn log(&self, name: &str, part: &str) -> PathBuf {
        Path::join(self.root.path(), format!("{name}-{part}.log"))
    }
}
