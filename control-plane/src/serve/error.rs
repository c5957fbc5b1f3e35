//! Why a control plane did not start: one line for a human that says what to do next.
//!
//! Only the start fails. The cause of an error is its `source()`; printing the chain is the
//! caller's.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::authority::AuthorityError;
use crate::document_store::DocumentStoreError;
use crate::storage::store::StoreError;

/// Why a control plane did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// A value is out of its range, or two values contradict each other.
    #[error("{flag} {problem}")]
    Flag {
        /// The flag to change.
        flag: &'static str,
        /// What is wrong with it and what would be right.
        problem: String,
    },
    /// The data folder cannot be made.
    #[error("cannot use the folder {} (--data): {source}", .folder.display())]
    Data {
        /// The folder.
        folder: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The store cannot be used.
    #[error(
        "cannot open the store in {} (--data): {source}",
        .folder.display()
    )]
    Store {
        /// The folder.
        folder: PathBuf,
        /// What redb says.
        source: StoreError,
    },
    /// The documents are wrong, or cannot be read.
    #[error("the documents are not in force: {0}")]
    Documents(#[from] DocumentStoreError),
    /// The certificate authority cannot be used.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A listener could not be opened.
    #[error("cannot listen on {address}: {source}; choose another address with {flag}")]
    Listen {
        /// Address asked for.
        address: SocketAddr,
        /// The flag that sets the address.
        flag: &'static str,
        /// What the system answered.
        source: io::Error,
    },
    /// A part of the process could not be set up.
    #[error("cannot start {part}: {source}")]
    System {
        /// Which part.
        part: &'static str,
        /// What the system answered.
        source: io::Error,
    },
    /// A task ended while it should have run. The process ends, so that its supervisor restarts it: without
    /// the task it would serve an old state for ever.
    #[error("{0} ended unexpectedly; start the control plane again and report this")]
    Ended(&'static str),
}

impl StartupError {
    /// A part that the system refused.
    pub(crate) fn system(part: &'static str, source: io::Error) -> StartupError {
        StartupError::System { part, source }
    }
}
