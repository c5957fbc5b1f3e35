//! The promise: a connection that ends in good order costs no call. The servers are of others and end
//! each connection when it is a second old; the sidecars replace theirs as often.
//!
//! A minute each; `OUTRIDER_AGING_SECONDS=600` for the long run.

use std::time::Duration;

use outrider_tests::aging::{self, Aging, Server};

/// How long the load lasts. Seconds.
const SECONDS_DEFAULT: u64 = 60;

fn span() -> Duration {
    let asked = std::env::var("OUTRIDER_AGING_SECONDS").ok();
    let asked = asked.and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(asked.unwrap_or(SECONDS_DEFAULT))
}

async fn no_call_fails(peer: Aging) {
    if let Some(missing) = peer.missing() {
        let why = format!("{}: {} is missing", peer.name(), missing.display());
        assert!(
            std::env::var_os("OUTRIDER_REQUIRE_TOOLS").is_none(),
            "{why}; tests/install-peers.sh brings it"
        );
        return eprintln!("!!! SKIPPED: {why}");
    }
    let server = Server::start(peer).await;
    let span = span();
    let report = aging::run(&server, span).await;
    println!("{} for {span:?}: {report:?}", peer.name());
    assert!(report.failures.is_empty(), "{report:?}");
    assert!(report.calls > 100 * span.as_secs(), "{report:?}");
    assert!(report.replaced >= span.as_secs() / 2, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_grpc_go_that_ages_connections_costs_no_call() {
    no_call_fails(Aging::Go).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_grpc_java_that_ages_connections_costs_no_call() {
    no_call_fails(Aging::Java).await;
}
