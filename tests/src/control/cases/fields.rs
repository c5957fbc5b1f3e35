//! Metadata, both ways: text, binary, empty, repeated, long.

use crate::control::case::{Case, Part};
use crate::control::step::{Fields, initial, read_all, send, status, tell, trailing};

/// Metadata that every library sends and takes.
const MANY: Fields = &[
    ("t-text", "one"),
    ("t-text", "two, with a comma"),
    ("t-text", "one"),
    ("t-empty", ""),
    ("t-all", "!\"#$%&'()*+,-./0123456789:;<=>?@AZ[\\]^_`az{|}~"),
    ("t-inner", "two  spaces"),
    ("t-raw-bin", "00017f80ff"),
    ("t-raw-bin", "2c20"),
    ("t-empty-bin", ""),
    ("t-1.2_3-4", "a name"),
];

/// The rows.
pub fn rows() -> Vec<Case> {
    // C-core refuses at random what has more than 8 KiB, so twice this is as much as is always taken.
    let long = "v".repeat(1_500);
    let long: Fields = &[("t-long", &long)];
    vec![
        Case::new(
            "metadata of a request",
            [Part::unary([tell(&["t-"])]).metadata(MANY)],
        ),
        Case::new("initial metadata", [Part::unary([initial(MANY), send("")])]),
        Case::new(
            "trailing metadata",
            [Part::stream([], [read_all(), send("x"), trailing(MANY)])],
        ),
        Case::new(
            "trailing metadata with a status alone",
            [Part::unary([trailing(MANY), status(5, "none")])],
        ),
        Case::new(
            "long values",
            [Part::unary([initial(long), tell(&["t-"]), trailing(long)]).metadata(long)],
        ),
        Case::new(
            "the client's name",
            [Part::unary([tell(&["user-agent", "content-type"])])],
        ),
    ]
}
