//! The promise: ordinary heavy use trips no limit that is made for attackers. Stock clients and
//! servers carry the loads of docs/STOCK.md in small through a pair of sidecars with mutual TLS as
//! they do directly, and the sidecars count nothing against them.
//!
//! `cargo run --release -p outrider-tests --bin stock` is the whole. Peers that are missing are named
//! and left out, unless `OUTRIDER_REQUIRE_TOOLS=1`.

use outrider_tests::control::{peer, present};
use outrider_tests::stock::{self, QUICK, Size, loads, nghttp2, page};
use outrider_tests::tools;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ordinary_heavy_use_works_as_it_does_directly_and_trips_nothing() {
    let (peers, missing) = present(&peer::PEERS);
    if !missing.is_empty() {
        tools::missing(&missing.join(", "));
    }
    let wanted = |client, server| QUICK.contains(&(client, server));
    let mut rows = stock::run(&loads::all(Size::Quick), &peers, wanted, |_| ()).await;
    match nghttp2::present() {
        Some(programs) => {
            rows.extend(nghttp2::run(Size::Quick, &programs, |_| true, |_| ()).await);
        }
        None => tools::missing("h2load or nghttpd"),
    }
    let reasons = page::reasons(&rows);
    eprintln!("{}{reasons}", page::tables(&rows));
    assert_eq!(page::failed(&rows), 0, "{reasons}");
    assert!(page::carried(&rows) > 0 || peers.len() < 2, "{reasons}");
}
