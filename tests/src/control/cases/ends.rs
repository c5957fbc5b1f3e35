//! Ends that are not the server's answer: deadlines and cancellations.

use crate::control::case::{Case, Part};
use crate::control::step::{cancel, echo, hold, read, send, sleep, trailing};

/// The rows.
pub fn rows() -> Vec<Case> {
    vec![
        Case::new(
            "a deadline that is far away",
            [Part::unary([sleep(20), send("in time")]).deadline(20_000)],
        ),
        Case::new(
            "a cancellation after the first answer",
            [Part::stream(
                [send("a"), read(1), cancel()],
                [trailing(&[("t-x", "y")]), echo()],
            )],
        ),
        Case::new(
            "a cancellation of what nobody answers",
            [Part::unary([hold()]).calls(50).cancel_within(20)],
        ),
    ]
}
