//! What a server allows: streams at once on a connection.

use crate::control::case::{Case, Part};
use crate::control::step::{send, sleep};

/// More calls than any pool of connections has streams for.
const CROWD: usize = 5_000;

/// The rows.
pub fn rows() -> Vec<Case> {
    let calls = |calls, each_ms| {
        Part::unary([sleep(each_ms), send("x")])
            .calls(calls)
            .deadline(20_000)
    };
    vec![
        Case::new("fewer calls at once than streams", [calls(16, 20)])
            .server("max_concurrent_streams", 16),
        Case::new("many calls at once, one stream", [calls(120, 100)])
            .server("max_concurrent_streams", 1),
        Case::new("many calls at once, one stream", [calls(60, 30)])
            .server("max_concurrent_streams", 1)
            .through_a_pair(),
        // Alone, the one with one stream would need 12 s.
        Case::new(
            "a second endpoint that has room",
            [calls(120, 100).deadline(6_000)],
        )
        .beside("max_concurrent_streams", 1),
        Case::new("a crowd", [calls(CROWD, 500).deadline(60_000)]),
        Case::new("a crowd", [calls(CROWD, 500).deadline(60_000)]).through_a_pair(),
    ]
}
