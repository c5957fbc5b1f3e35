//! Why the authority cannot start, issue or rotate.

use std::io;
use std::path::PathBuf;

use tonic::Status;

use crate::storage::store::StoreError;

/// Why the authority refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The data folder belongs to another mesh.
    #[error(
        "the data folder is of the trust domain `{kept}`, and the documents say `{asked}`: use \
         another --data, or the Mesh document of this one"
    )]
    TrustDomain {
        /// The trust domain in the store.
        kept: String,
        /// The trust domain in the documents.
        asked: String,
    },
    /// A stored value cannot be read.
    #[error("{0} in the store cannot be read: bring the data folder back from a copy")]
    Damaged(&'static str),
    /// The system gives no random octets.
    #[error("the system gives no random octets")]
    NoRandomness,
    /// A certificate could not be made.
    #[error("a certificate could not be made: {0}")]
    Signing(#[from] rcgen::Error),
    /// rustls does not take the key that was just made.
    #[error("the control plane's own key cannot be used: {0}")]
    OwnKey(rustls::Error),
    /// The process ended, or a thread panicked, in the middle of it.
    #[error("it was interrupted")]
    Interrupted,
    /// The operator's credential cannot be written.
    #[error("{} cannot be written: {source}", .path.display())]
    Credential {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The signing root has expired.
    #[error("the root that signs has ended: it should have been rotated (`outrider rotate`)")]
    RootEnded,
    /// What the caller sent is no request for a certificate.
    #[error("the certificate signing request {0}")]
    Request(&'static str),
    /// The step does not follow the one before.
    #[error("{0}")]
    OutOfOrder(&'static str),
}

impl From<redb::Error> for AuthorityError {
    fn from(error: redb::Error) -> AuthorityError {
        AuthorityError::Store(error.into())
    }
}

impl From<AuthorityError> for Status {
    fn from(error: AuthorityError) -> Status {
        let text = error.to_string();
        match error {
            AuthorityError::Request(_) => Status::invalid_argument(text),
            AuthorityError::OutOfOrder(_) | AuthorityError::RootEnded => {
                Status::failed_precondition(text)
            }
            AuthorityError::Store(error) => error.into(),
            AuthorityError::TrustDomain { .. }
            | AuthorityError::Damaged(_)
            | AuthorityError::NoRandomness
            | AuthorityError::OwnKey(_)
            | AuthorityError::Interrupted
            | AuthorityError::Credential { .. }
            | AuthorityError::Signing(_) => Status::internal(text),
        }
    }
}
