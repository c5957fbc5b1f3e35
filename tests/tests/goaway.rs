//! The promise: a connection that ends in good order costs no call. The servers are of others and end
//! each connection when it is a second old; the sidecars replace theirs as often.
//!
//! A minute each; the long run is `trust --long --only aging`.

use std::time::Duration;

use outrider_tests::aging::{self, Aging, Server};

/// How long the load lasts.
const SPAN: Duration = Duration::from_secs(60);

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
    let report = aging::run(&server, SPAN).await;
    println!("{} for {SPAN:?}: {report:?}", peer.name());
    assert_eq!(report.complaint(SPAN), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_grpc_go_that_ages_connections_costs_no_call() {
    no_call_fails(Aging::Go).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_grpc_java_that_ages_connections_costs_no_call() {
    no_call_fails(Aging::Java).await;
}
