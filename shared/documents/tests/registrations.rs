//! Who registered, beside documents and without them.

use std::net::SocketAddr;

use outrider_documents::{
    Contested, Documents, Registered, RegisteredService, load, render, render_with,
};
use outrider_proto::Resources;
use outrider_proto::envoy::core::SocketAddress;
use outrider_proto::envoy::core::address::Address;
use outrider_proto::envoy::core::socket_address::PortSpecifier;
use outrider_proto::envoy::core::transport_socket::ConfigType;
use outrider_proto::envoy::endpoint::ClusterLoadAssignment;
use outrider_proto::envoy::endpoint::lb_endpoint::HostIdentifier;

const ONE: &str = "10.0.0.1:15006";
const TWO: &str = "[2001:db8::2]:15006";

fn documents(text: &str) -> Documents {
    load(&[("mesh.yaml", text)]).expect("the documents are right")
}

/// Service `orders` of namespace `shop`, with `spec`.
fn orders(spec: &str) -> Documents {
    documents(&format!(
        "apiVersion: outrider.dev/v1\nkind: Service\n\
         metadata: {{ name: orders, namespace: shop }}\nspec: {{ {spec} }}\n"
    ))
}

fn registered(service: &str, candidates: &[(&str, &[&str])]) -> Registered {
    let candidates = candidates.iter().map(|(namespace, addresses)| {
        let addresses = addresses.iter().map(|text| text.parse::<SocketAddr>());
        RegisteredService {
            namespace: (*namespace).to_owned(),
            addresses: addresses
                .map(|parsed| parsed.expect("an address"))
                .collect(),
        }
    });
    Registered::from_iter([(service.to_owned(), candidates.collect())])
}

/// The host and port of every endpoint, in order.
fn endpoints(assignment: &ClusterLoadAssignment) -> Vec<(String, u32)> {
    let endpoints = assignment.endpoints.iter().flat_map(|l| &l.lb_endpoints);
    let sockets = endpoints.filter_map(|endpoint| match &endpoint.host_identifier {
        Some(HostIdentifier::Endpoint(endpoint)) => endpoint.address.as_ref()?.address.as_ref(),
        Some(HostIdentifier::EndpointName(_)) | None => None,
    });
    let parts = sockets.filter_map(|address| match address {
        Address::SocketAddress(SocketAddress {
            address,
            port_specifier: Some(PortSpecifier::PortValue(port)),
            ..
        }) => Some((address.clone(), *port)),
        _ => None,
    });
    parts.collect()
}

/// Names with the number of endpoints.
fn counts(resources: &Resources) -> Vec<(&str, usize)> {
    let assignments = resources
        .endpoints
        .iter()
        .map(|versioned| &versioned.message);
    assignments
        .map(|a| (a.cluster_name.as_str(), endpoints(a).len()))
        .collect()
}

#[test]
fn whose_registration_counts() {
    let fixed = "endpoints: { static: [ { address: \"10.0.0.9:1\" } ] }";
    let own: (&str, &[&str]) = ("shop", &[ONE, TWO]);
    let foreign: (&str, &[&str]) = ("evil", &[ONE]);
    let cases = [
        ("the document's namespace", orders(""), vec![own], 2, vec![]),
        ("alone, nobody", orders(""), vec![], 0, vec![]),
        (
            "not another namespace",
            orders(""),
            vec![foreign],
            0,
            vec!["evil"],
        ),
        (
            "not the first of another",
            orders(""),
            vec![foreign, own],
            2,
            vec!["evil"],
        ),
        (
            "none beside written ones",
            orders(fixed),
            vec![own],
            1,
            vec![],
        ),
        (
            "the first without a document",
            documents(""),
            vec![foreign, own],
            1,
            vec!["shop"],
        ),
    ];
    for (rule, documents, candidates, count, losers) in cases {
        let registered = registered("orders", &candidates);
        let resources = render_with(&documents, &registered);
        assert_eq!(counts(&resources), [("orders", count)], "{rule}");
        let contested = documents.contested(&registered);
        let contested: Vec<&str> = contested.iter().map(|c| c.namespace.as_str()).collect();
        assert_eq!(contested, losers, "{rule}");
    }
}

#[test]
fn a_contested_name_is_told_with_its_owner() {
    let contested = orders("").contested(&registered("orders", &[("evil", &[ONE])]));
    let expected = Contested {
        service: "orders".to_owned(),
        namespace: "evil".to_owned(),
        owner: "shop".to_owned(),
    };
    assert_eq!(contested, [expected]);
}

#[test]
fn an_undocumented_service_is_reached_by_authority_and_by_its_own_identity() {
    let resources = render_with(&documents(""), &registered("pay", &[("shop", &[ONE])]));
    let [routes] = resources.routes.as_slice() else {
        panic!("one service: {:?}", resources.routes);
    };
    assert_eq!(routes.message.virtual_hosts[0].domains, ["pay", "pay.mesh"]);
    let socket = resources.clusters[0].message.transport_socket.as_ref();
    let config = socket.and_then(|socket| socket.config_type.clone());
    let Some(ConfigType::TypedConfig(config)) = config else {
        panic!("mutual TLS: {config:?}");
    };
    let text = String::from_utf8_lossy(&config.value);
    assert!(text.contains("/ns/shop/svc/pay"), "{text}");
}

#[test]
fn nobody_there_is_an_assignment_without_localities() {
    let resources = render(&orders(""));
    assert!(resources.endpoints[0].message.endpoints.is_empty());
}

#[test]
fn addresses_come_in_their_order_and_ipv6_without_brackets() {
    let resources = render_with(&orders(""), &registered("orders", &[("shop", &[ONE, TWO])]));
    let found = endpoints(&resources.endpoints[0].message);
    let expected = [("10.0.0.1", 15006), ("2001:db8::2", 15006)];
    assert_eq!(found, expected.map(|(host, port)| (host.to_owned(), port)));
}
