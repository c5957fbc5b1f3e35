//! Servers of others that end each connection when it is a second old, under load through a pair of
//! sidecars whose own connections live no longer.
//!
//! Promise: no unary call fails, however many connections end (gRFC A9, RFC 9113 6.8). The load is
//! of a method that nobody declared idempotent: what is tried again is surely unprocessed.

mod server;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use outrider_daemon::Options;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use crate::{Authority, Caller, Sidecar, write_document, write_service_of};

pub use server::{Aging, Server};

/// Connections of the caller's application, and calls at once on each.
const CONNECTIONS: usize = 4;
const CALLS_AT_ONCE: usize = 4;

/// Between two calls of a loop: steady load, and time for the others on a small machine.
const PAUSE: Duration = Duration::from_millis(5);

/// A gRPC message of no octets.
const EMPTY_MESSAGE: [u8; 5] = [0; 5];

/// What the documents say of the connections between the sidecars.
const MESH: &str = "apiVersion: outrider.dev/v1\nkind: Mesh\nmetadata: { name: mesh }\n\
                    spec: { connections: { maxAge: 1s } }\n";

/// What came of the load.
#[derive(Debug, Default)]
pub struct Report {
    /// Calls that ended.
    pub calls: u64,
    /// Those that ended with anything but OK, by what was said.
    pub failures: BTreeMap<String, u64>,
    /// Connections between the sidecars that one of them replaced for its age.
    pub replaced: u64,
}

impl Report {
    /// What breaks the promise, or shows that `span` was too quiet to try it.
    pub fn complaint(&self, span: Duration) -> Option<String> {
        if !self.failures.is_empty() {
            return Some(format!("calls failed: {:?}", self.failures));
        }
        let seconds = span.as_secs();
        let quiet = self.calls <= 100 * seconds || self.replaced < seconds / 2;
        quiet.then(|| format!("too little happened in {span:?}: {self:?}"))
    }
}

/// Calls an aging server for `span` through a pair of sidecars.
pub async fn run(server: &Server, span: Duration) -> Report {
    let pair = Pair::start(server.address).await;
    let mut loops = JoinSet::new();
    let end = Instant::now() + span;
    for _ in 0..CONNECTIONS {
        let caller = Caller::connect(pair.caller.addresses().outbound).await;
        for _ in 0..CALLS_AT_ONCE {
            loops.spawn(call_until(caller.clone(), end));
        }
    }
    let mut report = Report::default();
    while let Some(ended) = loops.join_next().await {
        let (calls, failures) = ended.expect("a caller does not panic");
        report.calls += calls;
        for failure in failures {
            *report.failures.entry(failure).or_default() += 1;
        }
    }
    report.replaced = pair.replaced().await;
    report
}

async fn call_until(caller: Caller, end: Instant) -> (u64, Vec<String>) {
    let (mut calls, mut failures) = (0, Vec::new());
    let path = "/grpc.testing.TestService/EmptyCall";
    let mut pause = interval(PAUSE);
    while Instant::now() < end {
        pause.tick().await;
        calls += 1;
        match caller.call("localhost", path, &EMPTY_MESSAGE).await {
            Ok(reply) if reply.grpc_status == "0" => {}
            Ok(reply) => failures.push(format!("{}: {}", reply.grpc_status, reply.grpc_message)),
            Err(error) => failures.push(error.to_string()),
        }
    }
    (calls, failures)
}

/// The server's sidecar and a caller's.
struct Pair {
    caller: Sidecar,
    callee: Sidecar,
    _folders: [TempDir; 3],
}

impl Pair {
    async fn start(server: SocketAddr) -> Pair {
        let folders = [(); 3].map(|()| tempfile::tempdir().expect("a temporary folder"));
        let [documents, of_callee, of_caller] = &folders;
        let authority = Authority::new();
        write_document(documents.path(), "mesh.yaml", MESH);
        // Where the callee listens is known only when it listens.
        say(documents, SocketAddr::from(([127, 0, 0, 1], 1)));
        let callee = Sidecar::start(Options {
            app: Some(server),
            identity: Some(authority.issue(of_callee.path(), "aging")),
            ..Sidecar::options("aging", documents.path())
        });
        let callee = callee.await.expect("the callee's sidecar starts");
        let inbound = callee.addresses().inbound;
        say(documents, inbound.expect("it has an application"));
        let caller = Sidecar::start(Options {
            identity: Some(authority.issue(of_caller.path(), "caller")),
            ..Sidecar::options("caller", documents.path())
        });
        Pair {
            caller: caller.await.expect("the caller's sidecar starts"),
            callee,
            _folders: folders,
        }
    }

    async fn replaced(&self) -> u64 {
        let mut replaced = 0;
        for (sidecar, end) in [(&self.caller, "upstream"), (&self.callee, "downstream")] {
            let series = format!("outrider_connections_ended_total{{end=\"{end}\",cause=\"age\"}}");
            replaced += sidecar.admin().metric(&series).await as u64;
        }
        replaced
    }
}

fn say(documents: &TempDir, endpoint: SocketAddr) {
    let service = "grpc.testing.TestService";
    let endpoint = endpoint.to_string();
    write_service_of(documents.path(), "aging", service, "mesh", &endpoint);
}
