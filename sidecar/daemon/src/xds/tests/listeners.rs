//! The listener of the local service: what arrives in the snapshot, and what is refused.

use super::{change, first, resources_beside};
use outrider_engine::config::Snapshot;
use outrider_policy::Lifetimes;
use outrider_proto::envoy::connection_manager::{HttpConnectionManager, HttpFilter};
use outrider_proto::envoy::core::{Address, HttpProtocolOptions};
use outrider_proto::envoy::listener::filter::ConfigType;
use outrider_proto::envoy::listener::{FilterChain, Listener};
use outrider_proto::google::Duration as WireDuration;
use outrider_proto::{pack, unpack};
use std::time::Duration;

/// A mesh-wide age of a minute, and one of two minutes for `orders`.
const AGES: &str = "
apiVersion: outrider.dev/v1
kind: Mesh
metadata: { name: mesh }
spec: { connections: { maxAge: 1m, foreignKeepalive: { interval: 11s }, stalledTimeout: 7s } }
---
apiVersion: outrider.dev/v1
kind: TrafficPolicy
metadata: { name: orders, namespace: shop }
spec: { targetRefs: [ { kind: Service, name: orders } ], maxConnectionAge: 2m }
";

const ORDERS: &str = "inbound/orders/shop";

fn snapshot(inbound: &str) -> Snapshot {
    let accepted = first(&resources_beside(AGES));
    assert_eq!(accepted.rejected, []);
    accepted.configuration.snapshot(inbound, |_| &[])
}

#[test]
fn a_sidecar_accepts_by_the_listener_of_the_local_service() {
    let cases = [
        (ORDERS, 120),
        ("inbound/echo/default", 60),
        // Of another namespace, and of a service that is not known: what holds for the mesh.
        ("inbound/orders/default", 60),
        ("inbound/frontend/default", 60),
    ];
    for (inbound, seconds) in cases {
        let snapshot = snapshot(inbound);
        let age = |lifetimes: Lifetimes| lifetimes.age.expect("it ends").as_secs();
        let ages = [snapshot.inbound, snapshot.outbound].map(|it| age(it.lifetimes));
        assert_eq!(ages, [seconds, 60], "{inbound}");
    }
}

#[test]
fn a_listener_says_the_same_of_accepted_connections_as_a_cluster_of_those_to_it() {
    let snapshot = snapshot(ORDERS);
    let expected = Lifetimes {
        age: Some(Duration::from_secs(120)),
        stalled: Duration::from_secs(7),
        foreign_keepalive: outrider_policy::KeepaliveRules {
            every: Duration::from_secs(11),
            ..Lifetimes::default().foreign_keepalive
        },
        ..Lifetimes::default()
    };
    assert_eq!(snapshot.inbound.lifetimes, expected);
    assert_eq!(snapshot.clusters["orders"].policy.lifetimes, expected);
}

/// What is refused of the listener of `orders`.
fn refusal(break_it: impl FnOnce(&mut Listener)) -> String {
    let mut resources = resources_beside(AGES);
    change(&mut resources.listeners, ORDERS, break_it);
    let rejected = first(&resources).rejected;
    let errors = rejected.iter().flat_map(|rejection| &rejection.errors);
    errors
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

fn manager(break_it: impl FnOnce(&mut HttpConnectionManager)) -> String {
    refusal(|listener| {
        let config = &mut listener.filter_chains[0].filters[0].config_type;
        let Some(ConfigType::TypedConfig(any)) = config else {
            panic!("{config:?}");
        };
        let mut manager = unpack(any).expect("a connection manager");
        break_it(&mut manager);
        *any = pack(&manager);
    })
}

#[test]
fn what_is_not_enforced_in_a_listener_is_refused_with_its_path() {
    let in_manager = "field:filter_chains[0].filters[0].typed_config.";
    let cases = [
        (
            refusal(|listener| listener.address = Some(Address::default())),
            "field:address error:not enforced here".to_owned(),
        ),
        (
            refusal(|listener| listener.filter_chains.push(FilterChain::default())),
            "field:filter_chains error:must be one".to_owned(),
        ),
        (
            manager(|manager| manager.proxy_100_continue = true),
            format!("{in_manager}proxy_100_continue error:not enforced here"),
        ),
        (
            manager(|manager| {
                manager.common_http_protocol_options = Some(HttpProtocolOptions {
                    max_connection_duration: Some(WireDuration::default()),
                    ..HttpProtocolOptions::default()
                });
            }),
            format!(
                "{in_manager}common_http_protocol_options.max_connection_duration error:must be \
                 above zero"
            ),
        ),
        (
            manager(|manager| {
                manager.http_filters.push(HttpFilter {
                    name: "envoy.filters.http.lua".to_owned(),
                    ..HttpFilter::default()
                });
            }),
            format!("{in_manager}http_filters[1].name error:must be outrider.listener_policy"),
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}
