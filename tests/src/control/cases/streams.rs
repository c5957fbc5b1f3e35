//! What a server allows: streams at once on a connection.

use crate::control::case::{Case, Part};
use crate::control::step::{send, sleep};

/// The rows.
pub fn rows() -> Vec<Case> {
    vec![
        Case::new(
            "fewer calls at once than streams",
            [Part::unary([sleep(20), send("x")])
                .calls(16)
                .deadline(20_000)],
        )
        .server("max_concurrent_streams", 16),
    ]
}
