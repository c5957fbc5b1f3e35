//! The gRPC implementations of others: their programs here, and what each is started with.
//!
//! `tests/install-peers.sh` brings them. Decides nothing of what must pass.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::case::Case;
use crate::tools::installed;

/// The name of the service that every server is, in the mesh and in `peers/dubbo/hosts`.
pub const SERVICE: &str = "interop";

/// An implementation of gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// grpc-go: its own interop client and server, and cases of ours over it.
    Go,
    /// grpc-java: its own interop client, driven by a class of ours, and its own server.
    Java,
    /// grpcio, C-core: programs of ours.
    Python,
    /// grpc-js: programs of ours.
    Node,
    /// tonic: programs of ours that need no process.
    Tonic,
    /// Dubbo 3 with Triple: programs of ours.
    Dubbo,
}

/// How a client program says how its cases ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells {
    /// One case a process, by its exit code.
    ByExit,
    /// A line for each case, as `tests/peers/README.md` has it.
    ByLine,
}

/// A client process that is about to run.
#[derive(Debug)]
pub struct Run {
    /// What to start.
    pub command: Command,
    /// What it was asked for.
    pub cases: Vec<Case>,
    /// How it says how they ended.
    pub tells: Tells,
}

/// Cases that grpc-go's own interop client has.
const OF_OFFICIAL_GO: [&str; 14] = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "custom_metadata",
    "status_code_and_message",
    "special_status_message",
    "unimplemented_method",
    "unimplemented_service",
    "cancel_after_begin",
    "cancel_after_first_response",
    "timeout_on_sleeping_server",
];

/// Cases that Dubbo's interfaces have words for: it has no cancellation, and opens a stream with its
/// first message.
const OF_DUBBO: [&str; 10] = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "status_code_and_message",
    "special_status_message",
    "every_status_code",
    "half_close",
    "round_trips",
];

impl Peer {
    /// All, in the order of the matrix.
    pub const ALL: [Peer; 6] = [
        Peer::Go,
        Peer::Java,
        Peer::Python,
        Peer::Node,
        Peer::Tonic,
        Peer::Dubbo,
    ];

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Peer::Go => "grpc-go",
            Peer::Java => "grpc-java",
            Peer::Python => "grpcio",
            Peer::Node => "grpc-js",
            Peer::Tonic => "tonic",
            Peer::Dubbo => "Dubbo",
        }
    }

    /// Its version, from the file that pins it.
    pub fn version(self) -> String {
        let (file, mark) = match self {
            Peer::Go => ("peers/go/go.mod", "google.golang.org/grpc v"),
            Peer::Java => (
                "peers/java/pom.xml",
                "grpc-interop-testing</artifactId>\n      <version>",
            ),
            Peer::Python => ("install-peers.sh", "GRPCIO="),
            Peer::Node => ("peers/node/package.json", "grpc-js\": \""),
            Peer::Tonic => ("../Cargo.toml", "tonic = { version = \""),
            Peer::Dubbo => ("peers/dubbo/pom.xml", "dubbo</artifactId>\n      <version>"),
        };
        let text = std::fs::read_to_string(sources().join(file)).unwrap_or_default();
        let version = text.split_once(mark).map(|(_, rest)| rest).unwrap_or("?");
        let end = version.find(|c: char| c != '.' && !c.is_ascii_digit());
        version[..end.unwrap_or(version.len())].to_owned()
    }

    /// The first of its files that is not on this machine.
    pub fn missing(self) -> Option<PathBuf> {
        let files: &[&str] = match self {
            Peer::Go => &["go/official-client", "go/official-server", "go/interop"],
            Peer::Java => &["java/made-from"],
            Peer::Python => &["grpcio/bin/python"],
            Peer::Node => &["node/made-from"],
            Peer::Tonic => &[],
            Peer::Dubbo => &["dubbo/made-from"],
        };
        let mut paths = files.iter().map(|file| installed().join(file));
        paths.find(|path| !path.exists())
    }

    /// What serves `grpc.testing.TestService` in plaintext at `address`; none is needed for tonic.
    pub fn server(self, address: SocketAddr) -> Option<Command> {
        let port = address.port();
        let ours = ["server".to_owned(), port.to_string()];
        match self {
            Peer::Go => {
                let arguments = [format!("-port={port}")];
                Some(with(program("go/official-server"), arguments))
            }
            Peer::Java => {
                let class = "io.grpc.testing.integration.TestServiceServer";
                let arguments = ["--use_tls=false".to_owned(), format!("--port={port}")];
                Some(with(java(class), arguments))
            }
            Peer::Python => Some(with(python("interop.py"), ours)),
            Peer::Node => Some(with(node("interop.js"), ours)),
            Peer::Tonic => None,
            Peer::Dubbo => Some(with(dubbo(), ours)),
        }
    }

    /// The processes that run `cases` against `target`; tonic has none.
    pub fn client(self, target: SocketAddr, cases: &[Case]) -> Vec<Run> {
        match self {
            Peer::Go => go_client(target, cases),
            Peer::Java => by_line(java("interop.Interop"), target, cases)
                .into_iter()
                .collect(),
            Peer::Python => by_line(python("interop.py"), target, cases)
                .into_iter()
                .collect(),
            Peer::Node => by_line(node("interop.js"), target, cases)
                .into_iter()
                .collect(),
            Peer::Tonic => Vec::new(),
            Peer::Dubbo => {
                let run = by_name(dubbo(), SERVICE, target.port(), cases);
                run.into_iter().collect()
            }
        }
    }

    /// Whether it is asked for `case`, as a client or as a server.
    pub fn offers(self, case: Case) -> bool {
        match self {
            Peer::Dubbo => OF_DUBBO.contains(&case.0),
            Peer::Go | Peer::Java | Peer::Python | Peer::Node | Peer::Tonic => true,
        }
    }
}

