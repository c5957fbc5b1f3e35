//! The sidecar process: sockets, threads, certificates, telemetry, admin.
//!
//! The only part of a sidecar that does I/O; how a call is treated is decided in `policy` and
//! `engine`. One thread per worker carries traffic (`worker`); everything that may be slow runs on
//! the control thread (`control`, `telemetry`, `admin`). `process` puts them together. Operators
//! find flags in `docs/CONFIG.md` and metrics in `docs/METRICS.md`.

mod config_source;
mod process;
mod running;
mod supervisor;

mod error;
mod flags;
mod limits;
mod options;
mod source;

mod grpc_error;
mod worker;

mod control;
mod member;
pub mod xds;

mod admin;
mod telemetry;

mod cgroup;
mod clock;
mod log;
mod log_levels;
mod panics;

#[cfg(test)]
mod testing;

use outrider_host::folder::Files;

pub use error::{IdentityError, StartupError};
pub use flags::FLAGS;
pub use limits::{LimitError, Limits};
pub use options::{AccessLog, DRAIN_SECONDS_MAX, IdentityFiles, MemoryLimit, Options, WORKERS_MAX};
pub use process::Addresses;
pub use running::{Running, start};
pub use source::{Membership, Source};

/// Runs a sidecar until SIGTERM or SIGINT has drained it.
///
/// When everything is ready, one line of JSON with the addresses in use is written to standard
/// output. A second signal ends the process's work at once.
///
/// # Errors
/// [`StartupError`] when it could not start, or when a worker failed.
pub fn run(options: Options) -> Result<(), StartupError> {
    // Held to the end: what the end has to say is still written.
    let _log = log::start()?;
    panics::install_in_process();
    outrider_host::keep_memory_private();
    running::run(options)
}

/// Starts the log of a process that runs no sidecar: JSON on standard error, level by
/// `OUTRIDER_LOG`. Dropped, the result writes the last lines, which takes a second at most.
///
/// # Errors
/// [`StartupError::System`] when the writer's thread cannot be started.
pub fn start_log() -> Result<impl Sized, StartupError> {
    log::start()
}

/// Checks documents, as (file name, text), as a sidecar would and says how many services they
/// configure.
///
/// # Errors
/// A text for every problem of every file, with its line.
pub fn validate(files: &Files) -> Result<usize, Vec<String>> {
    control::validate(files)
}
