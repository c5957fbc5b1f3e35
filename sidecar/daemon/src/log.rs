//! The process's own log: JSON on standard error, level by `OUTRIDER_LOG`.
//!
//! Written by a thread of its own (`telemetry/log_sink.rs`), so that nothing that logs waits for
//! the reader. What `OUTRIDER_LOG` may say: `log_levels.rs`.

use std::env;
use std::sync::OnceLock;

use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::error::StartupError;
use crate::log_levels;
use crate::telemetry::{Lines, LogSink};

/// The variable that says what is logged.
const VARIABLE: &str = "OUTRIDER_LOG";

/// The writer in use. Logging belongs to the process, not to one of its sidecars.
static LINES: OnceLock<Lines> = OnceLock::new();

/// Starts logging. Dropped, the result writes the last lines, which takes a second at most; what
/// is logged later is lost. Changes nothing when the process logs already.
///
/// # Errors
/// `OUTRIDER_LOG` says something that is no level, or the writer's thread cannot be started.
pub fn start() -> Result<LogSink, StartupError> {
    let written = env::var_os(VARIABLE).unwrap_or_default();
    let levels = log_levels::parse(&written.to_string_lossy());
    let levels = levels.map_err(|problem| StartupError::Flag {
        flag: VARIABLE,
        problem,
    })?;
    let sink = LogSink::of_process().map_err(|error| StartupError::system("the log", error))?;
    let lines = layer().json().flatten_event(true).with_writer(sink.lines());
    match tracing_subscriber::registry()
        .with(lines)
        .with(levels)
        .try_init()
    {
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
