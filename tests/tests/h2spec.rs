//! The promise: HTTP/2 as RFC 9113 and RFC 7541 have it. h2spec's strict cases against the outbound
//! port of a sidecar that forwards to a living backend.
//!
//! h2spec is the binary that `tests/install-peers.sh` builds; without it the test says so and
//! passes, unless `OUTRIDER_REQUIRE_TOOLS=1`.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use http::{Request, Response};
use outrider_daemon::Options;
use outrider_tests::{Sidecar, tools, write_plain_service};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// Longest the whole run may take; reached only when something hangs. A run takes less than 1 s.
const PATIENCE: Duration = Duration::from_secs(240);

/// Strict cases in h2spec 2.2.1, the version that `go install` brings.
const CASES: u32 = 146;

/// h2spec asks for `GET /` of the host it connects to, and a plain request needs the name of a
/// service; `localhost` names none. This is 127.0.0.1 to `getaddrinfo` and a name to the mesh.
const HOST: &str = "2130706433";

/// Octets of an answer: the cases on windows look at how DATA of it is cut.
const ANSWER: &[u8] = &[b'x'; 4_096];

/// Answers every request with 200 and [`ANSWER`].
async fn backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket));
        }
    });
    address
}

async fn serve(socket: TcpStream) {
    let Ok(mut connection) = h2::server::handshake(socket).await else {
        return;
    };
    while let Some(Ok((request, respond))) = connection.accept().await {
        // Many cases go away in the middle of a request.
        tokio::spawn(async move { answer(request, respond).await.ok() });
    }
}

async fn answer(
    request: Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let mut body = request.into_body();
    while let Some(chunk) = body.data().await {
        body.flow_control().release_capacity(chunk?.len())?;
    }
    let mut stream = respond.send_response(Response::new(()), false)?;
    stream.send_data(Bytes::from_static(ANSWER), true)
}

async fn run(program: &Path, port: u16) -> String {
    let mut command = Command::new(program);
    command.args(["--strict", "--host", HOST, "--port"]);
    // Seconds a case waits for its answer; the rest is for a busy machine.
    command.arg(port.to_string()).args(["--timeout", "5"]);
    command.env("GODEBUG", "netdns=cgo").kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = ended.expect("h2spec ends").expect("h2spec runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_strict_case_of_h2spec_passes() {
    let Some(program) = tools::wanted("bin/h2spec") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_plain_service(folder.path(), HOST, backend().await);
    let options = Options {
        // Hundreds of lines about broken calls would hide the report of a failure.
        access_log_file: Some(folder.path().join("access.log")),
        ..Sidecar::options("frontend", folder.path())
    };
    let sidecar = Sidecar::start(options).await.expect("the sidecar starts");

    let report = run(&program, sidecar.addresses().outbound.port()).await;

    let all = format!("{CASES} tests, {CASES} passed, 0 skipped, 0 failed");
    assert!(report.contains(&all), "{report}");
}
