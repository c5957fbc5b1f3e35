//! Runs every load between every two stock peers and writes docs/STOCK.md.
//!
//! `cargo run --release -p outrider-tests --bin stock`; exits with 1 when a load works only without the
//! sidecars, with 2 when a peer is missing. Words on the command line are parts of the names of loads:
//! then only those are run, and the page is printed instead.

use std::fmt::Write;
use std::process::{Command, ExitCode};

use outrider_tests::control::{self, peer};
use outrider_tests::stock::{self, Row, Size, loads, nghttp2, page};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/STOCK.md");

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (present, missing) = control::present(&peer::PEERS);
    let Some(nghttp2) = nghttp2::present().filter(|_| missing.is_empty()) else {
        let missing = missing.join(", ");
        eprintln!("stock: run tests/install-peers.sh; missing: h2load, nghttpd or {missing}");
        return ExitCode::from(2);
    };
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    let mut loads = loads::all(Size::Whole);
    loads.retain(|load| wanted(load.name()));
    let told = |row: &Row| eprintln!("{row:?}");
    let mut rows = stock::run(&loads, &present, |_, _| true, told).await;
    rows.extend(nghttp2::run(Size::Whole, &nghttp2, wanted, told).await);
    let text = text(&rows);
    let written = match words.is_empty() {
        true => std::fs::write(PAGE, text),
        false => {
            println!("{text}");
            Ok(())
        }
    };
    if let Err(error) = written {
        eprintln!("stock: {PAGE}: {error}");
        return ExitCode::FAILURE;
    }
    eprint!("{}", page::reasons(&rows));
    match page::failed(&rows) {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// The whole page: what was run, under which conditions, and what came of it.
fn text(rows: &[Row]) -> String {
    let mut text = INTRODUCTION.to_owned();
    let versions = peer::PEERS.map(|peer| format!("{} {}", peer.name(), peer.version()));
    let write = write!(
        text,
        "## Figures\n\n{} at commit {}, {} processors, {}, {}, a build {}. {} cells: {} work through \
         the pair as they do directly and trip nothing, {} do not work directly (`-`), {} fail.\n\n",
        output("date", &["-u", "+%F"]),
        output("git", &["rev-parse", "--short", "HEAD"]),
        std::thread::available_parallelism().map_or(0, usize::from),
        versions.join(", "),
        output("h2load", &["--version"]).replace("h2load ", ""),
        if cfg!(debug_assertions) {
            "for tests"
        } else {
            "with optimisation"
        },
        rows.len(),
        page::carried(rows),
        rows.len() - page::carried(rows) - page::failed(rows),
        page::failed(rows),
    );
    write.expect("a string takes all");
    text + &page::tables(rows) + REASONS + &page::reasons(rows)
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().to_owned()
}

const REASONS: &str = "### What did not pass

";

const INTRODUCTION: &str = "# Stock peers under load

What applications do on a busy day is not an attack, though each frame of it could be one. Stock clients
and servers carry ordinary heavy loads twice: directly, and through a pair of sidecars with mutual TLS.
What works directly must work through the pair, and no limit may trip on the way. This page is written by

    cargo run --release -p outrider-tests --bin stock

and `cargo test -p outrider-tests --test stock` runs the same loads in small between five of the pairs in
CI. `tests/install-peers.sh` installs the peers; [`tests/peers/README.md`](../tests/peers/README.md) has
what their programs do. The hostile classes, which must not pass, are in [TRUST.md](TRUST.md).

- **A cell** has the seconds of one run, directly and then through the pair, with the start of a channel:
  they show that nothing hangs, and are no benchmark (that is `bench/`). **`-`**: it does not work
  directly either, once or in one of five runs. **`FAIL`**: an end of a call, or a message, differs; or a sidecar counted something of
  `outrider_http2_limits_total`, `outrider_protocol_errors_total`, `outrider_connections_ended_total`,
  `outrider_refusals_total`, `outrider_streams_stalled_total`, `outrider_contained_panics_total`. Of the
  first three labels count nothing against anybody: `resets_received`, `held_for_resets` (calls that
  waited until they were 10 ms old) and `windows_not_grown`.
- **One channel** carries each load, so one connection where the library has no reason for more.
- Sidecars and policies have their defaults, but for the streams that are *open* at once: there the
  service's policy has `limits: { calls: 10000, waiting: 10000 }` and the sidecars `--limits
  outbound-streams=10000`.
- grpcio's server is started with `grpc.server.max_pending_requests`: from 1,000 calls on that no
  handler has taken yet, C-core refuses at random, with and without a mesh.
- **tonic's server loses calls of callers that cancel**, on a busy machine. The h2 crate ends a connection
  with GOAWAY ENHANCE_YOUR_CALM `too_many_resets` when more than 20 streams were reset that it had read and
  tonic had not taken up (`http2_max_pending_accept_reset_streams`): it reads all that waits in its socket first. Its
  GOAWAY names the last stream that it has read, so no call on the connection was surely not begun, and
  none can be made again. The pair neither makes it worse nor better: with 600 calls of 60 callers, half of them
  cancelled within 5 ms, six runs each from grpcio, grpc-go and grpc-java, a build for tests at a load
  average of 14 on 2 processors, 878 of 10,800 calls were lost directly and 836 through the pair
  (2026-12-01). The caller gets UNAVAILABLE, and its message has the server's words.

";

#[cfg(test)]
mod tests {
    use super::*;
    use outrider_tests::stock::Outcome;
    use std::time::Duration;

    #[test]
    fn the_page_has_the_figures_and_what_did_not_pass() {
        let row = |server, outcome| Row {
            client: "grpc-go",
            server,
            load: "a load".to_owned(),
            outcome,
            took: [Duration::from_millis(120), Duration::from_millis(340)],
        };
        let rows = [
            row("grpc-java", Outcome::Same),
            row("grpc-js", Outcome::NotOffered("no `such` load".to_owned())),
            row("tonic", Outcome::Failed("lost".to_owned())),
        ];

        let page = text(&rows);

        assert!(
            page.contains("| grpc-go | 0.12 / 0.34 | - | FAIL |"),
            "{page}"
        );
        assert!(page.contains("3 cells: 1 work"), "{page}");
        assert!(
            page.contains("- `FAIL` a load, grpc-go to tonic: `lost`"),
            "{page}"
        );
    }
}
