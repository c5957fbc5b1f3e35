//! The promise: no hostile client harms anybody else. Each class of the list against a sidecar
//! process: it lives, takes little memory, answers as RFC 9113 and our limits say, and a
//! well-behaved client on another connection has no failure and no long wait meanwhile.
//!
//! The figures of a quiet machine are the trust command's (docs/TRUST.md).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use outrider_tests::Admin;
use outrider_tests::hostile::ground::{Backend, Proxy, SERVICE, Trial};
use outrider_tests::hostile::{self, Target, clients};
use outrider_tests::raw::{Frame, Peer, flag, grpc_request, setting};

/// Frames of a flood: more than any budget allows.
const VOLUME: usize = 20_000;

async fn holds(name: &str) {
    let class = clients::named(name);
    let backend = Backend::start().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = Path::new(env!("CARGO_BIN_EXE_trust"));
    let proxy = Proxy::ours(program, folder.path(), backend.address).await;
    let mut proxy = proxy.expect("the sidecar starts");
    let target = Target {
        door: proxy.address.into(),
        authority: SERVICE.to_owned(),
        seen: backend.seen,
        volume: VOLUME,
    };

    let trial = Trial::run(&mut proxy, &target, &class).await;

    trial.assert_holds(name);
}

/// Classes, and forms of them, that trip a limit. The first finds room for all the streams it may open.
const TRIPS: [(&str, usize, &[&str]); 9] = [
    ("max_concurrent_streams_ignored", 0, &["refused_over_limit"]),
    (
        "rapid_reset_cve_2023_44487",
        1,
        &["resets_received", "held_for_resets", "flood_idle_frames"],
    ),
    (
        "made_you_reset_cve_2025_8671",
        3,
        &["resets_for_violations", "flood_resets"],
    ),
    ("header_list_and_count_limits", 2, &["heads_too_large"]),
    ("header_list_and_count_limits", 6, &["flood_field_list"]),
    (
        "continuation_flood_cve_2024_27316",
        0,
        &["flood_field_block"],
    ),
    ("settings_flood_cve_2019_9515", 1, &["flood_settings"]),
    ("empty_data_cve_2019_9518", 0, &["flood_empty_data"]),
    ("window_update_flood", 0, &["flood_window_updates"]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_that_trip_are_counted_by_name() {
    let backend = Backend::start().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = Path::new(env!("CARGO_BIN_EXE_trust"));
    let proxy = Proxy::ours(program, folder.path(), backend.address).await;
    let proxy = proxy.expect("the sidecar starts");
    let target = Target {
        door: proxy.address.into(),
        authority: SERVICE.to_owned(),
        seen: backend.seen,
        volume: VOLUME,
    };
    let admin = Admin::new(proxy.admin.expect("ours has one"));
    let count = async |limit: &str| {
        let series = format!("outrider_http2_limits_total{{end=\"downstream\",limit=\"{limit}\"}}");
        admin.metric(&series).await
    };
    let known = outrider_http2::Counters::default();
    let mut untried: BTreeSet<_> = known.by_limit().map(|(limit, _)| limit).collect();
    for (class, form, limits) in TRIPS {
        let mut before = BTreeMap::new();
        for limit in limits {
            before.insert(limit, count(limit).await);
        }
        let ended = (clients::named(class).run)(target.clone(), form).await;
        assert_eq!(ended, Ok(()), "{class}");
        for limit in limits {
            assert!(count(limit).await > before[limit], "{limit}, {class}");
            untried.remove(limit);
        }
    }
    assert!(count("resets_received").await >= 200.0);
    assert!(count("held_for_resets").await >= 500.0);

    assert_eq!(count("flood_pings").await, 0.0);
    let ended = (clients::named("ping_flood_cve_2019_9512").run)(target.clone(), 1).await;
    assert_eq!(ended, Ok(()));
    assert_eq!(count("flood_pings").await, 1.0);

    let mut deaf = takes_nothing(&target).await;
    let before = count("answers_unsent").await;
    let mut rounds = 0..60;
    while count("answers_unsent").await == before {
        assert!(rounds.next().is_some(), "unsent answers are not counted");
        ask_for_pongs(&mut deaf).await;
    }
    for limit in ["flood_pings", "answers_unsent"] {
        untried.remove(limit);
    }
    // The pool of a worker: a unit test of `outrider-http2` spends it.
    assert_eq!(untried, BTreeSet::from(["windows_not_grown"]));
}

/// Streams that are answered with more than a socket holds.
const LARGE: u32 = 90;

/// Somebody whose socket is full: large answers come, and it reads nothing.
async fn takes_nothing(target: &Target) -> Peer {
    let peer = Peer::connect_narrow(target.door.address, 4_096).await;
    let mut peer = peer.expect("a connection");
    let wide = [(setting::INITIAL_WINDOW_SIZE, 1 << 20)];
    peer.greet_as_client(&wide).await.expect("a greeting");
    peer.send(&Frame::window_update(0, 1 << 30)).await;
    for index in 0..LARGE {
        let block = grpc_request(&target.authority, &Target::path("Large"));
        let head = Frame::headers(2 * index + 1, flag::END_STREAM, block.octets());
        peer.send(&head).await;
    }
    let block = grpc_request(&target.authority, &Target::path("Hold"));
    let head = Frame::headers(2 * LARGE + 1, 0, block.octets());
    peer.send(&head).await;
    peer
}

/// A thousand pings, each paid for with an octet of a body.
async fn ask_for_pongs(peer: &mut Peer) {
    let mut pair = Frame::ping([0; 8]).encode();
    pair.extend(Frame::data(2 * LARGE + 1, 0, b"x").encode());
    peer.send_octets(&pair.repeat(1_000)).await;
}

#[test]
fn every_class_of_the_list_has_a_test_here() {
    let source = include_str!("hostile_clients.rs");
    let classes = clients::all();
    eprintln!("hostile clients: {}", hostile::size(&classes));
    for class in classes {
        let test = format!("async fn {}()", class.name);
        assert!(source.contains(&test), "no test of {}", class.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rapid_reset_cve_2023_44487() {
    holds("rapid_reset_cve_2023_44487").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn legitimate_bursts_of_cancellation() {
    holds("legitimate_bursts_of_cancellation").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn made_you_reset_cve_2025_8671() {
    holds("made_you_reset_cve_2025_8671").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn max_concurrent_streams_ignored() {
    holds("max_concurrent_streams_ignored").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn continuation_flood_cve_2024_27316() {
    holds("continuation_flood_cve_2024_27316").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hpack_bomb_cve_2016_6581() {
    holds("hpack_bomb_cve_2016_6581").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_bomb_cve_2026_47774() {
    holds("http2_bomb_cve_2026_47774").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn header_list_and_count_limits() {
    holds("header_list_and_count_limits").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_flood_cve_2019_9515() {
    holds("settings_flood_cve_2019_9515").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ping_flood_cve_2019_9512() {
    holds("ping_flood_cve_2019_9512").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_toggled_at_line_rate() {
    holds("settings_toggled_at_line_rate").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_data_cve_2019_9518() {
    holds("empty_data_cve_2019_9518").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_frames_cve_2019_9513() {
    holds("idle_frames_cve_2019_9513").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn window_update_flood() {
    holds("window_update_flood").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_on_closed_streams_cve_2019_9514() {
    holds("frames_on_closed_streams_cve_2019_9514").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_read_cve_2019_9517() {
    holds("slow_read_cve_2019_9517").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_dribble_cve_2019_9511() {
    holds("data_dribble_cve_2019_9511").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_body() {
    holds("slow_body").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_of_numbers_sizes_and_windows() {
    holds("rules_of_numbers_sizes_and_windows").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_churn() {
    holds("connection_churn").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections() {
    holds("idle_connections").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_beginning() {
    holds("half_a_beginning").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_protocol() {
    holds("another_protocol").await;
}
