//! The programs of the control: a client and a server of each peer that do what a script says.
//!
//! `tests/peers/README.md` has how they are started and what they read and say. Decides nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Map, Value};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::case::Case;
use super::outcome::Outcome;
use super::tonic;
use crate::interop::Peer;
use crate::interop::peer::{java, node, program, python};
use crate::interop::process::{Server, tail};
use crate::tools::installed;

/// Those that have a program of the control.
pub const PEERS: [Peer; 5] = [Peer::Go, Peer::Java, Peer::Python, Peer::Node, Peer::Tonic];

/// The name of the service in the mesh, and the authority that clients call.
pub const SERVICE: &str = "echo";
/// Its gRPC service; its method is `Do`.
pub const GRPC_SERVICE: &str = "control.Echo";

/// Longest a client may take for one case; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// The first file of `peer`'s program that is not on this machine.
pub fn missing(peer: Peer) -> Option<PathBuf> {
    let file = match peer {
        Peer::Go => "go/control",
        Peer::Java => "java/classes/control/Control.class",
        Peer::Python => "grpcio/bin/python",
        Peer::Node => "node/made-from",
        Peer::Tonic => return None,
        Peer::Dubbo => "no such program",
    };
    Some(installed().join(file)).filter(|path| !path.exists())
}

/// `None` where there is no process: tonic's is this one.
fn command(peer: Peer) -> Option<Command> {
    match peer {
        Peer::Go => Some(program("go/control")),
        Peer::Java => Some(java("control.Control")),
        Peer::Python => Some(python("control.py")),
        Peer::Node => Some(node("control.js")),
        Peer::Tonic | Peer::Dubbo => None,
    }
}

/// Starts the server of `peer`, with options of a ground.
pub(crate) async fn serve(peer: Peer, options: &[(&'static str, u32)]) -> Server {
    let option = |(name, value): &(&str, u32)| ((*name).to_owned(), Value::from(*value));
    let options: Map<String, Value> = options.iter().map(option).collect();
    if peer == Peer::Tonic {
        let streams = options
            .get("max_concurrent_streams")
            .and_then(Value::as_u64);
        let streams = streams.and_then(|streams| u32::try_from(streams).ok());
        return Server::in_process(tonic::server::start(streams).await);
    }
    let options = Value::Object(options).to_string();
    let program = |address: SocketAddr| {
        let mut command = command(peer)?;
        command.args(["server", &address.port().to_string(), &options]);
        Some(command)
    };
    Server::of(program).await
}

/// A client that runs case after case. Killed when dropped.
pub(crate) enum Client {
    /// tonic's.
    Here,
    /// All others.
    Program(Box<Program>),
}

/// A client's process.
pub(crate) struct Program {
    peer: Peer,
    cases: ChildStdin,
    outcomes: Lines<BufReader<ChildStdout>>,
    folder: TempDir,
    _process: Child,
}

impl Client {
    /// Starts the client of `peer`.
    pub(crate) fn start(peer: Peer) -> Client {
        let Some(mut command) = command(peer) else {
            return Client::Here;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        command.args(["client", SERVICE]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let process = command.stderr(log).kill_on_drop(true).spawn();
        let mut process = process.expect("the client starts");
        let outcomes = process.stdout.take().expect("standard output is piped");
        Client::Program(Box::new(Program {
            peer,
            cases: process.stdin.take().expect("standard input is piped"),
            outcomes: BufReader::new(outcomes).lines(),
            folder,
            _process: process,
        }))
    }

    /// Runs `case` against `address`.
    ///
    /// # Errors
    /// That the program said nothing, or nothing that can be read; with the end of its log.
    pub(crate) async fn run(
        &mut self,
        case: &Case,
        address: SocketAddr,
    ) -> Result<Outcome, String> {
        let line = case.line(&address.to_string());
        let ended = async {
            match self {
                Client::Here => tonic::client::run(&line, SERVICE).await,
                Client::Program(program) => program.run(&line).await,
            }
        };
        let Ok(ended) = timeout(PATIENCE, ended).await else {
            let why = format!("it hangs; {}", self.log());
            self.start_again();
            return Err(why);
        };
        let ended = ended.and_then(|line| Outcome::of(case, &line));
        ended.map_err(|why| format!("{why}; {}", self.log()))
    }

    /// Ends the program: its late outcome would be read as the next case's.
    fn start_again(&mut self) {
        if let Client::Program(program) = self {
            *self = Client::start(program.peer);
        }
    }

    fn log(&self) -> String {
        match self {
            Client::Here => String::new(),
            Client::Program(program) => tail(&program.folder.path().join("log")),
        }
    }
}

impl Program {
    async fn run(&mut self, line: &str) -> Result<String, String> {
        let written = self.cases.write_all(format!("{line}\n").as_bytes()).await;
        written.map_err(|error| error.to_string())?;
        // What is no line of JSON is a library's chatter.
        while let Ok(Some(line)) = self.outcomes.next_line().await {
            if line.starts_with('{') {
                return Ok(line);
            }
        }
        Err("it ended".to_owned())
    }
}
