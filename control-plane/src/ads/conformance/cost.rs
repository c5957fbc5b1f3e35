//! What a change costs a stream: what its client asked for, not what exists.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::ads::DeltaStream;

const ROUNDS: u32 = 100;

/// A world of `count` services, the endpoints of the first in some version.
fn resources(count: usize, endpoints: &str) -> Resources {
    let names: Vec<String> = (0..count).map(|index| format!("s{index}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut assignments = names.clone();
    let first = format!("s0={endpoints}");
    assignments[0] = &first;
    resources_of(&names, &assignments, &names)
}

/// What one change of one endpoint costs a stream of 5 services among `count`: looks into the
/// catalogue, and the time of the fastest round.
#[expect(
    clippy::disallowed_methods,
    reason = "the time is printed for people; nothing depends on it"
)]
fn cost(count: usize) -> (u32, Duration) {
    let worlds = ["1", "22"].map(|content| Catalogue::new(&resources(count, content)));
    let mut stream = DeltaStream::new(1);
    for kind in [Kind::Cluster, Kind::Endpoints, Kind::Routes] {
        let names = ["s0", "s1", "s2", "s3", "s4"];
        for response in stream.receive(subscribe(kind, &names), all(&worlds[0])) {
            stream.receive(ack(&response), all(&worlds[0]));
        }
    }
    let looks = Cell::new(0);
    let sees = |_: Kind, _: &str| {
        looks.set(looks.get() + 1);
        true
    };
    let mut fastest = Duration::MAX;
    for world in worlds.iter().rev().cycle().take(ROUNDS as usize) {
        let view = View::new(world, &sees);
        let start = Instant::now();
        let sent = stream.publish(view);
        assert_eq!(sent.len(), 1, "the endpoints");
        assert!(stream.receive(ack(&sent[0]), view).is_empty());
        fastest = fastest.min(start.elapsed());
    }
    (looks.get() / ROUNDS, fastest)
}

#[test]
fn a_change_costs_a_stream_what_it_asked_for_and_not_what_exists() {
    let (few, many) = (cost(10), cost(10_000));
    println!("looks and time for a change and its answer: of 10 {few:?}, of 10,000 {many:?}");
    assert_eq!(few.0, many.0);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the time is printed for people; nothing depends on it"
)]
fn what_has_not_changed_is_not_encoded_again() {
    let (before, after) = (resources(10_000, "1"), resources(10_000, "22"));
    let start = Instant::now();
    let first = Catalogue::new(&before);
    let anew = start.elapsed();
    let mut next = first.clone();
    next.set_service("s0", &resources(1, "22"));
    let changed = start.elapsed() - anew;
    println!("a catalogue of 10,000: anew {anew:?}, with one change {changed:?}");
    assert_eq!(next, Catalogue::new(&after));
    let item =
        |of: &Catalogue, name: &str| Arc::clone(all(of).find(Kind::Endpoints, name).unwrap());
    assert!(Arc::ptr_eq(&item(&first, "s1"), &item(&next, "s1")));
    assert!(!Arc::ptr_eq(&item(&first, "s0"), &item(&next, "s0")));
}
