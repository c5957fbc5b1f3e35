//! The process's own log: JSON on standard error, level by `OUTRIDER_LOG`.
//!
//! Written by a thread of its own (`telemetry/log_sink.rs`), so that nobody who logs waits for who
//! reads.

use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;

use crate::error::StartupError;
use crate::telemetry::{Lines, LogSink};

/// What is logged when `OUTRIDER_LOG` says nothing. The resolver reports its failures to us; its
/// own lines would say them twice.
const DEFAULT: &str = "info,hickory_net=off,hickory_resolver=off";

/// The writer in use. Logging belongs to the process, not to one of its sidecars.
static LINES: OnceLock<Lines> = OnceLock::new();

/// Starts logging. Dropped, the result writes the last lines, which takes a second at most; what
/// is logged later is lost. Changes nothing when the process logs already.
///
/// # Errors
/// When the writer's thread cannot be started.
pub fn start() -> Result<LogSink, StartupError> {
    let sink = LogSink::of_process().map_err(|error| StartupError::system("the log", error))?;
    let filter =
        EnvFilter::try_from_env("OUTRIDER_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let lines = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter);
    match lines.with_writer(sink.lines()).try_init() {
        // Empty until now: the first logger of a process is its last.
        Ok(()) => drop(LINES.set(sink.lines())),
        Err(error) => tracing::debug!(%error, "logging was started already"),
    }
    Ok(sink)
}

/// Lines of the process's own log lost since the start.
pub fn lines_lost() -> u64 {
    LINES.get().map_or(0, Lines::lost)
}
