//! What another control plane says of balancing, as far as it is honoured.

use super::{change, first, resources};
use outrider_proto::envoy::cluster::cluster::LbPolicy;
use outrider_proto::envoy::core::address::Address as OneAddress;
use outrider_proto::envoy::endpoint::LocalityLbEndpoints;
use outrider_proto::envoy::endpoint::lb_endpoint::HostIdentifier;
use outrider_proto::google::UInt32Value;

/// What is wrong with the assignment of `echo` in two localities, and its endpoints.
fn of_two_localities(second: impl FnOnce(&mut LocalityLbEndpoints)) -> (String, Vec<String>) {
    let mut resources = resources();
    change(&mut resources.endpoints, "echo", |assignment| {
        let mut locality = assignment.endpoints[0].clone();
        let address = &mut locality.lb_endpoints[0].host_identifier;
        if let Some(HostIdentifier::Endpoint(endpoint)) = address
            && let Some(OneAddress::SocketAddress(socket)) =
                endpoint.address.as_mut().and_then(|a| a.address.as_mut())
        {
            socket.address = "127.0.0.2".to_owned();
        }
        second(&mut locality);
        assignment.endpoints.push(locality);
    });
    let accepted = first(&resources);
    let errors = accepted
        .rejected
        .iter()
        .flat_map(|rejected| &rejected.errors);
    let errors: Vec<_> = errors.map(ToString::to_string).collect();
    let snapshot = accepted.configuration.snapshot(|_| &[]);
    let endpoints = &snapshot
        .clusters
        .get("echo")
        .expect("the cluster")
        .endpoints;
    let addresses = endpoints
        .iter()
        .map(|endpoint| endpoint.address.to_string());
    (errors.join("; "), addresses.collect())
}

#[test]
fn localities_of_one_priority_and_one_weight_are_one_set_of_endpoints() {
    let both = ["127.0.0.1:9001", "127.0.0.2:9001"]
        .map(str::to_owned)
        .to_vec();
    assert_eq!(of_two_localities(|_| {}), (String::new(), both));
    let weight = Some(UInt32Value { value: 7 });
    let (errors, _) = of_two_localities(|second| second.load_balancing_weight = weight);
    assert_eq!(
        errors,
        "field:endpoints[1].load_balancing_weight error:must be that of the first: weights of \
         localities are not enforced here"
    );
    let (errors, _) = of_two_localities(|second| second.priority = 1);
    assert_eq!(
        errors,
        "field:endpoints[1].priority error:not enforced here"
    );
}

#[test]
fn an_even_spread_is_two_choices_by_load() {
    let mut resources = resources();
    change(&mut resources.clusters, "echo", |cluster| {
        cluster.lb_policy = LbPolicy::RoundRobin.into();
    });
    assert_eq!(first(&resources).rejected, []);
}
