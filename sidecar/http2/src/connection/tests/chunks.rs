//! The same octets in any chunks give the same events and the same answers.

use std::time::Duration;

use proptest::prelude::*;

use super::bed::{Bed, EventSummary, POST, server_config, summarize};
use crate::frame::PREFACE;
use crate::{Connection, WindowPool};

#[derive(Clone, Debug)]
enum Step {
    Post(bool),
    Data(u32, usize, bool),
    Padded(u32, u8),
    Trailers(u32),
    Rst(u32),
    Widen(u32, u32),
    Ping,
    Unknown(usize),
    Noise(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let stream = || (0..8_u32).prop_map(|at| 2 * at + 1);
    prop_oneof![
        8 => any::<bool>().prop_map(Step::Post),
        8 => (stream(), 0..3_000_usize, any::<bool>()).prop_map(|(stream, len, end)| Step::Data(stream, len, end)),
        2 => (stream(), 0..20_u8).prop_map(|(stream, padding)| Step::Padded(stream, padding)),
        3 => stream().prop_map(Step::Trailers),
        2 => stream().prop_map(Step::Rst),
        2 => (stream(), 0..5_u32).prop_map(|(stream, increment)| Step::Widen(stream, increment)),
        2 => Just(Step::Ping),
        1 => (0..40_usize).prop_map(Step::Unknown),
        1 => prop::collection::vec(any::<u8>(), 0..30).prop_map(Step::Noise),
    ]
}

fn octets(steps: &[Step]) -> Vec<u8> {
    let mut bed = Bed::server(server_config());
    bed.input.extend_from_slice(PREFACE);
    bed.settings(&[]);
    let mut next = 1;
    for step in steps {
        match step {
            // Mostly numbers that may be opened.
            Step::Post(end) => {
                bed.post(next, *end);
                next += 2;
            }
            Step::Data(stream, len, end) => bed.data(*stream, &vec![*len as u8; *len], *end),
            Step::Padded(stream, padding) => {
                let payload =
                    [&[*padding][..], b"padded", &vec![0; usize::from(*padding)]].concat();
                bed.raw(0, 8, *stream, &payload);
            }
            Step::Trailers(stream) => bed.head(*stream, &[("x", "y")], true),
            Step::Rst(stream) => bed.rst(*stream),
            Step::Widen(stream, increment) => bed.widen(*stream, *increment),
            Step::Ping => bed.raw(6, 0, 0, &[1; 8]),
            Step::Unknown(len) => bed.raw(77, 0, 0, &vec![0; *len]),
            Step::Noise(noise) => bed.input.extend_from_slice(noise),
        }
    }
    bed.head(next, &POST, true);
    bed.input
}

/// Events with the parts of a body joined, and the output.
fn run(octets: &[u8], chunks: &[usize]) -> (Vec<EventSummary>, Vec<u8>) {
    let mut connection = Connection::server(server_config(), &WindowPool::default());
    let mut all: Vec<EventSummary> = Vec::new();
    let mut sizes = chunks.iter().cycle();
    let mut rest = octets;
    while !rest.is_empty() {
        let (mut chunk, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        rest = later;
        while let Some(event) = connection.receive(Duration::ZERO, &mut chunk) {
            join(&mut all, summarize(event));
        }
        assert!(chunk.is_empty());
    }
    (all, connection.output().to_vec())
}

fn join(all: &mut Vec<EventSummary>, events: EventSummary) {
    match (all.last_mut(), events) {
        (
            Some(EventSummary::Data { stream, bytes, end }),
            EventSummary::Data {
                stream: same,
                bytes: more,
                end: now,
            },
        ) if *stream == same && !*end => {
            bytes.extend(more);
            *end = now;
        }
        (_, events) => all.push(events),
    }
}

proptest! {
    #[test]
    fn chunks_do_not_matter(
        steps in prop::collection::vec(step(), 0..60),
        chunks in prop::collection::vec(1..400_usize, 1..20)
    ) {
        let octets = octets(&steps);
        let whole = run(&octets, &[octets.len().max(1)]);
        prop_assert_eq!(&run(&octets, &chunks), &whole);
        prop_assert_eq!(&run(&octets, &[1]), &whole);
    }

    #[test]
    fn noise_behind_a_handshake_never_panics(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut octets = octets(&[]);
        octets.extend(noise);
        run(&octets, &[octets.len()]);
    }
}
