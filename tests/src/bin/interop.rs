//! Runs every interop client against every interop server and writes docs/INTEROP.md.
//!
//! `cargo run -p outrider-tests --bin interop`; exits with 1 when a case fails only through the pair of
//! sidecars, with 2 when a peer is missing.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, ExitCode};

use outrider_tests::interop::{self, Peer, Row, matrix};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/INTEROP.md");

#[tokio::main]
async fn main() -> ExitCode {
    let (present, missing) = interop::present();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        eprintln!("interop: run tests/install-peers.sh; missing: {missing}");
        return ExitCode::from(2);
    }
    let rows = interop::whole(&present).await;
    let counts = matrix::count(&rows);
    if let Err(error) = std::fs::write(Path::new(PAGE), page(&rows)) {
        eprintln!("interop: {PAGE}: {error}");
        return ExitCode::FAILURE;
    }
    eprintln!("{}{counts:?}", matrix::reasons(&rows));
    if counts.failed > 0 {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The whole page: what was run, under which conditions, and what came of it.
fn page(rows: &[Row]) -> String {
    let mut text = INTRODUCTION.to_owned();
    let counts = matrix::count(rows);
    let write = write!(
        text,
        "## Figures\n\n{} at commit {}, {} processors, {}. {} cells: {} pass, {} are not offered \
         (`-`), {} fail.\n\n",
        output("date", &["-u", "+%F"]),
        output("git", &["rev-parse", "--short", "HEAD"]),
        std::thread::available_parallelism().map_or(0, usize::from),
        versions(),
        rows.len(),
        counts.passed,
        counts.not_offered,
        counts.failed,
    );
    write.expect("a string takes all");
    text + &matrix::tables(rows) + REASONS + &matrix::reasons(rows)
}

fn versions() -> String {
    let versions = Peer::ALL.map(|peer| format!("{} {}", peer.name(), peer.version()));
    versions.join(", ")
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().to_owned()
}

const REASONS: &str = "### What did not pass

With the words of the first client that met it.

";

const INTRODUCTION: &str = "# Interop

gRPC's own interop cases, and ours on what a proxy could hold back, between the gRPC implementations
of others. Each server stands behind a pair of sidecars: client, its sidecar, mutual TLS on loopback,
the server's sidecar, server. This page is written by

    cargo run -p outrider-tests --bin interop

and `cargo test -p outrider-tests --test interop` runs the quick part of it in CI: each client against
two servers of others. `tests/install-peers.sh` installs the peers; what they are and what the cases
ask for is in [`tests/peers/README.md`](../tests/peers/README.md).

- **The programs** are the official interop programs of grpc-go and grpc-java, with cases of ours over
  the same libraries for what the official ones lack. grpcio (C-core), grpc-js and tonic ship none, so
  theirs are ours, over the same protocol. Dubbo 3 speaks Triple, which is gRPC on the wire; it is asked
  for what its interfaces have words for.
- **Routing.** The clients are given the sidecar's address, so their `:authority` is `127.0.0.1:PORT`.
  A loopback authority names no service; the sidecar takes the gRPC service in the path. The document
  lists `grpc.testing.TestService` and `grpc.testing.UnimplementedService`, so that it is the server
  that says what it lacks. Dubbo takes a loopback address for a mistake and connects to the machine's
  own address instead, where no sidecar listens: it is given the service's name, which a hosts file
  leads to 127.0.0.1 ([`tests/peers/dubbo/hosts`](../tests/peers/dubbo/hosts)), so its calls are routed
  by their authority. An application on Dubbo needs the same.
- **`pass`** is through the pair. **`-`** means that the two do not offer each other the case: it failed
  through the pair and then without sidecars too. **`FAIL`** is the mesh's fault: it failed only
  through the pair, and passed three times without. An empty cell was not asked for.
- `cancel_seen` is judged on the wire: a relay before the server counts RST_STREAM frames.
- tonic's client has no error for a call that it cancels itself: dropping the call is the cancellation,
  and the connection must serve on. Its own timer says CANCELLED; the case takes that or
  DEADLINE_EXCEEDED.

";

#[cfg(test)]
mod tests {
    use super::*;
    use outrider_tests::interop::{Outcome, case};

    #[test]
    fn the_page_names_every_case_and_what_did_not_pass() {
        let row = |case, outcome| Row {
            client: Peer::Go,
            server: Peer::Java,
            case,
            outcome,
        };
        let mut rows: Vec<Row> = case::all().map(|case| row(case, Outcome::Passed)).collect();
        rows[0].outcome = Outcome::NotOffered("no `such` case".to_owned());
        rows[1].outcome = Outcome::Failed("lost".to_owned());

        let page = page(&rows);

        for case in case::all() {
            assert!(page.contains(&format!("| {} |", case.0)), "{}", case.0);
        }
        assert!(page.contains("24 cells: 22 pass, 1 are not offered (`-`), 1 fail."));
        assert!(page.contains("- `FAIL` every_status_code with grpc-java: grpc-go says `lost`"));
    }
}
