//! Statuses: every code, with its message, from each shape of an answer.

use crate::control::case::Allowance::SpaceAtTheEnds;
use crate::control::case::{CODES, Case, Part};
use crate::control::step::{echo, initial, read, send, status, trailing};

/// White space at the ends of a message.
fn padded() -> Case {
    let alone = Part::unary([status(5, "no such order: ")]);
    let behind = Part::stream([send("a")], [read(1), send("b"), status(5, " both ")]);
    Case::new("a message that ends with a space", [alone, behind]).allow(SpaceAtTheEnds)
}

/// The rows.
pub fn rows() -> Vec<Case> {
    let mut rows = vec![
        Case::new("ok", [Part::unary([send("hello back")])]),
        Case::new("an empty message", [Part::unary([send("")])]),
        Case::new("no message and OK", [Part::stream([], [])]),
        Case::new(
            "a message with special octets",
            [Part::unary([status(
                2,
                "\t100 % of \"it\"\r\n\u{263a} \u{1f608}\\\u{7f}~ %41",
            )])],
        ),
        Case::new(
            "a long message",
            [Part::unary([
                status(9, "because ".repeat(250).trim_end()),
                send(""),
            ])],
        ),
        padded(),
        Case::new("no words", [Part::unary([status(5, "")])]),
        Case::new(
            "a status after messages",
            [Part::stream(
                [send("a"), send("b")],
                [
                    echo(),
                    trailing(&[("t-note", "late")]),
                    status(10, "after all"),
                ],
            )],
        ),
        Case::new(
            "a status before the client has ended",
            [Part::stream(
                [send("a"), read(2)],
                [read(1), send("b"), status(9, "early")],
            )],
        ),
        Case::new(
            "a status after initial metadata alone",
            [Part::unary([
                initial(&[("t-note", "first")]),
                status(16, "who?"),
            ])],
        ),
    ];
    rows.extend(beside_failures());
    rows.extend(every_code());
    rows
}

/// Failures of a kind that is tried again or counted against endpoints elsewhere.
fn beside_failures() -> Vec<Case> {
    let row = |(code, words): (u8, &str)| {
        Case::new(
            format!("good calls beside many with {}", CODES[usize::from(code)]),
            [
                Part::unary([status(code, words)]).calls(100),
                Part::unary([send("x")]).calls(100),
            ],
        )
    };
    let failures = [(14, "not now"), (8, "no more"), (13, "broken")];
    failures.into_iter().map(row).collect()
}

fn every_code() -> Vec<Case> {
    let both = |(code, name): (usize, &&str)| {
        let words = format!("no {code}");
        let status = status(u8::try_from(code).unwrap_or(0), &words);
        Case::new(
            format!("code {name}"),
            [
                Part::unary([status.clone()]),
                Part::stream([send("a")], [read(1), send("b"), status]),
            ],
        )
    };
    CODES.iter().enumerate().skip(1).map(both).collect()
}
