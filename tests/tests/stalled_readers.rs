//! The promise: one stalled reader never blocks another call, in either direction, with 4, 30 and 90
//! stalled streams, through one sidecar and through two; and what stalls holds its windows at most.
//!
//! Here the rule is progress within 2 s; how fast (p99 of 10 ms) is what the trust command measures
//! on a quiet machine, by the same function.

use std::time::Duration;

use outrider_tests::stalled::{Situation, Stall, measure};

/// Longest wait of any call beside a stalled one.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Calls of each victim.
const CALLS: usize = 20;
/// What a process under test grows by beside windows: buffers of connections, and what the
/// allocator keeps.
const SLACK_BYTES: usize = 16 << 20;

/// One after the other: memory is the process's.
async fn nobody_waits_for(stall: Stall) {
    let situations = Situation::all();
    for situation in situations.into_iter().filter(|s| s.stall == stall) {
        let figures = measure(situation, CALLS, WAIT_MAX).await;
        let figures = figures.unwrap_or_else(|error| panic!("{situation:?}: {error}"));
        println!(
            "{situation:?}: slowest {:?}, grown by {} KiB",
            figures.slowest(),
            figures.grown_bytes >> 10
        );
        let most = situation.windows_bytes() + SLACK_BYTES;
        assert!(figures.grown_bytes <= most, "{situation:?}: {figures:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_readers_and_handlers_that_stall() {
    for stall in Stall::ALL {
        nobody_waits_for(stall).await;
    }
}
