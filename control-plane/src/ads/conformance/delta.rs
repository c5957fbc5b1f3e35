//! Delta: subscriptions, absence, resumption, answers.

use super::*;
use crate::ads::{Answer, DeltaStream};
use outrider_proto::envoy::discovery::{ResourceError, ResourceName};
use outrider_proto::pack;

#[test]
fn must_2_a_stale_nonce_never_voids_a_change_of_subscription() {
    let world = catalogue(&["a", "b"], &[], &[]);
    let mut stream = DeltaStream::new(1);
    let first = stream.receive(subscribe(Kind::Cluster, &["a"]), all(&world));
    let changed = catalogue(&["a=2", "b"], &[], &[]);
    assert_eq!(short(&stream.publish(all(&changed))), ["Cluster +a"]);
    let mut request = ack(&first[0]);
    request.resource_names_subscribe = owned(&["b"]);
    assert_eq!(
        short(&stream.receive(request, all(&changed))),
        ["Cluster +b"]
    );
}

#[test]
fn must_3_a_name_subscribed_again_is_sent_again() {
    let world = catalogue(&["a"], &[], &[]);
    let mut stream = DeltaStream::new(1);
    for _ in 0..2 {
        let sent = stream.receive(subscribe(Kind::Cluster, &["a"]), all(&world));
        assert_eq!(short(&sent), ["Cluster +a"]);
    }
    let mut request = subscribe(Kind::Cluster, &[]);
    request.resource_names_unsubscribe = owned(&["unknown"]);
    assert_eq!(short(&stream.receive(request, all(&world))), [""; 0]);
}

#[test]
fn must_3_what_is_unsubscribed_is_sent_no_more() {
    let world = catalogue(&["a", "b"], &[], &[]);
    let mut stream = DeltaStream::new(1);
    stream.receive(subscribe(Kind::Cluster, &["a", "b"]), all(&world));
    let mut request = subscribe(Kind::Cluster, &[]);
    request.resource_names_unsubscribe = owned(&["a"]);
    stream.receive(request, all(&world));
    let changed = catalogue(&["a=2", "b=2"], &[], &[]);
    assert_eq!(short(&stream.publish(all(&changed))), ["Cluster +b"]);
}

#[test]
fn must_4_no_names_at_first_are_all_of_them_and_even_none_is_answered() {
    let mut stream = DeltaStream::new(1);
    let empty = Catalogue::default();
    let sent = stream.receive(subscribe(Kind::Cluster, &[]), all(&empty));
    assert_eq!(short(&sent), ["Cluster"]);
    let world = catalogue(&["a", "b"], &[], &[]);
    assert_eq!(short(&stream.publish(all(&world))), ["Cluster +a +b"]);
    let routes = catalogue(&["a", "b"], &[], &["r"]);
    let sent = stream.receive(subscribe(Kind::Routes, &[]), all(&routes));
    assert_eq!(short(&sent), [""; 0], "of routes there is no wildcard");
}

#[test]
fn must_4_a_name_unsubscribed_under_the_wildcard_is_answered() {
    let world = catalogue(&["a"], &[], &[]);
    let mut stream = DeltaStream::new(1);
    let sent = stream.receive(subscribe(Kind::Cluster, &["*", "a", "x"]), all(&world));
    assert_eq!(short(&sent), ["Cluster +a -x"]);
    let mut request = ack(&sent[0]);
    request.resource_names_unsubscribe = owned(&["a", "x"]);
    let sent = stream.receive(request, all(&world));
    assert_eq!(short(&sent), ["Cluster +a -x"]);
}

#[test]
fn must_4_a_name_that_never_was_leaves_no_trace_under_the_wildcard() {
    let world = catalogue(&["a"], &[], &[]);
    let mut stream = DeltaStream::new(1);
    let sent = stream.receive(subscribe(Kind::Cluster, &["*"]), all(&world));
    let mut request = ack(&sent[0]);
    request.resource_names_unsubscribe = owned(&["unknown"]);
    assert_eq!(short(&stream.receive(request, all(&world))), [""; 0]);
}

#[test]
fn must_4_the_wildcard_can_be_dropped() {
    let world = catalogue(&["a", "b"], &[], &[]);
    let mut stream = DeltaStream::new(1);
    let sent = stream.receive(subscribe(Kind::Cluster, &["*", "a"]), all(&world));
    let mut request = ack(&sent[0]);
    request.resource_names_unsubscribe = owned(&["*"]);
    assert_eq!(short(&stream.receive(request, all(&world))), [""; 0]);
    let changed = catalogue(&["a=2", "b=2"], &[], &[]);
    assert_eq!(short(&stream.publish(all(&changed))), ["Cluster +a"]);
}

#[test]
fn must_6_and_12_what_is_not_there_is_said_at_once_and_sent_when_it_appears() {
    let mut stream = DeltaStream::new(1);
    let empty = Catalogue::default();
    let sent = stream.receive(subscribe(Kind::Cluster, &["a"]), all(&empty));
    assert_eq!(short(&sent), ["Cluster -a"]);
    assert_eq!(short(&stream.receive(ack(&sent[0]), all(&empty))), [""; 0]);
    let world = catalogue(&["a"], &[], &[]);
    assert_eq!(short(&stream.publish(all(&world))), ["Cluster +a"]);
}

