//! The listeners that documents render to: one for each service, and the applications' one.

use outrider_documents::{load, render};
use outrider_proto::envoy::connection_manager::http_filter::ConfigType as HttpConfigType;
use outrider_proto::envoy::connection_manager::{HttpConnectionManager, HttpFilter};
use outrider_proto::envoy::core::{HttpProtocolOptions, KeepaliveSettings};
use outrider_proto::envoy::listener::Listener;
use outrider_proto::envoy::listener::filter::ConfigType;
use outrider_proto::google::Duration;
use outrider_proto::v1::{Keepalive, ListenerPolicy};
use outrider_proto::{pack, unpack};

const SERVICES: &str = "
apiVersion: outrider.dev/v1
kind: Service
metadata: { name: orders, namespace: shop }
spec: {}
---
apiVersion: outrider.dev/v1
kind: TrafficPolicy
metadata: { name: orders, namespace: shop }
spec: { targetRefs: [ { kind: Service, name: orders } ], maxConnectionAge: 5m }
---
apiVersion: outrider.dev/v1
kind: Service
metadata: { name: pay }
spec: {}
";

fn mesh(connections: &str) -> String {
    format!(
        "---\napiVersion: outrider.dev/v1\nkind: Mesh\nmetadata: {{ name: mesh }}\n\
         spec: {{ connections: {{ {connections} }} }}\n"
    )
}

/// Each listener's name and its connection manager.
fn listeners(connections: &str) -> Vec<(String, HttpConnectionManager)> {
    let text = SERVICES.to_owned() + &mesh(connections);
    let documents = load(&[("mesh.yaml", &text)]).expect("the documents are right");
    let listeners = render(&documents).listeners.into_iter();
    listeners
        .map(|listener| (listener.message.name.clone(), manager(&listener.message)))
        .collect()
}

fn manager(listener: &Listener) -> HttpConnectionManager {
    match &listener.filter_chains[0].filters[0].config_type {
        Some(ConfigType::TypedConfig(any)) => unpack(any).expect("a connection manager"),
        other => panic!("{other:?}"),
    }
}

fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

#[test]
fn each_service_has_an_inbound_listener_and_the_mesh_an_outbound_one() {
    let ages = listeners("maxAge: 10m").into_iter().map(|(name, manager)| {
        let common = manager.common_http_protocol_options.expect("they are set");
        (name, common.max_connection_duration)
    });
    let expected = [
        ("inbound/orders/shop", seconds(300)),
        ("inbound/pay/default", seconds(600)),
        ("outbound", seconds(600)),
    ];
    let expected = expected.map(|(name, age)| (name.to_owned(), age));
    assert_eq!(ages.collect::<Vec<_>>(), expected);
}

#[test]
fn what_is_not_written_is_spelled_out() {
    let (_, manager) = listeners("").remove(1);
    let common = HttpProtocolOptions {
        idle_timeout: seconds(3_600),
        max_connection_duration: seconds(1_800),
        ..HttpProtocolOptions::default()
    };
    assert_eq!(manager.common_http_protocol_options, Some(common));
    assert_eq!(manager.request_headers_timeout, seconds(5));
    let pings = KeepaliveSettings {
        interval: seconds(10),
        timeout: seconds(5),
        ..KeepaliveSettings::default()
    };
    let http2 = manager.http2_protocol_options.expect("pings");
    assert_eq!(http2.connection_keepalive, Some(pings));
    assert_eq!(manager.http_filters, []);
}

#[test]
fn what_is_off_is_absent_for_age_and_zero_for_idleness() {
    let (_, manager) = listeners("idleTimeout: 0s, maxAge: 0s").remove(1);
    let common = manager.common_http_protocol_options.expect("they are set");
    assert_eq!(common.idle_timeout, seconds(0));
    assert_eq!(common.max_connection_duration, None);
}

#[test]
fn what_envoy_has_no_field_for_is_a_filter_of_ours() {
    let text = "handshakeTimeout: 1s, stalledTimeout: 2s, foreignKeepalive: { interval: 11s }";
    let (_, manager) = listeners(text).remove(0);
    let required = [
        "handshake_timeout",
        "stalled_timeout",
        "application_keepalive",
    ];
    let ours = ListenerPolicy {
        required_features: required.map(str::to_owned).to_vec(),
        handshake_timeout: seconds(1),
        stalled_timeout: seconds(2),
        application_keepalive: Some(Keepalive {
            interval: seconds(11),
            timeout: None,
        }),
        authorization: None,
    };
    let filter = HttpFilter {
        name: "outrider.listener_policy".to_owned(),
        config_type: Some(HttpConfigType::TypedConfig(pack(&ours))),
        ..HttpFilter::default()
    };
    assert_eq!(manager.http_filters, [filter]);
}
