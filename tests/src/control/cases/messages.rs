//! Messages: none, small, large, many, in turns.

use crate::control::case::{Case, Part};
use crate::control::step::{
    close, echo, meet, read, read_all, send, send_aside, send_octets, sleep,
};

/// The rows.
pub fn rows() -> Vec<Case> {
    let mut turns = Vec::new();
    for _ in 0..50 {
        turns.extend([send("ping"), read(1)]);
    }
    vec![
        Case::new("in turns", [Part::stream(turns, [echo()])]),
        Case::new(
            "large messages both ways",
            [Part::stream([send_aside(20, 1 << 20)], [echo()])],
        ),
        Case::new(
            "2,000 messages of 1 octet",
            [Part::stream([send_aside(2_000, 1)], [echo()])],
        ),
        Case::new(
            "5,000 small answers",
            [Part::stream([close()], [send_octets(5_000, 10)])],
        ),
        Case::new(
            "an empty message again and again",
            [Part::stream([close()], vec![send(""); 50])],
        ),
        Case::new(
            "a server that is slow to begin",
            [Part::stream(
                [send_octets(3, 300_000)],
                [sleep(100), read_all(), send("x")],
            )
            .calls(5)],
        ),
        Case::new(
            "answers before the first message",
            [Part::stream(
                [read(1), sleep(20), send("b")],
                [send("now"), read_all(), send("end")],
            )],
        ),
        Case::new(
            "nothing to read until all was sent",
            [Part::stream(
                [send_octets(3, 100_000), close(), read(1)],
                [read_all(), send_octets(30, 100_000)],
            )],
        ),
        Case::new(
            "readers that pause beside calls that do not",
            [
                Part::stream([read(1), sleep(300), read(1)], [send_octets(20, 200_000)]).calls(4),
                Part::unary([send("quick")]).calls(200).at_once(10),
            ],
        ),
        Case::new(
            "200 streams at once, a message each way",
            [Part::stream([send("a"), read(1), meet()], [echo()]).calls(200)],
        ),
    ]
}
