//! The promise: what reaches the port for other sidecars harms nobody, neither a verified member of
//! the mesh that speaks the frames of every hostile client, over mutual TLS, nor callers who are
//! nobody. The process lives, takes little memory, and another member on another connection has no
//! failure and no long wait meanwhile.
//!
//! A member is refused where others are closed, since it carries the calls of many; else it is
//! answered as they are (`hostile_clients.rs`).

use std::path::Path;

use outrider_tests::hostile::ground::Trial;
use outrider_tests::hostile::{self, clients};

/// Frames of a flood: more than any budget allows.
const VOLUME: usize = 5_000;

async fn holds(name: &str) {
    let class = clients::named(name);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = Path::new(env!("CARGO_BIN_EXE_trust"));
    let trial = Trial::of_a_member(program, folder.path(), &class, VOLUME).await;
    let trial = trial.expect("the sidecar starts");

    trial.assert_holds(name);
}

/// A test for each class.
macro_rules! classes {
    ($($class:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $class() {
                holds(stringify!($class)).await;
            }
        )*

        const TESTED: &[&str] = &[$(stringify!($class)),*];
    };
}

classes! {
    rapid_reset_cve_2023_44487,
    legitimate_bursts_of_cancellation,
    made_you_reset_cve_2025_8671,
    max_concurrent_streams_ignored,
    continuation_flood_cve_2024_27316,
    hpack_bomb_cve_2016_6581,
    http2_bomb_cve_2026_47774,
    header_list_and_count_limits,
    settings_flood_cve_2019_9515,
    ping_flood_cve_2019_9512,
    settings_toggled_at_line_rate,
    empty_data_cve_2019_9518,
    idle_frames_cve_2019_9513,
    window_update_flood,
    frames_on_closed_streams_cve_2019_9514,
    slow_read_cve_2019_9517,
    data_dribble_cve_2019_9511,
    slow_body,
    rules_of_numbers_sizes_and_windows,
    connection_churn,
    idle_connections,
    half_a_beginning,
    another_protocol,
    callers_who_are_nobody,
}

#[test]
fn every_class_of_the_list_has_a_test_here() {
    let classes = clients::at_the_inbound_port();
    eprintln!("hostile members: {}", hostile::size(&classes));
    let names: Vec<&str> = classes.iter().map(|class| class.name).collect();
    assert_eq!(TESTED, names);
}
