//! State of the world: nonces, lists, whole sets.

use super::*;
use crate::ads::{Answer, WorldStream};
use outrider_proto::envoy::discovery::Resource;
use outrider_proto::{Resource as _, unpack};

/// The names in a response.
fn names(response: &DiscoveryResponse) -> Vec<String> {
    let each = response.resources.iter().map(|any| {
        let cluster = unpack::<Cluster>(any).map(|m| m.resource_name().to_owned());
        let assignment = || unpack::<ClusterLoadAssignment>(any).map(|m| m.cluster_name);
        let routes = || unpack::<RouteConfiguration>(any).map(|m| m.name);
        let wrapped = || unpack::<Resource>(any).map(|m| format!("wrapped {}", m.name));
        let name = cluster.or_else(|_| assignment());
        name.or_else(|_| routes()).or_else(|_| wrapped()).unwrap()
    });
    each.collect()
}

#[test]
fn must_1_a_nack_is_known_by_its_error_and_changes_nothing() {
    let world = catalogue(&["a"], &[], &[]);
    let mut stream = WorldStream::new(1);
    let sent = stream.receive(list(Kind::Cluster, &["a"]), all(&world));
    let mut request = ack_world(&sent[0], &["a"]);
    request.version_info = String::new();
    request.error_detail = bad("no");
    assert_eq!(stream.receive(request, all(&world)), []);
    let reason = "no".to_owned();
    let answers: Vec<_> = stream.standings().map(|s| s.answer).collect();
    assert_eq!(answers, [Answer::Rejected { reason }]);
}

#[test]
fn must_2_the_names_of_a_stale_request_are_ignored() {
    let world = catalogue(&["a", "b"], &[], &[]);
    let mut stream = WorldStream::new(1);
    let first = stream.receive(list(Kind::Cluster, &["a"]), all(&world));
    let second = stream.receive(list(Kind::Cluster, &["a", "b"]), all(&world));
    assert_eq!(names(&second[0]), ["a", "b"], "an empty nonce is honoured");
    assert_eq!(
        stream.receive(ack_world(&first[0], &["a"]), all(&world)),
        []
    );
    let changed = catalogue(&["a", "b=2"], &[], &[]);
    let sent = stream.publish(all(&changed));
    assert_eq!(names(&sent[0]), ["a", "b"], "b is still wanted");
}

#[test]
fn must_2_a_nonce_of_an_earlier_stream_does_not_silence_a_new_one() {
    let world = catalogue(&["a"], &[], &[]);
    let mut request = list(Kind::Cluster, &["a"]);
    request.response_nonce = "7-1".to_owned();
    assert_eq!(WorldStream::new(8).receive(request, all(&world)).len(), 1);
}

#[test]
fn must_3_an_added_name_is_answered_even_with_what_has_not_changed() {
    let world = catalogue(&[], &["a", "b"], &[]);
    let mut stream = WorldStream::new(1);
    let sent = stream.receive(list(Kind::Endpoints, &["a"]), all(&world));
    let sent = stream.receive(ack_world(&sent[0], &["a", "b"]), all(&world));
    assert_eq!(names(&sent[0]), ["b"]);
    let sent = stream.receive(ack_world(&sent[0], &["b"]), all(&world));
    assert_eq!(sent, [], "a shorter list is no question");
}

#[test]
fn must_3_a_repeated_acknowledgement_is_not_answered() {
    let world = catalogue(&["a"], &["a"], &[]);
    let mut stream = WorldStream::new(1);
    let sent = stream.receive(list(Kind::Endpoints, &["a"]), all(&world));
    for _ in 0..2 {
        assert_eq!(stream.receive(ack_world(&sent[0], &["a"]), all(&world)), []);
    }
}

#[test]
fn must_4_after_a_name_an_empty_list_is_nothing() {
    let world = catalogue(&["a"], &[], &[]);
    let mut stream = WorldStream::new(1);
    let sent = stream.receive(list(Kind::Cluster, &[]), all(&world));
    assert_eq!(names(&sent[0]), ["a"]);
    stream.receive(ack_world(&sent[0], &["a"]), all(&world));
    stream.receive(list(Kind::Cluster, &[]), all(&world));
    let changed = catalogue(&["a=2"], &[], &[]);
    assert_eq!(stream.publish(all(&changed)), []);
}

#[test]
fn must_5_clusters_come_whole_and_endpoints_as_far_as_they_changed() {
    let world = catalogue(&["a", "b"], &["a", "b"], &[]);
    let mut stream = WorldStream::new(1);
    let clusters = stream.receive(list(Kind::Cluster, &[]), all(&world));
    stream.receive(ack_world(&clusters[0], &[]), all(&world));
    let endpoints = stream.receive(list(Kind::Endpoints, &["a", "b"]), all(&world));
    stream.receive(ack_world(&endpoints[0], &["a", "b"]), all(&world));
    let changed = catalogue(&["a", "b"], &["a", "b=2"], &[]);
    let sent = stream.publish(all(&changed));
    assert_eq!(sent.iter().map(names).collect::<Vec<_>>(), [["b"]]);
    stream.receive(ack_world(&sent[0], &["a", "b"]), all(&changed));
    let without = catalogue(&["b"], &["b=2"], &[]);
    let sent = stream.publish(all(&without));
    assert_eq!(sent.iter().map(names).collect::<Vec<_>>(), [["b"]]);
    assert_eq!(
        sent[0].type_url,
        Kind::Cluster.type_url(),
        "absence is deletion"
    );
}

#[test]
fn must_6_what_is_not_there_is_not_mentioned_and_sent_when_it_appears() {
    let mut stream = WorldStream::new(1);
    let empty = Catalogue::default();
    assert_eq!(
        stream.receive(list(Kind::Endpoints, &["a"]), all(&empty)),
        []
    );
    assert_eq!(stream.receive(list(Kind::Cluster, &["a"]), all(&empty)), []);
    let world = catalogue(&["a"], &["a"], &[]);
    assert_eq!(stream.publish(all(&world)).len(), 2);
}

#[test]
fn must_10_equal_content_has_an_equal_version_on_every_server() {
    let version = |stream: u64| {
        let world = catalogue(&["a", "b"], &[], &[]);
        let mut stream = WorldStream::new(stream);
        let sent = stream.receive(list(Kind::Cluster, &[]), all(&world));
        sent[0].version_info.clone()
    };
    assert_eq!(version(1), version(2));
}

#[test]
fn must_11_the_wrapper_is_sent_only_to_who_asked_by_another_name() {
    let world = catalogue(&[], &[], &["orders=grpc/shop.Orders"]);
    let ask = |name: &str| {
        let mut stream = WorldStream::new(1);
        let sent = stream.receive(list(Kind::Routes, &[name]), all(&world));
        names(&sent[0])
    };
    assert_eq!(ask("orders"), ["orders"]);
    assert_eq!(ask("grpc/shop.Orders"), ["wrapped orders"]);
}