#[test]
fn must_10_a_client_that_kept_its_versions_is_sent_the_difference_only() {
    let before = catalogue(&["a", "b", "c"], &[], &[]);
    let mut stream = DeltaStream::new(1);
    let request = subscribe(Kind::Cluster, &["a", "b", "c"]);
    let sent = stream.receive(request.clone(), all(&before));
    let versions = sent[0].resources.iter();
    let versions = versions.map(|r| (r.name.clone(), r.version.clone()));
    let resumed = DeltaDiscoveryRequest {
        initial_resource_versions: versions.collect(),
        ..request
    };
    // A restarted server with the same documents gives the same versions.
    let same = catalogue(&["a", "b", "c"], &[], &[]);
    let sent = DeltaStream::new(2).receive(resumed.clone(), all(&same));
    assert_eq!(short(&sent), [""; 0]);
    let after = catalogue(&["a", "b=2"], &[], &[]);
    let mut stream = DeltaStream::new(3);
    let sent = stream.receive(resumed, all(&after));
    assert_eq!(short(&sent), ["Cluster +b -c"]);
}

#[test]
fn must_1_and_9_a_nack_is_kept_by_resource_and_nothing_is_sent_again_for_it() {
    let world = catalogue(&["a", "b"], &[], &[]);
    let mut stream = DeltaStream::new(1);
    let sent = stream.receive(subscribe(Kind::Cluster, &["a", "b"]), all(&world));
    let error = ResourceError {
        resource_name: Some(ResourceName {
            name: "b".to_owned(),
            ..ResourceName::default()
        }),
        error_detail: bad("lb_policy: unknown"),
    };
    let mut request = ack(&sent[0]);
    request.error_detail = bad("two words for the same");
    request.error_detail.as_mut().unwrap().details = vec![pack(&error)];
    assert_eq!(short(&stream.receive(request, all(&world))), [""; 0]);
    let answers: Vec<_> = stream.standings().map(|s| (s.name, s.answer)).collect();
    let reason = "lb_policy: unknown".to_owned();
    let rejected = Answer::Rejected { reason };
    let expected = [
        ("a".to_owned(), Answer::Accepted),
        ("b".to_owned(), rejected),
    ];
    assert_eq!(answers, expected);
    let fixed = catalogue(&["a", "b=2"], &[], &[]);
    let sent = stream.publish(all(&fixed));
    stream.receive(ack(&sent[0]), all(&fixed));
    assert!(stream.standings().all(|s| s.answer == Answer::Accepted));
}

#[test]
fn must_13_what_a_client_may_not_see_does_not_exist_for_it() {
    let world = catalogue(&["mine", "theirs"], &[], &[]);
    let sees = |_: Kind, name: &str| name == "mine";
    let view = View::new(&world, &sees);
    let mut stream = DeltaStream::new(1);
    let sent = stream.receive(subscribe(Kind::Cluster, &["*", "theirs"]), view);
    assert_eq!(short(&sent), ["Cluster +mine -theirs"]);
}

#[test]
fn must_14_responses_say_who_sends_them_and_unknown_types_are_tolerated() {
    let world = catalogue(&["a"], &[], &[]);
    let mut stream = DeltaStream::new(1);
    let unknown = DeltaDiscoveryRequest {
        type_url: "type.googleapis.com/envoy.service.runtime.v3.Runtime".to_owned(),
        ..DeltaDiscoveryRequest::default()
    };
    assert_eq!(short(&stream.receive(unknown, all(&world))), [""; 0]);
    let sent = stream.receive(subscribe(Kind::Cluster, &["a"]), all(&world));
    let identifier = sent[0]
        .control_plane
        .as_ref()
        .map(|c| c.identifier.as_str());
    assert_eq!(identifier, Some("outrider"));
    assert_eq!(sent[0].resources[0].ttl, None, "must 11: no TTL");
}

#[test]
fn a_grpc_service_is_another_name_of_the_routes_that_list_it() {
    let world = catalogue(&[], &[], &["orders=grpc/shop.Orders"]);
    let mut stream = DeltaStream::new(1);
    let names = ["grpc/shop.Orders", "grpc/shop.None"];
    let sent = stream.receive(subscribe(Kind::Routes, &names), all(&world));
    assert_eq!(short(&sent), ["Routes +orders -grpc/shop.None"]);
    assert_eq!(sent[0].resources[0].aliases, ["grpc/shop.Orders"]);
    stream.receive(ack(&sent[0]), all(&world));
    let moved = catalogue(&[], &[], &["orders=x", "sales=grpc/shop.Orders"]);
    let sent = stream.publish(all(&moved));
    assert_eq!(short(&sent), ["Routes +sales -orders"]);
}

#[test]
fn a_grpc_service_that_goes_again_is_said_to_be_gone_again() {
    let without = catalogue(&[], &[], &["orders=x"]);
    let with = catalogue(&[], &[], &["orders=grpc/shop.Orders"]);
    let mut stream = DeltaStream::new(1);
    let names = ["grpc/shop.Orders"];
    let sent = stream.receive(subscribe(Kind::Routes, &names), all(&without));
    assert_eq!(short(&sent), ["Routes -grpc/shop.Orders"]);
    assert_eq!(short(&stream.publish(all(&with))), ["Routes +orders"]);
    let sent = stream.publish(all(&without));
    assert_eq!(short(&sent), ["Routes -grpc/shop.Orders -orders"]);
}
