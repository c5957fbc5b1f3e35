//! The line of JSON that says that a process is ready, and where.

use std::io::{self, Write};

use serde::Serialize;

/// Writes `addresses` as one line of JSON to standard output. The process that started this one
/// may have closed the pipe: that is logged, and no reason to end.
pub fn print_ready(addresses: &impl Serialize) {
    let written = serde_json::to_string(addresses)
        .map_err(io::Error::from)
        .and_then(|line| {
            let mut stdout = io::stdout().lock();
            writeln!(stdout, "{line}")?;
            stdout.flush()
        });
    if let Err(error) = written {
        tracing::warn!(%error, "the ready line could not be written");
    }
}
