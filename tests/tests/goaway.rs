//! The promise: a connection that ends in good order costs no call. The servers are of others and end
//! each connection when it is a second old; the sidecars replace theirs as often.
//!
//! A minute each; the long run is `trust --long --only aging`.

use std::time::Duration;

use outrider_tests::aging::{self, Aging, Server};
use outrider_tests::tools;

/// How long the load lasts.
const SPAN: Duration = Duration::from_secs(60);

async fn no_call_fails(peer: Aging) {
    if let Some(missing) = peer.missing() {
        return tools::missing(&missing.display().to_string());
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
