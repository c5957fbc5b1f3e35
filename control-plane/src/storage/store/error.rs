//! Why the store was not opened, read or written.

use std::sync::Arc;

use tonic::Status;

/// Why the store cannot be used. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, read-only or broken; the write may not be durable.
    #[error(
        "the control plane cannot write to its disk ({0}) and takes no changes; what is in force \
         goes on. Free the disk of --data: it goes on by itself within 5 s"
    )]
    Unwritable(Arc<str>),
    /// Another process has the folder.
    #[error("another control plane has it open: one has a folder at a time")]
    Taken,
    /// A later version has written it.
    #[error(
        "it has format {format}, written by outrider {written_by}, and this is outrider {ours}, \
         which knows formats up to {known}: start that version or a later one, or `outrider \
         restore` a backup of before"
    )]
    Newer {
        /// Its format.
        format: u32,
        /// The version that wrote it.
        written_by: String,
        /// This version.
        ours: &'static str,
        /// The last format that this version knows.
        known: u32,
    },
    /// The file is not a store, or is damaged.
    #[error("the store: {0}")]
    Failed(#[from] redb::Error),
}

impl From<StoreError> for Status {
    fn from(error: StoreError) -> Status {
        let text = error.to_string();
        match error {
            StoreError::Unwritable(_) => Status::resource_exhausted(text),
            StoreError::Taken | StoreError::Newer { .. } | StoreError::Failed(_) => {
                Status::internal(text)
            }
        }
    }
}

/// The system's message, out of the text of an error that ends with it.
pub(super) fn cause(problem: &str) -> &str {
    let cause = problem.rsplit_once("I/O error: ");
    cause.map_or(problem, |(_, cause)| cause)
}
