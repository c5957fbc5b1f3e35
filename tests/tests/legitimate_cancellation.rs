//! The promise: legitimate cancellation never kills a connection. Of the calls on one connection a
//! tenth is cancelled in bursts of 100 and a tenth goes past its deadline; no connection ends or is
//! told to go, be it the caller's, between sidecars or to the application, and no other call fails.
//! `run` sees to that; the long run makes 1,000,000 calls by the same function.

use outrider_tests::Hops;
use outrider_tests::cancelling::{Tally, patience, run};

const CALLS: usize = 10_000;

async fn no_connection_ends(hops: Hops) {
    let tally = tokio::time::timeout(patience(CALLS), run(hops, CALLS)).await;
    let tally = tally
        .expect("in time")
        .unwrap_or_else(|error| panic!("{hops:?}: {error}"));
    println!("{hops:?}: {tally}");
    let Tally {
        answered,
        cancelled,
        late,
        ..
    } = tally;
    let expected = (CALLS * 8 / 10, CALLS / 10, CALLS / 10);
    assert_eq!((answered, cancelled, late), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bursts_of_cancellations_and_deadlines_end_no_connection_of_one_sidecar() {
    no_connection_ends(Hops::One).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bursts_of_cancellations_and_deadlines_end_no_connection_between_two_sidecars() {
    no_connection_ends(Hops::Pair).await;
}
