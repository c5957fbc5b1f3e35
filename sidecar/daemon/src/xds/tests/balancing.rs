//! What another control plane says of balancing, as far as it is honoured.

use super::{change, first, resources};
use crate::xds::Accepted;
use outrider_engine::config::Endpoint;
use outrider_proto::ENDPOINT_METADATA;
use outrider_proto::envoy::cluster::cluster::LbPolicy;
use outrider_proto::envoy::core::address::Address as OneAddress;
use outrider_proto::envoy::core::{Locality, Metadata};
use outrider_proto::envoy::endpoint::LocalityLbEndpoints;
use outrider_proto::envoy::endpoint::lb_endpoint::HostIdentifier;
use outrider_proto::google::value::Kind;
use outrider_proto::google::{Struct, UInt32Value, Value};

/// `echo` in two localities; `change` is for the second.
fn of_two_localities(change_second: impl FnOnce(&mut LocalityLbEndpoints)) -> Accepted {
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
        change_second(&mut locality);
        assignment.endpoints.push(locality);
    });
    first(&resources)
}

/// What is wrong with the assignment.
fn errors(accepted: &Accepted) -> String {
    let rejected = accepted.rejected.iter();
    let errors = rejected.flat_map(|rejected| &rejected.errors);
    let errors: Vec<_> = errors.map(ToString::to_string).collect();
    errors.join("; ")
}

/// The endpoints of `echo`.
fn endpoints(accepted: &Accepted) -> Vec<Endpoint> {
    let snapshot = accepted.configuration.snapshot("", |_| &[]);
    let echo = snapshot.clusters.get("echo").expect("the cluster");
    echo.endpoints.clone()
}

const fn number(value: u32) -> Option<UInt32Value> {
    Some(UInt32Value { value })
}

#[test]
fn localities_of_one_priority_and_one_weight_are_one_set_of_endpoints() {
    let accepted = of_two_localities(|_| {});
    assert_eq!(errors(&accepted), "");
    let endpoints = endpoints(&accepted);
    let addresses = endpoints.iter().map(|it| it.address.to_string());
    assert_eq!(
        addresses.collect::<Vec<_>>(),
        ["127.0.0.1:9001", "127.0.0.2:9001"]
    );
    let accepted = of_two_localities(|second| second.load_balancing_weight = number(7));
    assert_eq!(
        errors(&accepted),
        "field:endpoints[1].load_balancing_weight error:must be that of the first of its priority: \
         weights of localities are not enforced here"
    );
}

#[test]
fn weight_priority_locality_and_metadata_of_an_endpoint_arrive() {
    let text = |text: &str| Value {
        kind: Some(Kind::StringValue(text.to_owned())),
    };
    let accepted = of_two_localities(|second| {
        second.priority = 3;
        second.load_balancing_weight = number(7);
        second.locality = Some(Locality {
            region: "eu".to_owned(),
            zone: "eu-a".to_owned(),
            sub_zone: "rack-1".to_owned(),
        });
        let endpoint = &mut second.lb_endpoints[0];
        endpoint.load_balancing_weight = number(5);
        let values = Struct {
            fields: [("version".to_owned(), text("2"))].into(),
        };
        endpoint.metadata = Some(Metadata {
            filter_metadata: [(ENDPOINT_METADATA.to_owned(), values)].into(),
            ..Metadata::default()
        });
    });
    assert_eq!(errors(&accepted), "");
    let endpoints = endpoints(&accepted);
    assert_eq!(
        endpoints[0],
        Endpoint::at("127.0.0.1:9001".parse().expect("an address"))
    );
    let second = Endpoint {
        weight: 5,
        priority: 3,
        locality: outrider_policy::Locality::parse("eu/eu-a/rack-1").expect("a locality"),
        metadata: [("version".to_owned(), "2".to_owned())].into(),
        ..Endpoint::at("127.0.0.2:9001".parse().expect("an address"))
    };
    assert_eq!(endpoints[1], second);
}

#[test]
fn what_cannot_be_honoured_of_an_endpoint_is_refused() {
    let metadata = |namespace: &str, value: Kind| {
        let value = Value { kind: Some(value) };
        let values = Struct {
            fields: [("a".to_owned(), value)].into(),
        };
        Some(Metadata {
            filter_metadata: [(namespace.to_owned(), values)].into(),
            ..Metadata::default()
        })
    };
    let cases: [(&str, Change); 4] = [
        (
            "field:endpoints[1].priority error:must be at most 128",
            Box::new(|second| second.priority = 129),
        ),
        (
            "field:endpoints[1].lb_endpoints[0].load_balancing_weight error:must be 1 or more",
            Box::new(|second| second.lb_endpoints[0].load_balancing_weight = number(0)),
        ),
        (
            "field:endpoints[1].lb_endpoints[0].metadata.filter_metadata.x error:must be in `envoy.lb`",
            Box::new(move |second| {
                second.lb_endpoints[0].metadata = metadata("x", Kind::BoolValue(true));
            }),
        ),
        (
            "field:endpoints[1].lb_endpoints[0].metadata.filter_metadata.envoy.lb.a error:must be a \
             text, a number or a boolean",
            Box::new(move |second| {
                let list = Kind::StructValue(Struct::default());
                second.lb_endpoints[0].metadata = metadata(ENDPOINT_METADATA, list);
            }),
        ),
    ];
    for (expected, change) in cases {
        assert_eq!(errors(&of_two_localities(change)), expected);
    }
}

type Change = Box<dyn FnOnce(&mut LocalityLbEndpoints)>;

#[test]
fn an_even_spread_is_two_choices_by_load() {
    let mut resources = resources();
    change(&mut resources.clusters, "echo", |cluster| {
        cluster.lb_policy = LbPolicy::RoundRobin.into();
    });
    assert_eq!(first(&resources).rejected, []);
}
