//! Starts child processes of this executable and makes sure that all of them end.
//!
//! A child ends with us in three ways: [`Process::kill`], being dropped, and the end of its
//! standard input, which is what remains if we are killed ourselves (`--exit-with-stdin`).

use std::net::{SocketAddr, TcpListener};
use std::ops::Range;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::{env, fs, io, time::Duration};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use crate::error::DemoError;

/// A child that has not said that it is ready by then never will.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// A child that was told to end and still runs by then never will: longer than a drain.
const STOPPED_WITHIN: Duration = Duration::from_secs(35);
/// Ports tried for listeners: below the range from which Linux takes those of outgoing
/// connections (32768 and up), so that none of these is taken between a kill and a restart.
const PORTS: Range<u16> = 20_000..32_000;

/// A running child.
pub struct Process {
    child: Child,
    // Held open: the child would fail to write after its reader is gone.
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts `outrider` with `arguments` and `variables`, and waits for the line on standard
    /// output that says it is ready, which is returned too. Standard error goes to `log`.
    ///
    /// # Errors
    /// When the child cannot be started or ends before it is ready, with the end of its log.
    pub async fn start(
        name: &str,
        arguments: &[String],
        variables: &[(&str, String)],
        log: &Path,
    ) -> Result<(Process, String), DemoError> {
        let failed =
            |error: io::Error| DemoError::caused_by(&format!("cannot start {name}"), &error);
        let mut child = spawn(arguments, variables, log).map_err(failed)?;
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
        let mut stdout = BufReader::new(stdout).lines();
        match tokio::time::timeout(READY_WITHIN, stdout.next_line()).await {
            Ok(Ok(Some(line))) => Ok((
                Process {
                    child,
                    _stdout: stdout,
                },
                line,
            )),
            Ok(Ok(None) | Err(_)) => Err(not_ready(name, "ended before it was ready", log)),
            Err(_) => Err(not_ready(name, "is not ready after 20 s", log)),
        }
    }

    /// SIGTERM, and waits until the process is gone.
    ///
    /// # Errors
    /// When the operating system refuses, or the process still runs after 35 s.
    pub async fn stop(&mut self) -> io::Result<()> {
        if let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            kill(Pid::from_raw(id), Signal::SIGTERM)?;
        }
        // `wait` would close it, and its end ends the child at once.
        let _stdin = self.child.stdin.take();
        tokio::time::timeout(STOPPED_WITHIN, self.child.wait()).await??;
        Ok(())
    }

    /// `kill -9`, and waits until the process is gone.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.child.kill().await
    }
}

/// Runs `outrider` with `arguments` to its end. Standard error goes to `log`.
///
/// # Errors
/// When it cannot be started or fails, with the end of its log.
pub async fn run(name: &str, arguments: &[String], log: &Path) -> Result<(), DemoError> {
    let failed = |error: io::Error| DemoError::caused_by(&format!("cannot run {name}"), &error);
    let mut child = spawn(arguments, &[], log).map_err(failed)?;
    match child.wait().await.map_err(failed)?.success() {
        true => Ok(()),
        false => Err(not_ready(name, "failed", log)),
    }
}

/// In a process group of its own, so that Ctrl-C reaches the demo alone, which ends the others.
fn spawn(arguments: &[String], variables: &[(&str, String)], log: &Path) -> io::Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command
        .args(arguments)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(fs::File::options().create(true).append(true).open(log)?)
        .process_group(0);
    tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
}

fn not_ready(name: &str, what: &str, log: &Path) -> DemoError {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(5)..].join("\n  ");
    DemoError::new(format!("{name} {what}; the end of its log:\n  {last}"))
}

/// Hands out ports of the loopback address that no process listens on, each once.
pub struct Ports {
    left: std::iter::Chain<Range<u16>, Range<u16>>,
}

impl Ports {
    /// Starts at a place that depends on the process, so that two demos do not meet.
    pub fn new() -> Ports {
        let span = u32::from(PORTS.end - PORTS.start);
        let offset = u16::try_from(process::id().wrapping_mul(97) % span).unwrap_or(0);
        let start = PORTS.start + offset;
        Ports {
            left: (start..PORTS.end).chain(PORTS.start..start),
        }
    }

    /// A free port; it stays free unless somebody else asks for exactly this one.
    ///
    /// # Errors
    /// When there is none left.
    pub fn free(&mut self) -> Result<SocketAddr, DemoError> {
        let mut addresses = self
            .left
            .by_ref()
            .map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        addresses
            .find(|address| TcpListener::bind(address).is_ok())
            .ok_or_else(|| DemoError::new("no port is free between 20000 and 32000".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hands_out_no_port_twice_and_none_that_is_taken() {
        let mut ports = Ports::new();
        let first = ports.free().unwrap();
        let _taken = TcpListener::bind(first).unwrap();

        assert_ne!(ports.free().unwrap(), first);
        assert_ne!(Ports::new().free().unwrap(), first);
    }

    #[tokio::test]
    async fn a_child_that_fails_shows_the_end_of_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        // The test's own executable refuses this flag, as it should.
        let arguments = ["--no-such-flag".to_owned()];

        let failure = Process::start("orders-1", &arguments, &[], &log)
            .await
            .err()
            .unwrap();

        let text = failure.to_string();
        assert!(
            text.starts_with("orders-1 ended before it was ready"),
            "{text}"
        );
        assert!(text.contains("no-such-flag"), "{text}");
    }
}
