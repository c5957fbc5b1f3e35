//! The rules of the client, one test each: ask by name, take the good, keep the last good, warm.

mod listeners;
mod restored;
mod trust_bundle;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use outrider_policy::Tick;
use outrider_proto::envoy::cluster::cluster::LbPolicy;
use outrider_proto::envoy::core::Node;
use outrider_proto::envoy::discovery::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Resource,
};
use outrider_proto::{Kind, Resource as Named, Resources, Versioned, pack};

const NOW: Tick = Tick::ZERO;

fn after(seconds: u64) -> Tick {
    NOW + Duration::from_secs(seconds)
}

/// The service `a` as documents render it.
fn rendered() -> Resources {
    let text = "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: { name: a }\n\
                spec: { grpcServices: [shop.A], tls: none, \
                endpoints: { static: [ { address: \"127.0.0.1:9001\" } ] } }\n";
    let documents = outrider_documents::load(&[("a.yaml", text)]);
    outrider_documents::render(&documents.expect("the document is good"))
}

fn wrapped<M: Named>(message: M) -> Resource {
    Resource {
        name: message.resource_name().to_owned(),
        aliases: vec!["grpc/shop.A".to_owned()],
        resource: Some(pack(&message)),
        version: Versioned::new(message).version,
        ..Resource::default()
    }
}

fn routes() -> (Kind, Vec<Resource>) {
    (
        Kind::Routes,
        vec![wrapped(rendered().routes[0].message.clone())],
    )
}

/// The cluster; one of another time-out is another version, one of zero seconds is bad.
fn cluster(connect_seconds: i64) -> (Kind, Vec<Resource>) {
    let mut cluster = rendered().clusters[0].message.clone();
    cluster.connect_timeout.get_or_insert_default().seconds = connect_seconds;
    if connect_seconds == 0 {
        cluster.lb_policy = LbPolicy::Maglev.into();
    }
    (Kind::Cluster, vec![wrapped(cluster)])
}

fn endpoints() -> (Kind, Vec<Resource>) {
    (
        Kind::Endpoints,
        vec![wrapped(rendered().endpoints[0].message.clone())],
    )
}

fn sent((kind, resources): (Kind, Vec<Resource>)) -> Response {
    Response::Delta(DeltaDiscoveryResponse {
        type_url: kind.type_url(),
        nonce: "n".to_owned(),
        resources,
        ..DeltaDiscoveryResponse::default()
    })
}

fn removed(kind: Kind, name: &str) -> Response {
    Response::Delta(DeltaDiscoveryResponse {
        type_url: kind.type_url(),
        nonce: "n".to_owned(),
        removed_resources: vec![name.to_owned()],
        ..DeltaDiscoveryResponse::default()
    })
}

/// The delta requests of a list.
fn delta(requests: Vec<Request>) -> Vec<DeltaDiscoveryRequest> {
    let each = requests.into_iter().filter_map(|request| match request {
        Request::Delta(request) => Some(request),
        Request::World(_) => None,
    });
    each.collect()
}

fn world(requests: Vec<Request>) -> Vec<DiscoveryRequest> {
    let each = requests.into_iter().filter_map(|request| match request {
        Request::World(request) => Some(request),
        Request::Delta(_) => None,
    });
    each.collect()
}

/// Each request as its kind and the names it subscribes to.
fn subscribed(requests: Vec<Request>) -> Vec<(Kind, Vec<String>)> {
    let each = delta(requests).into_iter().map(|request| {
        let kind = Kind::of_type_url(&request.type_url).expect("a kind of ours");
        (kind, request.resource_names_subscribe)
    });
    each.collect()
}

/// A client that wants `a` on an open stream.
fn asking() -> Client {
    let mut client = Client::new(Node::default(), BTreeSet::new());
    client.opened(NOW);
    client.want(NOW, "a");
    client
}

/// A client with all of `a` in force.
fn serving() -> Client {
    let mut client = asking();
    for response in [routes(), cluster(1), endpoints()] {
        client.receive(NOW, sent(response));
    }
    assert_eq!(in_force(&client), ["cluster/a", "endpoints/a", "routes/a"]);
    client
}

fn in_force(client: &Client) -> Vec<String> {
    let lines = client.configuration().resources().into_iter();
    let names = lines.map(|line| line.split('@').next().unwrap_or_default().to_owned());
    names.collect()
}

#[test]
fn asks_by_name_on_first_use_and_for_what_follows() {
    let name = || vec!["a".to_owned()];
    let mut client = Client::new(Node::default(), BTreeSet::new());
    let bundle = vec!["trust-bundle".to_owned()];
    assert_eq!(
        subscribed(client.opened(NOW)),
        [(Kind::Secret, bundle)],
        "no more is wanted yet, and an empty list would be `*`"
    );
    assert_eq!(subscribed(client.want(NOW, "a")), [(Kind::Routes, name())]);
    assert_eq!(client.want(NOW, "a"), []);
    let asked = subscribed(client.receive(NOW, sent(routes())));
    assert_eq!(asked, [(Kind::Cluster, name()), (Kind::Routes, vec![])]);
    let asked = subscribed(client.receive(NOW, sent(cluster(1))));
    assert_eq!(asked, [(Kind::Cluster, vec![]), (Kind::Endpoints, name())]);
}

#[test]
fn a_service_is_known_by_its_alias() {
    let mut client = Client::new(Node::default(), BTreeSet::new());
    client.opened(NOW);
    client.want(NOW, "grpc/shop.A");
    assert_eq!(client.find("grpc/shop.A"), Resolution::Waiting);
    client.receive(NOW, sent(routes()));
    assert_eq!(client.find("grpc/shop.A"), Resolution::Present);
    client.receive(NOW, removed(Kind::Routes, "grpc/shop.A"));
    assert_eq!(client.find("grpc/shop.A"), Resolution::Absent);
}

