//! A child process of the measured program: started, heard until it is ready, ended.

use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, io};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child as TokioChild, ChildStdout};

/// A running `outrider`; killed when dropped.
pub struct Child {
    process: TokioChild,
    // Held open: the child would fail to write after its reader is gone.
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts the program and returns when it has printed its ready line, which is returned too.
    ///
    /// # Errors
    /// It cannot be started, or ended first; its log says why.
    pub async fn start(
        arguments: &[String],
        variables: &[(&str, String)],
        log: &Path,
    ) -> io::Result<(Child, String)> {
        let mut process = command(arguments, log)?
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut stdout = BufReader::new(stdout).lines();
        let Some(line) = stdout.next_line().await? else {
            let text = fs::read_to_string(log).unwrap_or_default();
            return Err(io::Error::other(format!("{arguments:?} ended: {text}")));
        };
        let child = Child {
            process,
            _stdout: stdout,
        };
        Ok((child, line))
    }

    /// SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    /// What the system says.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.process.kill().await
    }

    /// SIGTERM, and waits until it is gone.
    ///
    /// # Errors
    /// What the system says.
    pub async fn stop(&mut self) -> io::Result<()> {
        if let Some(id) = self.process.id().and_then(|id| i32::try_from(id).ok()) {
            kill(Pid::from_raw(id), Signal::SIGTERM)?;
        }
        self.process.wait().await.map(drop)
    }
}

/// Runs a command of the program to its end.
///
/// # Errors
/// It failed; its log says why.
pub async fn run(arguments: &[String], log: &Path) -> io::Result<()> {
    let status = command(arguments, log)?
        .stdout(Stdio::null())
        .status()
        .await?;
    if status.success() {
        return Ok(());
    }
    let text = fs::read_to_string(log).unwrap_or_default();
    Err(io::Error::other(format!("{arguments:?} failed: {text}")))
}

/// The program that was built beside this one.
fn command(arguments: &[String], log: &Path) -> io::Result<tokio::process::Command> {
    let beside = std::env::current_exe()?.with_file_name("outrider");
    let mut command = Command::new(beside);
    let log = fs::File::options().create(true).append(true).open(log)?;
    command.args(arguments).stdin(Stdio::piped()).stderr(log);
    Ok(command.into())
}
