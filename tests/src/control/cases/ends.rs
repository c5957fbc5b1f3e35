//! Ends that are not the server's answer: deadlines and cancellations.

use crate::control::case::{Allowance, Case, Part};
use crate::control::step::{cancel, echo, hold, read, send, sleep, trailing};

/// Calls that their server ends at the deadline, with a timer of its own.
fn late(callers: usize, calls: usize) -> Case {
    let part = Part::unary([hold()]).calls(calls).at_once(callers);
    let late = part.deadline(100).ends(&["DEADLINE_EXCEEDED"]);
    let name = format!("deadlines that a server keeps, {callers} callers");
    Case::new(name, [late]).allow(Allowance::CancelledForLate)
}

/// Deadlines that both ends have a timer for.
pub fn late_rows() -> Vec<Case> {
    let rows = few_late_rows().into_iter();
    rows.chain(both_ways(late(60, 600))).collect()
}

/// The same with few callers: a server on the h2 crate ends a connection with more than twenty streams
/// that were reset before it looked at them, which a busy machine makes of sixty deadlines at once.
pub fn few_late_rows() -> Vec<Case> {
    both_ways(late(5, 100)).into()
}

fn both_ways(row: Case) -> [Case; 2] {
    [row.clone(), row.through_a_pair()]
}

/// A caller's flag is not on the wire: a policy says it to the sidecar.
const WAITS: &str = "apiVersion: outrider.dev/v1
kind: TrafficPolicy
metadata: { name: echo }
spec: { targetRefs: [ { kind: Service, name: echo } ], waitForReady: 15s }
";

/// A server that is not there yet.
pub fn absent_rows() -> Vec<Case> {
    let calls = || Part::unary([send("x")]).calls(20).deadline(20_000);
    vec![
        Case::new("calls that wait for a server", [calls().wait_for_ready()])
            .documents(WAITS)
            .late(700),
        Case::new(
            "calls that wait for a server in vain",
            [calls()
                .wait_for_ready()
                .deadline(400)
                .ends(&["DEADLINE_EXCEEDED"])],
        )
        .documents(WAITS)
        .late(60_000),
        Case::new("calls that do not wait", [calls().ends(&["UNAVAILABLE"])]).late(60_000),
    ]
}

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
            "a deadline in a thousand days",
            [Part::unary([send("in time")]).deadline(86_400_000_000)],
        ),
        Case::new(
            "a deadline that is over as soon as it begins",
            [Part::unary([hold()])
                .calls(50)
                .deadline(1)
                .ends(&["DEADLINE_EXCEEDED"])],
        )
        .allow(Allowance::CancelledForLate),
        Case::new(
            "a cancellation at once",
            [Part::stream([cancel()], [hold()]).calls(20)],
        ),
        Case::new(
            "a cancellation while the server holds the call",
            [Part::stream([send("a"), sleep(5), cancel()], [echo(), hold()]).calls(20)],
        ),
        Case::new(
            "a client that waits for a connection",
            [Part::unary([send("x")]).wait_for_ready()],
        ),
        Case::new(
            "a cancellation of what nobody answers",
            [Part::unary([hold()]).calls(50).cancel_within(20)],
        ),
    ]
}
