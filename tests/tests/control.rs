//! The promise: what works without the mesh works through it. grpcio and grpc-go, each as the client
//! and as the server, do the same thing directly and through a sidecar, and see the same.
//!
//! The rows are in `tests/src/control/cases/`; `tests/peers/README.md` says how to add one. Peers that
//! are missing are named and left out, unless `OUTRIDER_REQUIRE_TOOLS=1`.

use outrider_tests::control::case::Case;
use outrider_tests::control::{cases, differences, differences_at, present, resets};
use outrider_tests::interop::Peer;
use outrider_tests::tools;

async fn the_mesh_does(rows: Vec<Case>) {
    the_mesh_does_between(&[Peer::Go, Peer::Python], rows).await;
}

async fn the_mesh_does_between(peers: &[Peer], rows: Vec<Case>) {
    let (peers, missing) = present(peers);
    if !missing.is_empty() {
        tools::missing(&missing.join(", "));
    }
    let differences = differences(rows, &peers).await;
    let count = differences.len();
    assert!(
        differences.is_empty(),
        "{count}:\n{}",
        differences.join("\n")
    );
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_is_one_whosever_timer_fires_first() {
    let peers = [Peer::Go, Peer::Java, Peer::Python];
    the_mesh_does_between(&peers, cases::ends::late_rows()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_is_the_status_that_it_is_directly() {
    let (peers, missing) = present(&[Peer::Go, Peer::Python]);
    if !missing.is_empty() {
        tools::missing(&missing.join(", "));
    }
    let server = resets::serve();
    let mut differences = differences_at(server, resets::rows(), &peers).await;
    let peers = present(&[Peer::Go]).0;
    differences.extend(differences_at(server, resets::begun_rows(), &peers).await);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_a_server_hold_nobody_up_whom_they_let_pass_directly() {
    the_mesh_does(cases::streams::rows()).await;
}
