//! What stock peers are asked to do under load: ordinary heavy use, each line of it one case.
//!
//! A load is a case of the control through a pair of sidecars with mutual TLS; `Size` says how much of
//! it. Decides nothing of what must hold.

use crate::control::case::{Case, Part};
use crate::control::step::{Step, echo, meet, read, send, send_aside, send_octets, sleep};

/// How much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// For every run of the tests, in a build without optimisation.
    Quick,
    /// What docs/STOCK.md has.
    Whole,
}

impl Size {
    pub(super) fn of(self, quick: usize, whole: usize) -> usize {
        match self {
            Size::Quick => quick,
            Size::Whole => whole,
        }
    }
}

/// What an operator writes who lets 10,000 calls be open at once.
const TEN_THOUSAND: &str = "apiVersion: outrider.dev/v1\nkind: TrafficPolicy\n\
                            metadata: { name: echo }\nspec:\n  \
                            targetRefs: [ { kind: Service, name: echo } ]\n  \
                            limits: { calls: 10000, waiting: 10000 }\n";
const TEN_THOUSAND_STREAMS: &str = "outbound-streams=10000";

/// The loads, in the order of the page.
pub fn all(size: Size) -> Vec<Case> {
    let mut loads = vec![
        streams(size.of(150, 1_500)),
        streams(size.of(300, 5_000)),
        open_at_once(size.of(200, 5_000)),
        short_calls(size.of(1_000, 20_000)),
        small_messages(size.of(2_000, 10_000)),
        much(size.of(8, 1_024)),
        cancelled(60, size.of(600, 20_000)),
        cancelled(200, size.of(600, 20_000)),
        pausing(size.of(300, 5_000)),
    ];
    for load in &mut loads {
        load.ground.hops = crate::Hops::Pair;
    }
    loads
}

/// A small message each way on each of so many streams that begin at once.
fn streams(calls: usize) -> Case {
    let call = Part::stream([send("a"), read(1)], [echo()]).calls(calls);
    Case::new(
        format!("{} streams, begun at once", thousands(calls)),
        [call],
    )
}

/// The same, and none ends before all have had their answer.
fn open_at_once(calls: usize) -> Case {
    let call = Part::stream([send("a"), read(1), meet()], [echo()]).calls(calls);
    let name = format!("{} streams, open at once", thousands(calls));
    Case::new(name, [call])
        .documents(TEN_THOUSAND)
        .limits(TEN_THOUSAND_STREAMS)
}

fn short_calls(calls: usize) -> Case {
    let call = Part::unary([send("x")]).calls(calls).at_once(100);
    Case::new(
        format!("{} short calls, 100 at a time", thousands(calls)),
        [call],
    )
}

fn small_messages(count: usize) -> Case {
    let call = Part::stream([send_aside(count, 1)], [echo()]);
    let name = format!("{} messages of 1 octet each way", thousands(count));
    Case::new(name, [call])
}

fn much(mebibytes: usize) -> Case {
    let call = Part::stream([send_aside(mebibytes, 1 << 20)], [echo()]);
    let name = format!("a stream of {} MiB each way", thousands(mebibytes));
    Case::new(name, [call])
}

/// So many callers, of which every other one cancels each of its calls within 5 ms.
fn cancelled(callers: usize, calls: usize) -> Case {
    let call = |text| {
        let server: [Step; 2] = [sleep(1), send(text)];
        Part::unary(server).calls(calls / 2).at_once(callers / 2)
    };
    let name = format!(
        "{} calls of {callers} callers, half of them cancelled within 5 ms",
        thousands(calls)
    );
    Case::new(name, [call("cut").cancel_within(5), call("whole")])
}

/// Streams whose readers pause, beside calls that must not wait for them.
fn pausing(calls: usize) -> Case {
    let client = [read(1), sleep(500), read(5), sleep(500)];
    Case::new(
        format!("20 readers that pause, beside {} calls", thousands(calls)),
        [
            Part::stream(client, [send_octets(20, 200_000)]).calls(20),
            Part::unary([send("quick")]).calls(calls).at_once(20),
        ],
    )
}

/// `1234567` as `1,234,567`.
pub(super) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
