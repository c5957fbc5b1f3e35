//! The shared parts of the process, opened once, in order, before anything runs.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use tokio::sync::watch;

use crate::authority::{self, Authority};
use crate::clock;
use crate::document_store::{DocumentStore, DocumentStoreInputs};
use crate::members::mesh::{self, Mesh};
use crate::serve::descriptors;
use crate::serve::error::StartupError;
use crate::serve::options::Options;
use crate::storage::journal::Journal;
use crate::storage::store::{Store, StoreError};
use crate::tls::{AddressVerifier, ConnectionLimiter, ConnectionLimits};
use crate::tokens::Tokens;

/// The shared parts of the process. Clones share them.
#[derive(Clone)]
pub struct Parts {
    /// The options of the process.
    pub options: Options,
    /// What survives the process.
    pub store: Store,
    /// Events.
    pub journal: Journal,
    /// The documents in force.
    pub documents: DocumentStore,
    /// Issues certificates.
    pub authority: Authority,
    /// Join tokens.
    pub tokens: Tokens,
    /// Registrations, published resources, connected sidecars.
    pub mesh: Mesh,
    /// Open connections and their limits.
    pub connections: ConnectionLimiter,
    /// Becomes true when the process stops: streams that would never end, end then.
    pub stopping: watch::Receiver<bool>,
}

impl Parts {
    /// Opens all parts, and returns the tasks that must run. Blocks for the disk.
    ///
    /// # Errors
    /// [`StartupError`]: which part, and what to change.
    pub fn open(
        options: Options,
        stopping: watch::Receiver<bool>,
    ) -> Result<(Parts, mesh::Tasks), StartupError> {
        make_folder(&options.data).map_err(|source| StartupError::Data {
            folder: options.data.clone(),
            source,
        })?;
        let unusable = |source: StoreError| StartupError::Store {
            folder: options.data.clone(),
            source,
        };
        let store = Store::open(&options.data).map_err(unusable)?;
        let journal = Journal::open(&store).map_err(unusable)?;
        // The documents of the first start set the trust domain, for ever.
        let documents = DocumentStore::open(DocumentStoreInputs {
            store: store.clone(),
            journal: journal.clone(),
            folder: options.documents.clone(),
            trust_domain: authority::kept_trust_domain(&store)?,
        })?;
        let trust_domain = documents
            .desired()
            .borrow()
            .documents
            .trust_domain()
            .to_owned();
        let (life, now) = (options.certificate_life, clock::unix_seconds());
        let authority = Authority::open(&store, &trust_domain, life, now)?;
        let tokens = Tokens::open(&store, authority.trust_domain(), authority.bundle());
        let (mesh, tasks) = Mesh::open(mesh::MeshInputs {
            store: &store,
            journal: &journal,
            desired: documents.desired(),
            bundle: authority.bundle(),
            verifier: AddressVerifier::new(&authority),
            stopping: stopping.clone(),
        })
        .map_err(unusable)?;
        let parts = Parts {
            options,
            store,
            journal,
            documents,
            authority,
            tokens,
            mesh,
            connections: ConnectionLimiter::new(ConnectionLimits::new(
                descriptors::connections_max(),
            )),
            stopping,
        };
        Ok((parts, tasks))
    }
}

/// Makes the folder, readable by its owner only, because keys are stored in it.
pub(crate) fn make_folder(data: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(data)
}
