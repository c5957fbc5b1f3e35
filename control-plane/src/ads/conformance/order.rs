//! The order on one stream: make before break.

use super::*;
use crate::ads::{DeltaStream, WorldStream};

/// A client that has everything of this world and said so.
fn settled(world: &Catalogue) -> DeltaStream {
    let mut stream = DeltaStream::new(1);
    for kind in [Kind::Cluster, Kind::Endpoints, Kind::Routes] {
        let sent = stream.receive(subscribe(kind, &["a", "b"]), all(world));
        answer_all(&mut stream, sent, world);
    }
    stream
}

/// Answers until nothing comes; gives what came.
fn answer_all(
    stream: &mut DeltaStream,
    mut sent: Vec<DeltaDiscoveryResponse>,
    world: &Catalogue,
) -> Vec<String> {
    let mut seen = Vec::new();
    while !sent.is_empty() {
        seen.extend(short(&sent));
        let answers: Vec<_> = sent.iter().map(ack).collect();
        let next = answers.into_iter();
        sent = next
            .flat_map(|answer| stream.receive(answer, all(world)))
            .collect();
    }
    seen
}

#[test]
fn must_7_a_route_waits_for_the_answer_about_its_cluster() {
    let mut stream = settled(&Catalogue::default());
    let world = catalogue(&["a"], &["a"], &["a"]);
    let sent = stream.publish(all(&world));
    assert_eq!(short(&sent), ["Cluster +a", "Endpoints +a"]);
    assert_eq!(short(&stream.receive(ack(&sent[0]), all(&world))), [""; 0]);
    assert_eq!(
        short(&stream.receive(ack(&sent[1]), all(&world))),
        ["Routes +a"]
    );
}

#[test]
fn must_7_a_changed_cluster_is_followed_by_its_endpoints_changed_or_not() {
    let mut stream = settled(&catalogue(&["a", "b"], &["a", "b"], &[]));
    let changed = catalogue(&["a=2", "b"], &["a", "b"], &[]);
    let sent = stream.publish(all(&changed));
    assert_eq!(short(&sent), ["Cluster +a", "Endpoints +a"]);
}

#[test]
fn must_7_what_nothing_refers_to_any_more_goes_last() {
    let mut stream = settled(&catalogue(&["a"], &["a"], &["a=1"]));
    let world = catalogue(&["b"], &["b"], &["a=2"]);
    let sent = stream.publish(all(&world));
    let seen = answer_all(&mut stream, sent, &world);
    let order = [
        "Cluster +b",
        "Endpoints +b",
        "Routes +a",
        "Cluster -a",
        "Endpoints -a",
    ];
    assert_eq!(seen, order);
}

#[test]
fn must_7_nothing_is_removed_while_old_routes_are_held_on_to() {
    let mut stream = settled(&catalogue(&["a"], &["a"], &["a=1"]));
    let world = catalogue(&[], &["a"], &["a=2"]);
    let sent = stream.publish(all(&world));
    assert_eq!(short(&sent), ["Routes +a"]);
    let mut nack = ack(&sent[0]);
    nack.error_detail = bad("no");
    assert_eq!(short(&stream.receive(nack, all(&world))), [""; 0]);
    let fixed = catalogue(&[], &["a"], &["a=3"]);
    let sent = stream.publish(all(&fixed));
    assert_eq!(
        answer_all(&mut stream, sent, &fixed),
        ["Routes +a", "Cluster -a"]
    );
}

#[test]
fn must_7_a_whole_set_keeps_what_is_gone_until_the_routes_are_answered() {
    let world = catalogue(&["a"], &[], &["r=1"]);
    let mut stream = WorldStream::new(1);
    let sent = stream.receive(list(Kind::Cluster, &[]), all(&world));
    stream.receive(ack_world(&sent[0], &[]), all(&world));
    let sent = stream.receive(list(Kind::Routes, &["r"]), all(&world));
    stream.receive(ack_world(&sent[0], &["r"]), all(&world));
    let world = catalogue(&["b"], &[], &["r=2"]);
    let both = stream.publish(all(&world));
    assert_eq!((both.len(), both[0].resources.len()), (1, 2), "a and b");
    let routes = stream.receive(ack_world(&both[0], &[]), all(&world));
    let last = stream.receive(ack_world(&routes[0], &["r"]), all(&world));
    assert_eq!((last.len(), last[0].resources.len()), (1, 1), "b alone");
}

#[test]
fn a_burst_of_changes_is_one_response_to_a_client_that_does_not_answer() {
    let mut stream = settled(&catalogue(&["a"], &["a"], &["a"]));
    let mut count = 0;
    for round in 0..1_000 {
        let content = format!("a={round}");
        let world = catalogue(&["a"], &["a"], &[&content]);
        count += stream.publish(all(&world)).len();
    }
    assert_eq!(count, 64, "the rest waits for an answer");
}
