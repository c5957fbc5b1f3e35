//! A proxy as a process of its own, so that its memory and its end can be seen.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::memory::{open_descriptors, resident_bytes};
use crate::{Authority, write_plain_service};

/// A running proxy. Killed when dropped.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    pid: u32,
    /// Processes whose memory counts: itself, or its workers.
    pids: Vec<u32>,
    /// The port that is attacked: plaintext HTTP/2, or of ours the one for other sidecars.
    pub address: SocketAddr,
    /// Its admin pages; only of ours.
    pub admin: Option<SocketAddr>,
}

/// Name of the service that the good backend is, as documents and authorities have it.
pub const SERVICE: &str = "victim";

/// Command line of `outrider sidecar` for the documents in `folder`, on free ports.
pub fn outrider_arguments(folder: &Path) -> Vec<String> {
    let log = folder.join("access.log").display().to_string();
    let documents = folder.join("documents").display().to_string();
    let words = [
        ["--service", "caller"],
        ["--documents", &documents],
        ["--outbound", "127.0.0.1:0"],
        ["--admin", "127.0.0.1:0"],
        ["--access-log-file", &log],
    ];
    let words = words.into_iter().flatten().map(str::to_owned);
    ["sidecar".to_owned()].into_iter().chain(words).collect()
}

fn write_documents(folder: &Path, name: &str, backend: SocketAddr) -> io::Result<()> {
    let documents = folder.join("documents");
    std::fs::create_dir_all(&documents)?;
    write_plain_service(&documents, name, backend);
    Ok(())
}

impl Proxy {
    /// Our sidecar with [`SERVICE`] as its one service; see [`Proxy::named`].
    ///
    /// # Errors
    /// It does not start.
    pub async fn ours(program: &Path, folder: &Path, backend: SocketAddr) -> io::Result<Proxy> {
        Proxy::named(program, folder, SERVICE, backend).await
    }

    /// Starts our sidecar: `program` takes the words of [`outrider_arguments`] and says its addresses
    /// on standard output. `folder` is for its files, `backend` is where its one service runs, which
    /// is called `name`.
    ///
    /// # Errors
    /// It does not start.
    pub async fn named(
        program: &Path,
        folder: &Path,
        name: &str,
        backend: SocketAddr,
    ) -> io::Result<Proxy> {
        write_documents(folder, name, backend)?;
        let mut command = Command::new(program);
        command.args(outrider_arguments(folder));
        Proxy::said(command, "outbound").await
    }

    /// Our sidecar beside an application, `backend`, attacked where members of the mesh call it:
    /// those that `authority` signs for.
    ///
    /// # Errors
    /// It does not start.
    pub async fn ours_inbound(
        program: &Path,
        folder: &Path,
        backend: SocketAddr,
        authority: &Authority,
    ) -> io::Result<Proxy> {
        write_documents(folder, SERVICE, backend)?;
        let identity = authority.issue(folder, "caller");
        let mut command = Command::new(program);
        command.args(outrider_arguments(folder));
        command.args(["--inbound", "127.0.0.1:0", "--app", &backend.to_string()]);
        command.arg("--certificate").arg(identity.certificate);
        command.arg("--key").arg(identity.key);
        command.arg("--trust-bundle").arg(identity.trust_bundle);
        Proxy::said(command, "inbound").await
    }

    /// Runs `command`, which says its addresses; `attacked` is the name of one of them.
    async fn said(mut command: Command, attacked: &str) -> io::Result<Proxy> {
        command.kill_on_drop(true);
        command.env("OUTRIDER_LOG", "error").stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let said = child.stdout.take();
        let said = said.ok_or_else(|| io::Error::other("no standard output"))?;
        let line = BufReader::new(said).lines().next_line().await?;
        let line = line.ok_or_else(|| io::Error::other("it ended before it was ready"))?;
        let ready: serde_json::Value = serde_json::from_str(&line)?;
        let address = |name: &str| {
            let text = ready[name].as_str().and_then(|text| text.parse().ok());
            text.ok_or_else(|| io::Error::other(format!("no address in {line}")))
        };
        let pid = child.id().unwrap_or_default();
        Ok(Proxy {
            address: address(attacked)?,
            admin: Some(address("admin")?),
            pids: vec![pid],
            pid,
            child,
        })
    }

    /// A proxy of others that `command` runs, at an address that is already known.
    ///
    /// # Errors
    /// It does not start.
    pub fn of_others(mut command: Command, address: SocketAddr) -> io::Result<Proxy> {
        let child = command.kill_on_drop(true).spawn()?;
        let pid = child.id().unwrap_or_default();
        Ok(Proxy {
            address,
            admin: None,
            pids: vec![pid],
            pid,
            child,
        })
    }

    /// Counts the memory of the process's children, too; call it once they are there.
    pub fn find_children(&mut self) {
        let path = format!("/proc/{0}/task/{0}/children", self.pid);
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let children = text
            .split_whitespace()
            .filter_map(|pid| pid.parse::<u32>().ok());
        self.pids.extend(children);
    }

    /// Resident memory of all its processes. Octets.
    pub fn resident_bytes(&self) -> u64 {
        self.pids.iter().copied().filter_map(resident_bytes).sum()
    }

    /// Descriptors that all its processes have open.
    pub fn descriptors(&self) -> usize {
        self.pids.iter().copied().filter_map(open_descriptors).sum()
    }

    /// Does it run? False when it or one of its children has ended.
    pub fn lives(&mut self) -> bool {
        let ended = self.child.try_wait();
        let all = self.pids.iter().all(|pid| resident_bytes(*pid).is_some());
        matches!(ended, Ok(None)) && all
    }
}
