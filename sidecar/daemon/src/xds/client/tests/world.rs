//! State of the world: what there is no word for in it.

use super::*;

fn response(version: &str, (kind, resources): (Kind, Vec<Resource>)) -> Response {
    Response::World(DiscoveryResponse {
        version_info: version.to_owned(),
        type_url: kind.type_url(),
        nonce: format!("n{version}"),
        resources: resources.into_iter().filter_map(|r| r.resource).collect(),
        ..DiscoveryResponse::default()
    })
}

/// A client that wants `a` on an open stream.
fn asking_for_the_world() -> Client {
    let mut client = asking();
    client.closed(NOW, Closed::Unimplemented, 0);
    client.opened(NOW);
    client
}

/// A client with all of `a` in force.
fn serving_the_world() -> Client {
    let mut client = asking_for_the_world();
    for resources in [routes(), cluster(1), endpoints()] {
        client.receive(NOW, response("1", resources));
    }
    assert_eq!(in_force(&client), ["cluster/a", "endpoints/a", "routes/a"]);
    client
}

#[test]
fn state_of_the_world_answers_with_all_names_and_the_version_of_the_last_good() {
    let mut client = asking_for_the_world();
    client.receive(NOW, response("1", routes()));
    let good = world(client.receive(NOW, response("2", cluster(1))));
    assert_eq!(
        (
            good[0].version_info.as_str(),
            good[0].response_nonce.as_str()
        ),
        ("2", "n2")
    );
    let bad = world(client.receive(NOW, response("3", cluster(0))));
    assert_eq!(
        (bad[0].version_info.as_str(), bad[0].response_nonce.as_str()),
        ("2", "n3")
    );
    assert!(bad[0].error_detail.is_some());
    assert_eq!(bad[0].resource_names, ["a"]);
    client.closed(NOW, Closed::Lost, 0);
    client.closed(NOW, Closed::Unimplemented, 0);
    let again = world(client.opened(NOW));
    assert_eq!(
        (
            again[0].version_info.as_str(),
            again[0].response_nonce.as_str()
        ),
        ("2", "")
    );
}

#[test]
fn a_released_name_stays_asked_for_and_comes_back_as_it_is_now() {
    let mut client = serving_the_world();
    assert_eq!(client.release(NOW, "a"), []);
    assert_eq!(in_force(&client), [""; 0]);
    let answer = world(client.receive(NOW, response("2", cluster(2))));
    assert_eq!(answer[0].resource_names, ["a"]);
    assert_eq!(client.want(NOW, "a"), []);
    assert_eq!(in_force(&client), ["cluster/a", "endpoints/a", "routes/a"]);
    let connect = client.resources().clusters[0].message.connect_timeout;
    assert_eq!(connect.map(|timeout| timeout.seconds), Some(2));
}

#[test]
fn what_is_left_over_is_in_nobodys_way_and_ends_with_the_stream() {
    let mut client = serving_the_world();
    client.release(NOW, "a");
    let answer = world(client.receive(NOW, response("2", cluster(0))));
    assert_eq!(
        answer[0].error_detail, None,
        "nobody wants it, so nobody judges it"
    );
    client.closed(NOW, Closed::Lost, 0);
    client.closed(NOW, Closed::Unimplemented, 0);
    let kinds = world(client.opened(NOW)).into_iter().map(|r| r.type_url);
    assert_eq!(kinds.collect::<Vec<_>>(), [Kind::Secret.type_url()]);
}

#[test]
fn what_is_left_over_is_bounded() {
    let mut client = asking_for_the_world();
    let mut longest = 0;
    for index in 0..1_500 {
        let name = format!("s{index}");
        for request in world(client.want(NOW, &name)) {
            longest = longest.max(request.resource_names.len());
        }
        client.release(NOW, &name);
    }
    // `a`, the one that is wanted and those left over.
    assert_eq!(longest, 1_002);
}

#[test]
fn what_came_by_its_name_is_known_by_its_alias_too() {
    let mut client = serving_the_world();
    client.want(NOW, "grpc/shop.A");
    assert_eq!(client.find("grpc/shop.A"), Resolution::Present);
}