fn go_client(target: SocketAddr, cases: &[Case]) -> Vec<Run> {
    let (official, ours): (Vec<Case>, Vec<Case>) = cases
        .iter()
        .partition(|case| OF_OFFICIAL_GO.contains(&case.0));
    let one = |case: &Case| Run {
        command: with(
            program("go/official-client"),
            [
                format!("-server_host={}", target.ip()),
                format!("-server_port={}", target.port()),
                format!("-test_case={}", case.0),
            ],
        ),
        cases: vec![*case],
        tells: Tells::ByExit,
    };
    let mut runs: Vec<Run> = official.iter().map(one).collect();
    runs.extend(by_line(program("go/interop"), target, &ours));
    runs
}

/// A program of ours at a loopback address.
fn by_line(command: Command, target: SocketAddr, cases: &[Case]) -> Option<Run> {
    by_name(command, &target.ip().to_string(), target.port(), cases)
}

/// A program of ours: `client HOST PORT CASE...`.
fn by_name(command: Command, host: &str, port: u16, cases: &[Case]) -> Option<Run> {
    let address = ["client".to_owned(), host.to_owned(), port.to_string()];
    let names = cases.iter().map(|case| case.0.to_owned());
    (!cases.is_empty()).then(|| Run {
        command: with(command, address.into_iter().chain(names)),
        cases: cases.to_vec(),
        tells: Tells::ByLine,
    })
}

fn with(mut command: Command, arguments: impl IntoIterator<Item = String>) -> Command {
    command.args(arguments);
    command
}

/// A class of grpc-java's, or ours beside it.
pub(crate) fn java(class: &str) -> Command {
    jvm("java", class)
}

fn dubbo() -> Command {
    let hosts = sources().join("peers/dubbo/hosts");
    let mut command = jvm("dubbo", "interop.DubboInterop");
    let option = format!("-Djdk.net.hosts.file={}", hosts.display());
    command.env("JDK_JAVA_OPTIONS", option);
    command
}

/// A JVM that starts fast: that is most of its time.
fn jvm(folder: &str, class: &str) -> Command {
    let [classes, library] = ["classes", "lib/*"].map(|path| installed().join(folder).join(path));
    let mut command = quiet(Command::new("java"));
    command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"]);
    command.arg(format!("{}:{}", classes.display(), library.display()));
    command.arg(class);
    command
}

/// A program of `peers/python`.
pub(crate) fn python(file: &str) -> Command {
    let mut command = program("grpcio/bin/python");
    command.arg(sources().join("peers/python").join(file));
    command
}

/// A program of `peers/node`.
pub(crate) fn node(file: &str) -> Command {
    let mut command = quiet(Command::new("node"));
    command.env("NODE_PATH", installed().join("node/node_modules"));
    command.arg(sources().join("peers/node").join(file));
    command
}

pub(crate) fn program(path: &str) -> Command {
    quiet(Command::new(installed().join(path)))
}

/// Without the proxies of this machine, which the libraries would use for loopback too.
fn quiet(mut command: Command) -> Command {
    for name in ["http_proxy", "https_proxy", "grpc_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
}

/// This crate's folder, where the programs' sources are.
fn sources() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
