//! Why a sidecar did not start: one line for a human that says what to do next.
//!
//! Only the start fails. Once running, a bad change is refused, logged, and the last good state
//! kept. The cause of an error is its `source()`; printing the chain is the caller's.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a sidecar did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// A listener could not be opened.
    #[error("cannot listen on {address} for {side}: {source}; {}", advice(.source, .flag))]
    Listen {
        /// Address asked for.
        address: SocketAddr,
        /// What would have listened there: outbound, inbound or admin.
        side: &'static str,
        /// The flag that sets the address.
        flag: &'static str,
        /// What the system answered.
        source: io::Error,
    },
    /// A value is out of its range, or two values contradict each other.
    #[error("{flag} {problem}")]
    Flag {
        /// The flag to change.
        flag: &'static str,
        /// What is wrong with it and what would be right.
        problem: String,
    },
    /// The folder of documents cannot be read.
    #[error("cannot read documents in {}: {source}; point --documents at a folder of YAML files", .folder.display())]
    Folder {
        /// The folder, or the file in it.
        folder: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The documents are wrong. Each line names file, line and column.
    #[error("the documents in {} are not valid; correct them and start again:\n{}", .folder.display(), .problems.join("\n"))]
    Documents {
        /// The folder.
        folder: PathBuf,
        /// One text for each problem, in the order of the files.
        problems: Vec<String>,
    },
    /// The folder of a member cannot be used.
    #[error("the folder {} (--data) cannot be used: {problem}", .folder.display())]
    Data {
        /// The folder.
        folder: PathBuf,
        /// Why, and what to do about it.
        problem: String,
    },
    /// The certificate, key or trust bundle cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A worker ended while it should have served. The process ends, so that its supervisor
    /// starts it again: with one worker less, calls would wait on listeners that no worker serves.
    #[error("a worker ended unexpectedly: {0}; start the sidecar again and report this")]
    Worker(io::Error),
    /// A task of the control thread ended while it should have run. The process ends: without the
    /// task it would serve an old configuration or identity for ever, unnoticed.
    #[error("the control thread failed: {0}; start the sidecar again and report this")]
    Control(String),
    /// A part of the process could not be set up.
    #[error("cannot start {part}: {source}")]
    System {
        /// Which part.
        part: &'static str,
        /// What the system answered.
        source: io::Error,
    },
}

impl StartupError {
    /// A part that the system refused.
    pub(crate) fn system(part: &'static str, source: io::Error) -> StartupError {
        StartupError::System { part, source }
    }
}

/// Why an identity was refused, at the start or at a reload.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("cannot read {} ({flag}): {source}; check the path and its permissions", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The flag that names it.
        flag: &'static str,
        /// What the system answered.
        source: io::Error,
    },
    /// A file holds nothing that can be used.
    #[error("{} ({flag}) is not usable: {problem}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The flag that names it.
        flag: &'static str,
        /// What was found or missed.
        problem: String,
    },
    /// Each file is good, but they do not belong together or to this service.
    #[error("the certificate in {} (--certificate) cannot be used: {problem}", .certificate.display())]
    Unfit {
        /// The certificate.
        certificate: PathBuf,
        /// Why, and what would fit.
        problem: String,
    },
}

fn advice(error: &io::Error, flag: &str) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("another process listens there: stop it or choose another address with {flag}")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("this machine has no such address: choose one of its own with {flag}")
        }
        io::ErrorKind::PermissionDenied => {
            format!("ports below 1024 need privileges: choose a higher one with {flag}")
        }
        _ => format!("choose another address with {flag}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_names_the_flag() {
        let error = StartupError::Listen {
            address: SocketAddr::from(([127, 0, 0, 1], 15_001)),
            side: "outbound calls",
            flag: "--outbound",
            source: io::Error::from(io::ErrorKind::AddrInUse),
        };
        assert_eq!(
            error.to_string(),
            "cannot listen on 127.0.0.1:15001 for outbound calls: address in use; another process \
             listens there: stop it or choose another address with --outbound"
        );
    }
}
