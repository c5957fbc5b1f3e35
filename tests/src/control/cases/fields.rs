//! Metadata, both ways: text, binary, empty, repeated, long.

use crate::control::case::Allowance::SpaceAtTheEnds;
use crate::control::case::{Case, Part};
use crate::control::step::{Fields, initial, read_all, send, sleep, status, tell, trailing};

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

/// What applications and their libraries send beside it.
const USUAL: Fields = &[
    ("accept", "*/*"),
    ("authorization", "Bearer abc"),
    ("baggage", "k=v"),
    ("cache-control", "no-cache"),
    ("content-language", "de"),
    ("cookie", "a=b; c=d"),
    ("if-match", "x"),
    ("via", "1.1 me"),
    ("x-b3-traceid", "0af7651916cd43dd8448eb211c80319c"),
    ("x-envoy-expected-rq-timeout-ms", "10"),
    ("x-forwarded-for", "192.0.2.1"),
    ("x-request-id", "mine"),
];
/// What servers answer with beside it.
const ANSWERED: Fields = &[
    ("date", "today"),
    ("etag", "x"),
    ("location", "x"),
    ("retry-after", "1"),
    ("server", "me"),
    ("set-cookie", "a=b"),
    ("set-cookie", "c=d"),
    ("www-authenticate", "Basic"),
    ("x-request-id", "theirs"),
];

fn names<'a>(fields: Fields<'a>) -> Vec<&'a str> {
    fields.iter().map(|(name, _)| *name).collect()
}

/// Values that RFC 9113 8.2.1 forbids and every stock library sends.
const PADDED: Fields = &[
    ("t-behind", "ends "),
    ("t-before", " begins"),
    ("t-both", "  in the midst  "),
    ("t-blank", "  "),
];

/// The rows.
pub fn rows() -> Vec<Case> {
    // C-core refuses at random what has more than 8 KiB, so twice this is as much as is always taken.
    let long = "v".repeat(1_500);
    let long: Fields = &[("t-long", &long)];
    let fifty: Vec<String> = (0..50).map(|number| format!("t-{number}")).collect();
    let fifty: Vec<(&str, &str)> = fifty.iter().map(|name| (&name[..], "a value")).collect();
    let usual = || Part::unary([tell(&names(USUAL))]).metadata(USUAL);
    let answered =
        || Part::unary([initial(ANSWERED), send("x"), trailing(ANSWERED)]).fields(&names(ANSWERED));
    let rows = vec![
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
            "fifty fields",
            [Part::unary([initial(&fifty), tell(&["t-"]), trailing(&fifty)]).metadata(&fifty)],
        ),
        Case::new("usual fields of a request", [usual()]),
        Case::new("usual fields of an answer", [answered()]),
        Case::new(
            "usual fields of a status alone",
            [Part::unary([trailing(ANSWERED), status(7, "no")]).fields(&names(ANSWERED))],
        ),
        Case::new("usual fields through a pair", [usual(), answered()]).through_a_pair(),
        // Without the pause C-core now and then takes the whole for a status alone, directly too.
        Case::new(
            "initial metadata and no more",
            [Part::stream([], [initial(MANY), sleep(50)])],
        ),
        Case::new(
            "the client's name",
            [Part::unary([tell(&["user-agent", "content-type"])])],
        ),
    ];
    [rows, padded()].concat()
}

/// White space at the ends of values.
fn padded() -> Vec<Case> {
    let both = || {
        let part = Part::unary([initial(PADDED), send("x"), trailing(PADDED)]);
        part.metadata(PADDED)
    };
    let alone = Part::unary([trailing(PADDED), status(5, "none")]);
    let told = Part::unary([tell(&["t-"])]).metadata(PADDED);
    let rows = [
        Case::new("white space at the ends of a request's values", [told]),
        Case::new(
            "white space at the ends of an answer's values",
            [both(), alone],
        ),
        Case::new("white space at the ends through a pair", [both()]).through_a_pair(),
    ];
    rows.map(|row| row.allow(SpaceAtTheEnds)).into()
}
