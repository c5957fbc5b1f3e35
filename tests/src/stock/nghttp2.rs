//! nghttp2's h2load against its nghttpd: HTTP/2 that is no gRPC, from the library that browsers, curl
//! and grpc-js share.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Duration, Instant, timeout};

use super::loads::{Size, thousands};
use super::{Outcome, Row, counters};
use crate::control::case::Case;
use crate::control::peer::SERVICE;
use crate::hops::{Hops, Way};
use crate::interop::process::Server;
use crate::tools::find;

/// Longest a load may take; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// What h2load is asked for: requests, at once, and octets that go each way with each.
struct Load {
    name: String,
    requests: usize,
    at_once: usize,
    octets: usize,
}

fn loads(size: Size) -> [Load; 4] {
    let load = |name: &str, requests: usize, at_once, octets| Load {
        name: name.replace("{}", &thousands(requests)),
        requests,
        at_once,
        octets,
    };
    let (streams, many, calls) = (
        size.of(150, 1_500),
        size.of(300, 5_000),
        size.of(1_000, 20_000),
    );
    let big = size.of(8, 1_024) << 20;
    let at_once = "{} requests of HTTP/2, begun at once";
    [
        load(at_once, streams, streams, 10),
        load(at_once, many, many, 10),
        load("{} short requests of HTTP/2, 100 at a time", calls, 100, 10),
        load(
            &format!("a request of {} MiB each way", thousands(big >> 20)),
            1,
            1,
            big,
        ),
    ]
}

/// Both programs, if they are on this machine.
pub fn present() -> Option<[PathBuf; 2]> {
    Some([find("h2load")?, find("nghttpd")?])
}

/// The rows, as far as `wanted` by name; `told` hears of each.
pub async fn run(
    size: Size,
    [h2load, nghttpd]: &[PathBuf; 2],
    wanted: impl Fn(&str) -> bool,
    mut told: impl FnMut(&Row),
) -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::of(|address| Some(serve(nghttpd, address, folder.path()))).await;
    let ground = Case::new("", []).ground;
    let way = Way::to(ground.served(&[]), Hops::Pair, server.address).await;
    let mut rows = Vec::new();
    for load in loads(size).iter().filter(|load| wanted(&load.name)) {
        let begun = Instant::now();
        let direct = ask(h2load, load, server.address, &folder).await;
        let first = begun.elapsed();
        let before = counters::of(&way).await;
        let begun = Instant::now();
        let through = ask(h2load, load, way.address(), &folder).await;
        let took = [first, begun.elapsed()];
        let tripped = counters::told(&before, counters::of(&way).await);
        let outcome = match (direct, through) {
            (Err(why), _) => Outcome::NotOffered(why),
            (Ok(()), Err(why)) => Outcome::Failed(format!("{why}; tripped: {tripped}")),
            (Ok(()), Ok(())) if !tripped.is_empty() => {
                Outcome::Failed(format!("tripped: {tripped}"))
            }
            (Ok(()), Ok(())) => Outcome::Same,
        };
        rows.push(Row {
            client: "h2load",
            server: "nghttpd",
            load: load.name.clone(),
            outcome,
            took,
        });
        told(&rows[rows.len() - 1]);
    }
    rows
}

/// A server that sends back what comes.
fn serve(nghttpd: &Path, address: SocketAddr, folder: &Path) -> Command {
    let mut command = Command::new(nghttpd);
    command.args([
        "--no-tls",
        "--echo-upload",
        "--max-concurrent-streams=10000",
    ]);
    command
        .args(["--address", &address.ip().to_string(), "--htdocs"])
        .arg(folder);
    command.arg(address.port().to_string());
    command
}

async fn ask(h2load: &Path, load: &Load, at: SocketAddr, folder: &TempDir) -> Result<(), String> {
    let body = folder.path().join("body");
    std::fs::write(&body, vec![b'x'; load.octets]).map_err(|error| error.to_string())?;
    let mut command = Command::new(h2load);
    command.args(["--clients=1", &format!("--requests={}", load.requests)]);
    command.arg(format!("--max-concurrent-streams={}", load.at_once));
    command.arg(format!("--header=:authority: {SERVICE}"));
    command.arg(format!("--data={}", body.display()));
    command.arg(format!("http://{at}/"));
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await;
    let output = output.map_err(|_| "it hangs".to_owned())?;
    let said = output.map_err(|error| error.to_string())?.stdout;
    let said = String::from_utf8_lossy(&said);
    let all = format!(
        " {} succeeded, 0 failed, 0 errored, 0 timeout",
        load.requests
    );
    let good = format!("status codes: {} 2xx", load.requests);
    if said.contains(&all) && said.contains(&good) {
        return Ok(());
    }
    let told = |line: &&str| line.starts_with("requests:") || line.starts_with("status codes:");
    let told: Vec<&str> = said.lines().filter(told).collect();
    Err(told.join(" "))
}
