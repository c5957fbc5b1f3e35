//! The aging servers of tests/peers, as processes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{interval, timeout};

use crate::tools::{free_address, installed};

/// Longest a server may take to listen and to end its first connection; reached only when something
/// hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// An implementation of gRPC whose server can end connections for their age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aging {
    /// grpc-go: `tests/peers/go/aging`.
    Go,
    /// grpc-java: `tests/peers/java/aging`.
    Java,
}

impl Aging {
    /// Both.
    pub const ALL: [Aging; 2] = [Aging::Go, Aging::Java];

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Aging::Go => "grpc-go",
            Aging::Java => "grpc-java",
        }
    }

    /// The first of its files that is not on this machine; `tests/install-peers.sh` brings it.
    pub fn missing(self) -> Option<PathBuf> {
        let file = match self {
            Aging::Go => "go/aging",
            Aging::Java => "java/classes/aging/Aging.class",
        };
        Some(installed().join(file)).filter(|path| !path.exists())
    }

    fn command(self, port: u16) -> Command {
        let mut command = match self {
            Aging::Go => Command::new(installed().join("go/aging")),
            Aging::Java => {
                let classes = installed().join("java/classes");
                let library = installed().join("java/lib/*");
                let mut command = Command::new("java");
                command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"]);
                command.arg(format!("{}:{}", classes.display(), library.display()));
                command.arg("aging.Aging");
                command
            }
        };
        command.arg(port.to_string());
        command
    }
}

/// A server that listens. Killed when dropped.
#[derive(Debug)]
pub struct Server {
    /// Where.
    pub address: SocketAddr,
    _process: Child,
}

impl Server {
    /// Starts the server of `peer`; returns when it has ended a connection for its age.
    pub async fn start(peer: Aging) -> Server {
        let address = free_address();
        let mut command = peer.command(address.port());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let process = command.stderr(Stdio::null()).kill_on_drop(true).spawn();
        let server = Server {
            address,
            _process: process.expect("the server starts"),
        };
        let aged = timeout(PATIENCE, until_aged(address)).await;
        assert!(aged.is_ok(), "{} does not age connections", peer.name());
        server
    }
}

/// Returns when the server has ended a connection that nobody used.
async fn until_aged(address: SocketAddr) {
    let mut turn = interval(Duration::from_millis(20));
    let socket = loop {
        turn.tick().await;
        if let Ok(socket) = TcpStream::connect(address).await {
            break socket;
        }
    };
    let made = h2::client::handshake(socket).await;
    let (_requests, connection) = made.expect("it speaks HTTP/2");
    let _ = connection.await;
}