#[test]
fn only_the_first_message_of_a_stream_says_what_the_client_is() {
    let mut client = asking();
    client.closed(NOW, Closed::Lost, 0);
    let requests = delta(client.opened(NOW));
    assert!(requests[0].node.is_some());
    let requests = delta(client.receive(NOW, sent(routes())));
    assert!(requests.iter().all(|request| request.node.is_none()));
}

#[test]
fn a_route_waits_for_its_cluster_and_a_cluster_for_its_endpoints() {
    let mut client = asking();
    for response in [routes(), cluster(1)] {
        client.receive(NOW, sent(response));
        assert_eq!(in_force(&client), [""; 0]);
    }
    client.receive(NOW, sent(endpoints()));
    assert_eq!(in_force(&client), ["cluster/a", "endpoints/a", "routes/a"]);
}

#[test]
fn a_changed_cluster_warms_from_the_endpoints_it_has() {
    let mut client = serving();
    let before = client.configuration().version();
    client.receive(NOW, sent(cluster(2)));
    assert_ne!(client.configuration().version(), before);
    assert_eq!(in_force(&client), ["cluster/a", "endpoints/a", "routes/a"]);
}

#[test]
fn what_does_not_come_within_15_seconds_is_not_there() {
    let mut client = asking();
    client.receive(NOW, sent(routes()));
    client.receive(NOW, sent(cluster(1)));
    assert_eq!(client.next_timeout(), Some(after(15)));
    client.tick(after(14));
    assert_eq!(in_force(&client), [""; 0]);
    client.tick(after(15));
    assert_eq!(in_force(&client), ["cluster/a", "routes/a"]);
    // The endpoints and the trust bundle.
    assert_eq!((client.timed_out_count(), client.next_timeout()), (2, None));
}

#[test]
fn what_the_server_says_is_not_there_is_not_waited_for() {
    let mut client = asking();
    client.receive(NOW, sent(routes()));
    client.receive(NOW, removed(Kind::Cluster, "a"));
    assert_eq!(in_force(&client), ["routes/a"]);
}

#[test]
fn a_bad_resource_is_refused_by_field_and_the_last_good_stays() {
    let mut client = serving();
    let before = client.configuration().version();
    let requests = delta(client.receive(NOW, sent(cluster(0))));
    assert_eq!(client.configuration().version(), before);
    let error = requests[0].error_detail.clone().expect("a refusal");
    assert_eq!(error.code, 3);
    let start = "xDS response validation errors: [resource index 0: a: INVALID_ARGUMENT: \
                 errors validating Cluster resource: [field:lb_policy error:";
    assert!(error.message.starts_with(start), "{}", error.message);
    assert_eq!(
        error.details.len(),
        1,
        "the resource is named for our own server"
    );
    let requests = delta(client.receive(NOW, sent(cluster(3))));
    assert_eq!(requests[0].error_detail, None);
    assert_ne!(client.configuration().version(), before);
}

#[test]
fn noise_in_the_place_of_a_resource_is_refused_by_name() {
    let mut client = asking();
    let (kind, mut resources) = routes();
    resources[0].resource.get_or_insert_default().value = vec![0xff; 3];
    let requests = delta(client.receive(NOW, sent((kind, resources))));
    let error = requests[0].error_detail.clone().expect("a refusal");
    assert!(error.message.contains("index 0: a:"), "{}", error.message);
}

#[test]
fn a_released_service_is_unsubscribed_with_what_it_led_to() {
    let mut client = serving();
    let requests = delta(client.release(NOW, "a"));
    assert_eq!(requests.len(), 3);
    assert!(
        requests
            .iter()
            .all(|r| r.resource_names_unsubscribe == ["a"])
    );
    assert_eq!(in_force(&client), [""; 0]);
}

#[test]
fn a_lost_stream_changes_nothing_and_the_next_one_resumes() {
    let mut client = serving();
    let before = client.configuration().version();
    client.closed(NOW, Closed::Lost, 0);
    assert_eq!(client.configuration().version(), before);
    let requests = delta(client.opened(NOW)).into_iter();
    let of_service = requests.filter(|request| request.type_url != Kind::Secret.type_url());
    let requests: Vec<_> = of_service.collect();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!(request.resource_names_subscribe, ["a"]);
        assert_eq!(request.initial_resource_versions.len(), 1);
        assert_eq!(request.response_nonce, "");
    }
}

#[test]
fn delta_is_tried_first_on_every_connection() {
    let mut client = asking();
    assert_eq!(client.protocol(), Protocol::Delta);
    assert_eq!(
        client.closed(NOW, Closed::Unimplemented, u64::MAX),
        NOW,
        "at once"
    );
    assert_eq!(client.protocol(), Protocol::StateOfTheWorld);
    assert_eq!(world(client.opened(NOW)).len(), 2);
    assert!(client.closed(NOW, Closed::Lost, u64::MAX) > NOW);
    assert_eq!(client.protocol(), Protocol::Delta);
}

#[test]
fn a_response_resets_the_back_off_and_an_open_stream_alone_does_not() {
    let mut client = asking();
    for ceiling in [1, 2] {
        let wait = client.closed(NOW, Closed::Lost, u64::MAX).since(NOW);
        assert_eq!(wait.as_millis().div_ceil(1_000), ceiling);
        client.opened(NOW);
    }
    client.receive(NOW, sent(routes()));
    let wait = client.closed(NOW, Closed::Lost, u64::MAX).since(NOW);
    assert_eq!(wait.as_millis().div_ceil(1_000), 1);
}
