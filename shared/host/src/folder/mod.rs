//! A watched folder: the documents in it, and when they may have changed.
//!
//! The same for a sidecar that reads documents itself, for a control plane and for files of an
//! identity. Knows nothing of what is in the files.

mod documents;
mod places;
mod text;
mod unread_files;
mod watch;

pub use documents::{Contents, FILE_BYTES_MAX, FILES_MAX, Files, read};
pub use text::read_text;
pub use unread_files::{NOT_READ, UnreadFiles};
pub use watch::Watch;
