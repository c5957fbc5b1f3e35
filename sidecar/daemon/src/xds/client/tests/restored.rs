//! A client that begins with what an earlier one stored.

use super::*;

/// The next life of `client`.
fn reborn(client: &Client) -> Client {
    let services = client.services().clone();
    Client::restored(
        Node::default(),
        BTreeSet::new(),
        services,
        &client.resources(),
    )
}

#[test]
fn a_restored_client_has_in_force_what_was_stored() {
    let client = reborn(&serving());
    assert_eq!(in_force(&client), ["cluster/a", "endpoints/a", "routes/a"]);
    let version = serving().configuration().version();
    assert_eq!(client.configuration().version(), version);
    assert_eq!(client.find("a"), Resolution::Present);
    assert_eq!(client.next_timeout(), None, "nothing is waited for");
}

#[test]
fn a_restored_client_resumes_and_waits_for_nothing_it_has() {
    let mut client = reborn(&serving());
    for request in delta(client.opened(NOW)) {
        let versions = request.initial_resource_versions;
        let held = request.type_url != Kind::Secret.type_url();
        assert_eq!(versions.len(), usize::from(held));
    }
    client.tick(after(15));
    assert_eq!(client.timed_out_count(), 1, "the trust bundle alone");
}

#[test]
fn a_restored_client_knows_a_service_by_its_alias() {
    let mut client = Client::new(Node::default(), BTreeSet::new());
    client.opened(NOW);
    client.want(NOW, "grpc/shop.A");
    for response in [routes(), cluster(1), endpoints()] {
        client.receive(NOW, sent(response));
    }
    assert_eq!(reborn(&client).find("grpc/shop.A"), Resolution::Present);
}

#[test]
fn over_state_of_the_world_a_restored_client_claims_no_version() {
    let mut client = reborn(&serving());
    client.closed(NOW, Closed::Unimplemented, 0);
    let requests = world(client.opened(NOW));
    assert_eq!(requests.len(), 4);
    assert!(
        requests
            .iter()
            .all(|request| request.version_info.is_empty())
    );
}

#[test]
fn what_was_in_force_without_what_it_leads_to_still_is() {
    let mut client = asking();
    client.receive(NOW, sent(routes()));
    client.receive(NOW, removed(Kind::Cluster, "a"));
    assert_eq!(in_force(&client), ["routes/a"]);
    assert_eq!(in_force(&reborn(&client)), ["routes/a"]);
}

#[test]
fn what_cannot_be_enforced_any_more_is_left_out_and_comes_again() {
    let mut stored = serving().resources();
    stored.clusters[0].message.lb_policy = LbPolicy::Maglev.into();
    let services = serving().services().clone();
    let mut client = Client::restored(Node::default(), BTreeSet::new(), services, &stored);
    assert_eq!(
        in_force(&client),
        ["routes/a"],
        "only what depends on it fails"
    );
    let requests = delta(client.opened(NOW)).into_iter();
    let mut clusters = requests.filter(|request| request.type_url == Kind::Cluster.type_url());
    let cluster = clusters.next().expect("a request for the cluster");
    assert_eq!(cluster.resource_names_subscribe, ["a"]);
    assert!(cluster.initial_resource_versions.is_empty());
}

#[test]
fn of_services_nobody_wants_any_more_nothing_is_restored() {
    let client = Client::restored(
        Node::default(),
        BTreeSet::new(),
        BTreeSet::new(),
        &serving().resources(),
    );
    assert_eq!(in_force(&client), [""; 0]);
}
