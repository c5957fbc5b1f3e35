//! The promise: gRPC's own interop cases pass through a pair of sidecars with mutual TLS, between
//! clients and servers of others.
//!
//! The programs are those that `tests/install-peers.sh` installs; a peer that is missing is named and
//! left out, unless `OUTRIDER_REQUIRE_TOOLS=1`. The whole matrix is in docs/INTEROP.md; this is the
//! quick part of it.

use outrider_tests::interop::{self, matrix};
use outrider_tests::tools;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_passes_that_passes_without_sidecars() {
    let (present, missing) = interop::present();
    if !missing.is_empty() {
        tools::missing(&missing.join(", "));
    }

    let rows = interop::quick(&present).await;

    let reasons = matrix::reasons(&rows);
    let counts = matrix::count(&rows);
    eprintln!("{}{reasons}{counts:?}", matrix::tables(&rows));
    assert_eq!(counts.failed, 0, "{reasons}");
}
