//! The promise: legitimate cancellation never kills a connection. Of the calls on one connection a
//! tenth is cancelled in bursts of 100 and a tenth goes past its deadline; no connection is told to
//! go, and no other call fails. The long run makes 1,000,000 calls by the same function.

use outrider_tests::Hops;
use outrider_tests::cancelling::{Tally, patience, run};

const CALLS: usize = 10_000;

async fn no_connection_ends(hops: Hops) {
    let tally = tokio::time::timeout(patience(CALLS), run(hops, CALLS)).await;
    let tally = tally
        .expect("in time")
        .unwrap_or_else(|error| panic!("{hops:?}: {error}"));
    let expected = Tally {
        answered: CALLS * 8 / 10,
        cancelled: CALLS / 10,
        late: CALLS / 10,
        application_connections: tally.application_connections,
    };
    assert_eq!(tally, expected);
    println!("{hops:?}: {tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bursts_of_cancellations_and_deadlines_end_no_connection_of_one_sidecar() {
    no_connection_ends(Hops::One).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bursts_of_cancellations_and_deadlines_end_no_connection_between_two_sidecars() {
    no_connection_ends(Hops::Pair).await;
}
