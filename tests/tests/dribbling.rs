//! The promise: a caller that dribbles its request in thousands of small frames, to a handler that does
//! not read, costs others nothing: the connection to the endpoint, which they share, lives.

use outrider_tests::Hops;
use outrider_tests::dribbling::{Endpoint, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_served_while_one_call_is_dribbled() {
    for hops in Hops::ALL {
        assert_eq!(run(hops, 1, Endpoint::Wide).await, Ok(()), "{hops:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_served_while_twenty_calls_are_dribbled_side_by_side() {
    for hops in Hops::ALL {
        assert_eq!(run(hops, 20, Endpoint::Wide).await, Ok(()), "{hops:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_served_while_many_dribble_to_an_endpoint_that_bears_little() {
    for hops in Hops::ALL {
        for streams in [1, 20, 80] {
            let served = run(hops, streams, Endpoint::Narrow).await;
            assert_eq!(served, Ok(()), "{hops:?}, {streams} callers");
        }
    }
}
