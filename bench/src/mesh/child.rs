//! A child process of the measured program: started, heard until it is ready, ended.

use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, io};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child as TokioChild, ChildStdout, Command as TokioCommand};

/// A running program; killed when dropped.
pub struct Child {
    process: TokioChild,
    // Held open: the child would fail to write after its reader is gone.
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts `outrider` and returns when it has printed its ready line, which is returned too.
    ///
    /// # Errors
    /// It cannot be started, or ended first; its log says why.
    pub async fn start(
        arguments: &[String],
        variables: &[(&str, String)],
        log: &Path,
    ) -> io::Result<(Child, String)> {
        let mut command = command(OUTRIDER, arguments, log)?;
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        Child::spawn(command, log).await
    }

    /// The same with `backend`, whose line is its address.
    ///
    /// # Errors
    /// As [`Child::start`].
    pub async fn start_backend(log: &Path) -> io::Result<(Child, String)> {
        Child::spawn(command("backend", &[], log)?, log).await
    }

    async fn spawn(mut command: TokioCommand, log: &Path) -> io::Result<(Child, String)> {
        let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let stdout = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut stdout = BufReader::new(stdout).lines();
        let Some(line) = stdout.next_line().await? else {
            let text = fs::read_to_string(log).unwrap_or_default();
            return Err(io::Error::other(format!("{command:?} ended: {text}")));
        };
        let child = Child {
            process,
            _stdout: stdout,
        };
        Ok((child, line))
    }

    /// Writes a line to its standard input.
    ///
    /// # Errors
    /// It has ended.
    pub async fn tell(&mut self, line: &str) -> io::Result<()> {
        let stdin = self.process.stdin.as_mut();
        let stdin = stdin.ok_or(io::ErrorKind::BrokenPipe)?;
        stdin.write_all(format!("{line}\n").as_bytes()).await
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
    let status = command(OUTRIDER, arguments, log)?
        .stdout(Stdio::null())
        .status()
        .await?;
    if status.success() {
        return Ok(());
    }
    let text = fs::read_to_string(log).unwrap_or_default();
    Err(io::Error::other(format!("{arguments:?} failed: {text}")))
}

const OUTRIDER: &str = "outrider";

/// A program that was built beside this one.
fn command(program: &str, arguments: &[String], log: &Path) -> io::Result<TokioCommand> {
    let beside = std::env::current_exe()?.with_file_name(program);
    let mut command = Command::new(beside);
    let log = fs::File::options().create(true).append(true).open(log)?;
    command.args(arguments).stdin(Stdio::piped()).stderr(log);
    Ok(command.into())
}
