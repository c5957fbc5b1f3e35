//! Streams over real connections; the test names the caller instead of a certificate.

mod bed;

use std::collections::BTreeSet;

use outrider_proto::envoy::core::Node;
use outrider_proto::envoy::discovery::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use outrider_proto::envoy::discovery::{
    DeltaDiscoveryRequest, DiscoveryRequest, DiscoveryResponse,
};
use outrider_proto::google::Status as WireStatus;
use outrider_proto::v1::registry_client::RegistryClient;
use outrider_proto::v1::{Announcement, Lease};
use outrider_proto::{Kind, OUTBOUND_LISTENER, TRUST_BUNDLE_SECRET};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use self::bed::{Bed, caller, desired, orders};
use crate::ads::Answer;
use crate::members::caller::Identity;
use crate::metrics::Levels;

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn announcement(serving: bool, withdraw: bool) -> Announcement {
    Announcement {
        instance: "run".to_owned(),
        address: "127.0.0.1:15006".to_owned(),
        serving,
        withdraw,
        ..Announcement::default()
    }
}

#[tokio::test]
async fn a_member_subscribes_by_name_or_alias_and_is_told_of_changes() {
    let bed = Bed::new(orders(60)).await;
    let mut delta = bed.delta().await.expect("a stream");
    delta
        .subscribe(Kind::Routes, &["grpc/shop.v1.Pay", "gone"])
        .await;
    let told = delta.take(Kind::Routes).await;
    assert_eq!(told, (owned(&["pay"]), owned(&["gone"])));
    delta
        .subscribe(Kind::Secret, &[TRUST_BUNDLE_SECRET, "pay"])
        .await;
    let told = delta.take(Kind::Secret).await;
    assert_eq!(told, (owned(&[TRUST_BUNDLE_SECRET]), owned(&["pay"])));

    bed.desired.send_replace(desired("", 2));
    let gone = owned(&["grpc/shop.v1.Pay", "pay"]);
    assert_eq!(delta.take(Kind::Routes).await, (vec![], gone));
}

#[tokio::test]
async fn an_inbound_listener_is_for_the_members_of_its_service_alone() {
    let bed = Bed::new(orders(60)).await;
    let service = |name, namespace| {
        format!(
            "---\napiVersion: outrider.dev/v1\nkind: Service\n\
             metadata: {{ name: {name}, namespace: {namespace} }}\nspec: {{}}\n"
        )
    };
    let text = service("orders", "default") + &service("pay", "default");
    bed.desired.send_replace(desired(&text, 2));
    let (own, other) = ("inbound/orders/default", "inbound/pay/default");
    let mut delta = bed.delta().await.expect("a stream");
    let names = [other, own, OUTBOUND_LISTENER];
    delta.subscribe(Kind::Listener, &names).await;
    let mut told = BTreeSet::new();
    while !told.contains(own) {
        told.extend(delta.take(Kind::Listener).await.0);
    }
    let expected = owned(&[own, OUTBOUND_LISTENER]);
    assert_eq!(told, expected.into_iter().collect());

    // The service is another namespace's from now on.
    bed.desired
        .send_replace(desired(&service("orders", "shop"), 3));
    let told = delta.take(Kind::Listener).await;
    assert_eq!(told, (vec![], owned(&[own])));
}

#[tokio::test]
async fn state_of_the_world_is_spoken_as_well() {
    let bed = Bed::new(orders(60)).await;
    let (requests, sent) = mpsc::channel(16);
    let mut client = AggregatedDiscoveryServiceClient::new(bed.channel.clone());
    let opened = client.stream_aggregated_resources(ReceiverStream::new(sent));
    let mut responses = opened.await.expect("a stream").into_inner();
    let request = DiscoveryRequest {
        type_url: Kind::Cluster.type_url(),
        ..DiscoveryRequest::default()
    };
    requests.send(request).await.expect("the stream is open");
    let response: Option<DiscoveryResponse> = responses.message().await.expect("no error");
    let response = response.expect("a response");
    assert_eq!(response.resources.len(), 1);
    assert_eq!(bed.sidecar().await.hello.protocol.word(), "sotw");
}

#[tokio::test]
async fn who_is_no_sidecar_gets_no_stream() {
    let cases = [
        (Identity::Anonymous, Code::Unauthenticated),
        (Identity::Operator, Code::PermissionDenied),
    ];
    for (identity, expected) in cases {
        let caller = caller(identity);
        let bed = Bed::new(caller.clone()).await;
        assert_eq!(bed.delta().await.err(), Some(expected), "{caller:?}");
        let mut registry = RegistryClient::new(bed.channel.clone());
        let refused = registry.announce(tokio_stream::empty()).await;
        assert_eq!(
            refused.err().map(|e| e.code()),
            Some(expected),
            "{caller:?}"
        );
    }
}

