//! h2spec and the quick part of interop, as lines of the report.

use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::options::Options;
use crate::hostile::ground::{Backend, Proxy};
use crate::interop::{self, matrix};
use crate::tools;

/// One line of the report.
pub struct Line {
    /// As Markdown.
    pub line: String,
    /// Nothing in it breaks a promise.
    pub holds: bool,
}

/// h2spec's strict cases, as `tests/tests/h2spec.rs` has them.
const CASES: &str = "146 tests, 146 passed, 0 skipped, 0 failed";
/// Longest a run may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// h2spec against our outbound port.
///
/// # Errors
/// The sidecar does not start.
pub async fn run(options: &Options) -> Result<Line, String> {
    if options.only.is_some() {
        return Ok(Line::left_out("h2spec: not run"));
    }
    let Some(program) = tools::find("h2spec") else {
        return Ok(Line::missing("h2spec", "it"));
    };
    let backend = Backend::start().await;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let proxy = Proxy::named(&options.program, folder.path(), HOST, backend.address).await;
    let proxy = proxy.map_err(|error| format!("the sidecar does not start: {error}"))?;
    let mut command = Command::new(program);
    command.args(["--strict", "--host", HOST, "--timeout", "5", "--port"]);
    command.arg(proxy.address.port().to_string());
    command.env("GODEBUG", "netdns=cgo").kill_on_drop(true);
    let said = match timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Ok(Err(error)) => return Err(format!("h2spec: {error}")),
        Err(_) => String::new(),
    };
    let last = said.lines().rev().find(|line| line.contains(" tests, "));
    let last = last.unwrap_or("it did not end");
    Ok(Line {
        line: format!("h2spec --strict: {last}"),
        holds: last == CASES,
    })
}

/// 127.0.0.1 to h2spec, and a name to the mesh; see `tests/tests/h2spec.rs`.
const HOST: &str = "2130706433";

/// Each client of others against two servers, through a pair of sidecars with mutual TLS.
pub async fn interop(options: &Options) -> Line {
    let (present, missing) = interop::present();
    if options.only.is_some() {
        return Line::left_out("interop: not run");
    }
    if present.is_empty() {
        return Line::missing("interop", "every peer");
    }
    let rows = interop::quick(&present).await;
    let counts = matrix::count(&rows);
    let absent = match missing.is_empty() {
        true => String::new(),
        false => format!("; **not run for want of {}**", missing.join(", ")),
    };
    Line {
        line: format!(
            "interop, quick part: {} of {} cases pass through a pair of sidecars, {} are not \
             offered by the peers themselves, {} fail{absent}",
            counts.passed,
            rows.len(),
            counts.not_offered,
            counts.failed,
        ),
        // What was not run has not passed.
        holds: counts.failed == 0 && counts.passed > 0 && missing.is_empty(),
    }
}

impl Line {
    /// What was asked for and cannot be run has not passed.
    fn missing(part: &str, what: &str) -> Line {
        Line {
            line: format!("{part}: **not run**, {what} is missing (tests/install-peers.sh)"),
            holds: false,
        }
    }

    /// What was not asked for breaks nothing.
    pub fn left_out(line: &str) -> Line {
        Line {
            line: line.to_owned(),
            holds: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_has_not_passed_and_what_is_left_out_breaks_nothing() {
        assert!(!Line::missing("h2spec", "it").holds);
        assert!(Line::left_out("h2spec: not run").holds);
    }
}
