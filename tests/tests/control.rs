//! The promise: what works without the mesh works through it. grpcio and grpc-go, each as the client
//! and as the server, do the same thing directly and through a sidecar, and see the same.
//!
//! The rows are in `tests/src/control/cases/`; `tests/peers/README.md` says how to add one. Peers that
//! are missing are named and left out, unless `OUTRIDER_REQUIRE_TOOLS=1`.

use std::net::SocketAddr;

use outrider_tests::control::case::Case;
use outrider_tests::control::{cases, differences, differences_at, pauses, present, resets};
use outrider_tests::interop::Peer;
use outrider_tests::tools;

async fn the_mesh_does(rows: Vec<Case>) {
    let peers = [Peer::Go, Peer::Python];
    the_mesh_does_between(&peers, &peers, rows).await;
}

async fn the_mesh_does_between(clients: &[Peer], servers: &[Peer], rows: Vec<Case>) {
    let [clients, servers] = [clients, servers].map(those_present);
    let differences = differences(rows, &clients, &servers).await;
    let count = differences.len();
    assert!(
        differences.is_empty(),
        "{count}:\n{}",
        differences.join("\n")
    );
}

/// With a server of ours at `address`.
async fn the_mesh_does_at(address: SocketAddr, clients: &[Peer], rows: Vec<Case>) {
    let clients = those_present(clients);
    let differences = differences_at(address, rows, &clients).await;
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn those_present(peers: &[Peer]) -> Vec<Peer> {
    let (peers, missing) = present(peers);
    if !missing.is_empty() {
        tools::missing(&missing.join(", "));
    }
    peers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statuses_arrive_as_they_were_sent() {
    the_mesh_does(cases::statuses::rows()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_arrives_as_it_was_sent() {
    the_mesh_does(cases::fields::rows()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_arrive_as_they_were_sent() {
    the_mesh_does(cases::messages::rows()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_and_cancellations_end_the_calls_that_they_end_directly() {
    the_mesh_does(cases::ends::rows()).await;
}

/// tonic's client has no timer for what comes after a head, and calls its own timeout CANCELLED.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_is_one_whosever_timer_fires_first() {
    let clients = [Peer::Go, Peer::Java, Peer::Python, Peer::Node];
    the_mesh_does_between(&clients, &clients, cases::ends::late_rows()).await;
    let rows = cases::ends::few_late_rows();
    the_mesh_does_between(&clients, &[Peer::Tonic], rows).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_is_the_status_that_it_is_directly() {
    let server = resets::serve();
    let clients = [Peer::Go, Peer::Python, Peer::Node];
    the_mesh_does_at(server, &clients, resets::rows()).await;
    the_mesh_does_at(server, &[Peer::Go], resets::begun_rows()).await;
    the_mesh_does_at(server, &[Peer::Tonic], resets::tonic_rows()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_wait_for_a_server_that_pauses() {
    let clients = [Peer::Go, Peer::Python];
    the_mesh_does_at(pauses::serve(), &clients, pauses::rows()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_wait_for_a_server_that_is_not_there() {
    the_mesh_does(cases::ends::absent_rows()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_a_server_hold_nobody_up_whom_they_let_pass_directly() {
    the_mesh_does(cases::streams::rows()).await;
}