#[tokio::test]
async fn a_stream_has_ten_thousand_names_and_no_more() {
    let names: Vec<String> = (0..5_001).map(|number| format!("s{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let bed = Bed::new(orders(60)).await;
    let mut delta = bed.delta().await.expect("a stream");
    delta.subscribe(Kind::Routes, &names).await;
    delta.take(Kind::Routes).await;
    delta.subscribe(Kind::Cluster, &names).await;
    let (code, reason) = delta.end().await;
    assert_eq!(code, Code::ResourceExhausted, "{reason}");
}

#[tokio::test]
async fn names_that_are_only_mentioned_have_the_same_limits() {
    let dropped = |names: Vec<String>| DeltaDiscoveryRequest {
        type_url: Kind::Routes.type_url(),
        resource_names_unsubscribe: names,
        ..DeltaDiscoveryRequest::default()
    };
    let resumed = |names: Vec<String>| DeltaDiscoveryRequest {
        type_url: Kind::Routes.type_url(),
        initial_resource_versions: names.into_iter().map(|n| (n, "1".to_owned())).collect(),
        ..DeltaDiscoveryRequest::default()
    };
    let many: Vec<String> = (0..10_001).map(|number| format!("s{number}")).collect();
    let long = vec!["a".repeat(1_025)];
    for request in [
        dropped(many.clone()),
        dropped(long.clone()),
        resumed(many),
        resumed(long),
    ] {
        let bed = Bed::new(orders(60)).await;
        let mut delta = bed.delta().await.expect("a stream");
        delta.send(request).await;
        assert_eq!(delta.end().await.0, Code::ResourceExhausted);
    }
}

#[tokio::test]
async fn a_name_is_no_longer_than_it_may_be() {
    let bed = Bed::new(orders(60)).await;
    let mut delta = bed.delta().await.expect("a stream");
    delta
        .subscribe(Kind::Routes, &["a".repeat(1_025).as_str()])
        .await;
    assert_eq!(delta.end().await.0, Code::ResourceExhausted);
}

#[tokio::test]
async fn a_stream_ends_with_the_certificate_and_with_the_process() {
    let bed = Bed::new(orders(0)).await;
    let mut delta = bed.delta().await.expect("a stream");
    let (code, reason) = delta.end().await;
    assert_eq!(code, Code::Unavailable);
    assert!(reason.contains("certificate"), "{reason}");

    let bed = Bed::new(orders(60)).await;
    let mut delta = bed.delta().await.expect("a stream");
    bed.stop.send_replace(true);
    let (code, reason) = delta.end().await;
    assert_eq!(code, Code::Unavailable);
    assert!(reason.contains("stops"), "{reason}");
}

#[tokio::test]
async fn a_node_that_names_another_service_changes_nothing_and_is_counted() {
    let bed = Bed::new(orders(60)).await;
    let mut delta = bed.delta().await.expect("a stream");
    let request = DeltaDiscoveryRequest {
        node: Some(Node {
            id: "default/pay/run".to_owned(),
            ..Node::default()
        }),
        type_url: Kind::Routes.type_url(),
        resource_names_subscribe: owned(&["pay"]),
        ..DeltaDiscoveryRequest::default()
    };
    delta.send(request).await;
    assert_eq!(delta.take(Kind::Routes).await.0, ["pay"]);
    let hello = bed.sidecar().await.hello;
    assert_eq!(hello.workload.service, "orders");
    let metrics = bed.mesh.metrics.encode(Levels::default());
    assert!(metrics.contains("nodes_misnamed_total 1"), "{metrics}");
}

#[tokio::test]
async fn what_a_sidecar_uses_and_what_it_refuses_is_known() {
    let bed = Bed::new(orders(60)).await;
    let mut delta = bed.delta().await.expect("a stream");
    delta.subscribe(Kind::Routes, &["pay"]).await;
    let response = delta.receive().await;
    let sidecar = bed.sidecar().await;
    assert_eq!(sidecar.applied.version, "");
    let detail = WireStatus {
        code: Code::InvalidArgument.into(),
        message: "virtual_hosts: none".to_owned(),
        details: Vec::new(),
    };
    delta
        .send(DeltaDiscoveryRequest {
            type_url: response.type_url,
            response_nonce: response.nonce,
            error_detail: Some(detail),
            resource_names_subscribe: owned(&["gone"]),
            ..DeltaDiscoveryRequest::default()
        })
        .await;
    // Its answer says that the refusal before it has been read.
    delta.take(Kind::Routes).await;
    let sidecar = bed.sidecar().await;
    assert_eq!(sidecar.applied.version, "");
    let reason = "virtual_hosts: none".to_owned();
    assert_eq!(sidecar.standings[0].answer, Answer::Rejected { reason });
}

#[tokio::test]
async fn an_instance_is_told_to_others_and_its_withdrawal_is_answered_after_that() {
    let bed = Bed::new(orders(60)).await;
    let mut delta = bed.delta().await.expect("a stream");
    delta.subscribe(Kind::Endpoints, &["orders"]).await;
    assert_eq!(delta.take(Kind::Endpoints).await.1, ["orders"]);

    let (announcements, sent) = mpsc::channel(4);
    let mut registry = RegistryClient::new(bed.channel.clone());
    announcements
        .try_send(announcement(true, false))
        .expect("room");
    let announced = registry.announce(ReceiverStream::new(sent)).await;
    let mut leases = announced.expect("a stream").into_inner();
    let lease = leases.message().await.expect("no error");
    let expected = Lease {
        duration_ms: 5_000,
        withdrawn: false,
    };
    assert_eq!(lease, Some(expected));
    let told = delta.receive().await;
    assert_eq!(told.resources[0].name, "orders");

    announcements
        .try_send(announcement(true, true))
        .expect("room");
    let lease = leases.message().await.expect("no error");
    assert!(lease.is_some_and(|lease| lease.withdrawn));
    let told_again = delta.receive().await;
    assert_ne!(told_again.resources[0].version, told.resources[0].version);
}

#[tokio::test]
async fn an_address_nobody_could_connect_to_is_refused() {
    let bed = Bed::new(orders(60)).await;
    let mut registry = RegistryClient::new(bed.channel.clone());
    let unusable = Announcement {
        address: "0.0.0.0:15006".to_owned(),
        ..announcement(true, false)
    };
    let announced = registry.announce(tokio_stream::once(unusable)).await;
    let mut leases = announced.expect("a stream").into_inner();
    let refused = leases.message().await.expect_err("an error");
    assert_eq!(refused.code(), Code::InvalidArgument);
}
