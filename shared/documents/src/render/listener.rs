//! How a sidecar accepts connections: one inbound listener for each service, which its own members
//! follow, and one outbound listener, which is the same for all applications.
//!
//! Where they listen, the sidecar's flags say, so that there is no address and no route.

use super::{authorization, connections, wire_duration};
use crate::model::{Connections, Service};
use crate::wire::AuthorizationDefault;
use outrider_policy::Lifetimes;
use outrider_proto::envoy::connection_manager::http_connection_manager::CodecType;
use outrider_proto::envoy::connection_manager::http_filter::ConfigType as HttpConfigType;
use outrider_proto::envoy::connection_manager::{HttpConnectionManager, HttpFilter};
use outrider_proto::envoy::core::{
    Http2ProtocolOptions, HttpProtocolOptions, KeepaliveSettings, TrafficDirection,
};
use outrider_proto::envoy::listener::filter::ConfigType;
use outrider_proto::envoy::listener::{Filter, FilterChain, Listener};
use outrider_proto::v1::{Authorization, ListenerPolicy};
use outrider_proto::{
    HTTP_CONNECTION_MANAGER, LISTENER_POLICY, OUTBOUND_LISTENER, features, inbound_listener, pack,
};

/// What holds for a sidecar whose service is not known, too: its inbound side follows this one.
pub(super) fn outbound(connections: &Connections, default: AuthorizationDefault) -> Listener {
    let name = OUTBOUND_LISTENER.to_owned();
    let authorization = authorization::render(&[], default);
    listener(name, TrafficDirection::Outbound, connections, authorization)
}

pub(super) fn inbound(
    service: &Service,
    mesh: &Connections,
    default: AuthorizationDefault,
) -> Listener {
    let name = inbound_listener(&service.namespace, &service.name);
    let connections = Connections {
        max_age: service.policy.max_connection_age.or(mesh.max_age),
        ..*mesh
    };
    let authorization = authorization::render(&service.authorization, default);
    listener(name, TrafficDirection::Inbound, &connections, authorization)
}

fn listener(
    name: String,
    direction: TrafficDirection,
    connections: &Connections,
    authorization: Option<Authorization>,
) -> Listener {
    let manager = HttpConnectionManager {
        http_filters: policy(connections, authorization).into_iter().collect(),
        ..connection_manager(name.clone(), connections)
    };
    let filter = Filter {
        name: HTTP_CONNECTION_MANAGER.to_owned(),
        config_type: Some(ConfigType::TypedConfig(pack(&manager))),
    };
    let chain = FilterChain {
        filters: vec![filter],
        ..FilterChain::default()
    };
    Listener {
        name,
        traffic_direction: direction.into(),
        filter_chains: vec![chain],
        ..Listener::default()
    }
}

/// Absent values are spelled out: to Envoy absence means something else than to our documents.
fn connection_manager(stat_prefix: String, connections: &Connections) -> HttpConnectionManager {
    let Lifetimes {
        header_block,
        idle,
        age,
        keepalive,
        ..
    } = Lifetimes::default();
    let set = |value: Option<_>, default| Some(wire_duration(value.unwrap_or(default)));
    let pings = connections.keepalive;
    let age = connections.max_age.or(age).filter(|age| !age.is_zero());
    HttpConnectionManager {
        stat_prefix,
        codec_type: CodecType::Http2.into(),
        request_headers_timeout: set(connections.header_timeout, header_block),
        common_http_protocol_options: Some(HttpProtocolOptions {
            idle_timeout: set(connections.idle_timeout, idle.unwrap_or_default()),
            max_connection_duration: age.map(wire_duration),
            ..HttpProtocolOptions::default()
        }),
        http2_protocol_options: Some(Http2ProtocolOptions {
            connection_keepalive: Some(KeepaliveSettings {
                interval: set(pings.and_then(|it| it.interval), keepalive.every),
                timeout: set(pings.and_then(|it| it.timeout), keepalive.patience),
                ..KeepaliveSettings::default()
            }),
            ..Http2ProtocolOptions::default()
        }),
        ..HttpConnectionManager::default()
    }
}

/// What Envoy has no field for; `None` if nothing of that is set.
fn policy(connections: &Connections, authorization: Option<Authorization>) -> Option<HttpFilter> {
    let message = ListenerPolicy {
        required_features: Vec::new(),
        handshake_timeout: connections.handshake_timeout.map(wire_duration),
        stalled_timeout: connections.stalled_timeout.map(wire_duration),
        application_keepalive: connections
            .foreign_keepalive
            .map(connections::render_keepalive),
        authorization,
    };
    let used = features::used([
        (features::AUTHORIZATION, message.authorization.is_some()),
        (
            features::HANDSHAKE_TIMEOUT,
            message.handshake_timeout.is_some(),
        ),
        (features::STALLED_TIMEOUT, message.stalled_timeout.is_some()),
        (
            features::APPLICATION_KEEPALIVE,
            message.application_keepalive.is_some(),
        ),
    ]);
    if used.is_empty() {
        return None;
    }
    let message = ListenerPolicy {
        required_features: used,
        ..message
    };
    Some(HttpFilter {
        name: LISTENER_POLICY.to_owned(),
        config_type: Some(HttpConfigType::TypedConfig(pack(&message))),
        ..HttpFilter::default()
    })
}
