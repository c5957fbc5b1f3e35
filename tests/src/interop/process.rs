//! Processes of others: a server that listens, a client whose word on its cases is taken.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{interval, timeout};

use super::case::{CANCEL_SEEN, CANCELLED_CALLS, Case};
use super::peer::{Peer, Run, Tells};
use super::tap::Tap;
use super::tonic;
use crate::tools::free_address;

/// Longest a server may take to listen, and a client for one case; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is said of a case when its client says nothing, which is nobody's excuse.
pub const SILENCE: &str = "nothing was said of it";

/// How a case ended: nothing, or what was wrong.
pub type Ended = Result<(), String>;

/// A server of others. Killed when dropped; tonic's ends with the runtime.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    _process: Option<(Child, TempDir)>,
}

/// Times a server is started before that is a failure: its port is free when it is chosen, and may be
/// somebody else's when it is bound.
const STARTS: usize = 3;

impl Server {
    /// Starts the server of `peer`; returns when it listens.
    pub async fn start(peer: Peer) -> Server {
        if peer == Peer::Tonic {
            return Server::in_process(tonic::server::start().await);
        }
        Server::of(|address| peer.server(address)).await
    }

    /// One that needs no process.
    pub fn in_process(address: SocketAddr) -> Server {
        Server {
            address,
            _process: None,
        }
    }

    /// Starts the process that `command` makes for an address; returns when it listens.
    pub async fn of(command: impl Fn(SocketAddr) -> Option<Command>) -> Server {
        let mut last = "there is no such program".to_owned();
        for _ in 0..STARTS {
            let address = free_address();
            let Some(command) = command(address) else {
                break;
            };
            match Server::start_once(command, address).await {
                Ok(server) => return server,
                Err(reason) => last = reason,
            }
        }
        panic!("a server does not serve: {last}");
    }

    async fn start_once(command: Command, address: SocketAddr) -> Result<Server, String> {
        let said = format!("{:?}", command.as_std());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = folder.path().join("log");
        let mut process = start(command, &log).expect("the server starts");
        let listens = tokio::select! {
            listens = timeout(PATIENCE, until_listening(address)) => listens.is_ok(),
            _ = process.wait() => false,
        };
        if !listens {
            return Err(format!("{said}: {}", tail(&log)));
        }
        Ok(Server {
            address,
            _process: Some((process, folder)),
        })
    }
}

async fn until_listening(address: SocketAddr) {
    let mut turn = interval(Duration::from_millis(20));
    while TcpStream::connect(address).await.is_err() {
        turn.tick().await;
    }
}

fn start(mut command: Command, log: &Path) -> std::io::Result<Child> {
    let log = File::create(log)?;
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(log).kill_on_drop(true).spawn()
}

/// The end of what a process had to say, on one line.
pub fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let last = lines.iter().rev().take(3).rev();
    last.copied().collect::<Vec<_>>().join(" / ")
}

/// Runs one client process; a case it says nothing of is a failed one.
pub async fn run(run: Run, tap: &Tap) -> Vec<(Case, Ended)> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = folder.path().join("log");
    let process = start(run.command, &log).expect("the client starts");
    let mut ended = match run.tells {
        Tells::ByExit => vec![(run.cases[0], by_exit(process).await)],
        Tells::ByLine => by_line(process, &run.cases, tap).await,
    };
    for case in run.cases {
        if !ended.iter().any(|(told, _)| *told == case) {
            ended.push((case, Err(SILENCE.to_owned())));
        }
    }
    for (_, ended) in &mut ended {
        if let Err(reason) = ended
            && reason.is_empty()
        {
            *reason = tail(&log);
        }
    }
    ended
}

/// Errors are empty: the reason is in the log.
async fn by_exit(mut process: Child) -> Ended {
    match timeout(PATIENCE, process.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(_) => Err(String::new()),
        Err(_) => Err("it hangs".to_owned()),
    }
}

async fn by_line(mut process: Child, cases: &[Case], tap: &Tap) -> Vec<(Case, Ended)> {
    let stdout = process.stdout.take().expect("standard output is piped");
    let mut lines = BufReader::new(stdout).lines();
    let cancelled_before = tap.cancelled();
    let mut told = Vec::new();
    while let Ok(Ok(Some(line))) = timeout(PATIENCE, lines.next_line()).await {
        let Some((case, mut ended)) = parse(&line, cases) else {
            continue;
        };
        if case == CANCEL_SEEN && ended.is_ok() {
            ended = cancelled(tap, cancelled_before + CANCELLED_CALLS).await;
        }
        told.push((case, ended));
    }
    told
}

/// What [`CANCEL_SEEN`] asks for beyond the client's word: `count` cancellations in all.
pub async fn cancelled(tap: &Tap, count: u64) -> Ended {
    let seen = timeout(PATIENCE, tap.until_cancelled(count)).await;
    seen.map_err(|_| format!("{} of {count} cancellations arrived", tap.cancelled()))
}

/// `CASE pass` or `CASE fail: REASON`; anything else is a library's chatter.
fn parse(line: &str, cases: &[Case]) -> Option<(Case, Ended)> {
    let (name, word) = line.split_once(' ')?;
    let case = cases.iter().find(|case| case.0 == name)?;
    match word.strip_prefix("fail: ") {
        Some(reason) => Some((*case, Err(reason.to_owned()))),
        None => (word == "pass").then_some((*case, Ok(()))),
    }
}
