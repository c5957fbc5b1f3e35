//! `Listener`: the policy of the connections and calls that a sidecar accepts.
//!
//! Where it listens, the sidecar's flags say, and the only route of an inbound listener leads to the
//! application: a listener with an address or a route is refused.

use super::authorization;
use super::cluster_policy::check_features;
use super::connections::{or_off, parse_keepalive};
use super::fields::{Fields, refuse_unenforced};
use outrider_policy::{KeepaliveRules, Lifetimes, ListenerPolicy};
use outrider_proto::envoy::connection_manager::http_connection_manager::CodecType;
use outrider_proto::envoy::connection_manager::http_filter::ConfigType as HttpConfigType;
use outrider_proto::envoy::connection_manager::{HttpConnectionManager, HttpFilter};
use outrider_proto::envoy::core::{Http2ProtocolOptions, HttpProtocolOptions, KeepaliveSettings};
use outrider_proto::envoy::listener::filter::ConfigType;
use outrider_proto::envoy::listener::{FilterChain, Listener};
use outrider_proto::google::Any;
use outrider_proto::{HTTP_CONNECTION_MANAGER, LISTENER_POLICY, features, unpack, v1};

/// The features of `ListenerPolicy` that are enforced here.
const FEATURES: [&str; 4] = [
    features::AUTHORIZATION,
    features::HANDSHAKE_TIMEOUT,
    features::STALLED_TIMEOUT,
    features::APPLICATION_KEEPALIVE,
];

pub(super) fn parse(listener: &Listener, fields: &mut Fields<'_>) -> Option<ListenerPolicy> {
    refuse_unenforced!(fields, listener, Listener {
        enforced: name, traffic_direction, filter_chains;
        refused: address, additional_addresses, stat_prefix, stats_matcher, fcds_config,
            filter_chain_matcher, use_original_dst, default_filter_chain,
            per_connection_buffer_limit_bytes, per_connection_buffer_high_watermark_timeout,
            metadata, deprecated_v1, drain_type, listener_filters, listener_filters_timeout,
            continue_on_listener_filters_timeout, transparent, freebind, socket_options,
            tcp_fast_open_queue_length, udp_listener_config, api_listener,
            connection_balance_config, reuse_port, enable_reuse_port, access_log,
            tcp_backlog_size, max_connections_to_accept_per_socket_event, bind_to_port,
            enable_mptcp, ignore_global_conn_limit, bypass_overload_manager, tcp_keepalive,
            listener_specifier;
    });
    if listener.name.is_empty() {
        fields.refuse("name", "missing");
    }
    let [chain] = listener.filter_chains.as_slice() else {
        fields.refuse("filter_chains", "must be one");
        return None;
    };
    parse_chain(chain, &mut fields.at_index("filter_chains", 0))
}

fn parse_chain(chain: &FilterChain, fields: &mut Fields<'_>) -> Option<ListenerPolicy> {
    refuse_unenforced!(fields, chain, FilterChain {
        enforced: filters;
        refused: filter_chain_match, use_proxy_proto, metadata, transport_socket,
            transport_socket_connect_timeout, name;
    });
    let [filter] = chain.filters.as_slice() else {
        let problem = format!("must be one, {HTTP_CONNECTION_MANAGER}");
        fields.refuse("filters", problem);
        return None;
    };
    let mut fields = fields.at("filters[0].typed_config");
    let Some(ConfigType::TypedConfig(any)) = &filter.config_type else {
        fields.refuse("type_url", "missing");
        return None;
    };
    match unpack::<HttpConnectionManager>(any) {
        Ok(manager) => Some(parse_manager(&manager, &mut fields)),
        Err(error) => {
            fields.refuse("type_url", error.to_string());
            None
        }
    }
}

fn parse_manager(manager: &HttpConnectionManager, fields: &mut Fields<'_>) -> ListenerPolicy {
    refuse_unenforced!(fields, manager, HttpConnectionManager {
        enforced: codec_type, stat_prefix, http_filters, common_http_protocol_options,
            http2_protocol_options, request_headers_timeout;
        refused: add_user_agent, tracing, http1_safe_max_connection_duration,
            http_protocol_options, http3_protocol_options, server_name,
            server_header_transformation, scheme_header_transformation, max_request_headers_kb,
            stream_idle_timeout, stream_flush_timeout, request_timeout, drain_timeout,
            drain_timeout_jitter, delayed_close_timeout, access_log, access_log_flush_interval,
            flush_access_log_on_new_request, access_log_options, use_remote_address,
            xff_num_trusted_hops, original_ip_detection_extensions,
            early_header_mutation_extensions, internal_address_config, skip_xff_append, via,
            generate_request_id, preserve_external_request_id, always_set_request_id_in_response,
            forward_client_cert_details, set_current_client_cert_details,
            forward_client_cert_matcher, proxy_100_continue,
            represent_ipv4_remote_address_as_ipv4_mapped_ipv6, upgrade_configs, normalize_path,
            merge_slashes, path_with_escaped_slashes_action, request_id_extension,
            local_reply_config, strip_matching_host_port, stream_error_on_invalid_http_message,
            path_normalization_options, strip_trailing_host_dot, proxy_status_config,
            typed_header_validation_config, append_x_forwarded_port, append_local_overload,
            add_proxy_protocol_connection_state, forward_proto_config, route_specifier,
            strip_port_mode;
    });
    if manager.codec_type != i32::from(CodecType::Http2) {
        fields.refuse("codec_type", "must be HTTP2");
    }
    let mut policy = ListenerPolicy::default();
    let lifetimes = &mut policy.lifetimes;
    let headers = fields.positive("request_headers_timeout", &manager.request_headers_timeout);
    lifetimes.header_block = headers.unwrap_or(lifetimes.header_block);
    let common = manager.common_http_protocol_options;
    let name = "common_http_protocol_options";
    parse_common(&common.unwrap_or_default(), lifetimes, &mut fields.at(name));
    if let Some(http2) = &manager.http2_protocol_options {
        let mut fields = fields.at("http2_protocol_options");
        parse_http2(http2, lifetimes, &mut fields);
    }
    for (index, filter) in manager.http_filters.iter().enumerate() {
        let mut fields = fields.at_index("http_filters", index);
        parse_filter(filter, &mut policy, &mut fields);
    }
    policy
}

fn parse_common(options: &HttpProtocolOptions, lifetimes: &mut Lifetimes, fields: &mut Fields<'_>) {
    refuse_unenforced!(fields, options, HttpProtocolOptions {
        enforced: idle_timeout, max_connection_duration;
        refused: max_connection_duration_jitter, max_headers_count, max_response_headers_kb,
            max_stream_duration, headers_with_underscores_action, max_requests_per_connection;
    });
    lifetimes.idle = or_off(
        "idle_timeout",
        &options.idle_timeout,
        lifetimes.idle,
        fields,
    );
    let age = &options.max_connection_duration;
    lifetimes.age = fields.positive("max_connection_duration", age);
}

fn parse_http2(options: &Http2ProtocolOptions, lifetimes: &mut Lifetimes, fields: &mut Fields<'_>) {
    refuse_unenforced!(fields, options, Http2ProtocolOptions {
        enforced: connection_keepalive;
        refused: hpack_table_size, max_concurrent_streams, initial_stream_window_size,
            initial_connection_window_size, allow_connect, allow_metadata, max_outbound_frames,
            max_outbound_control_frames, max_consecutive_inbound_frames_with_empty_payload,
            max_inbound_priority_frames_per_stream,
            max_inbound_window_update_frames_per_data_frame_sent,
            stream_error_on_invalid_http_messaging, override_stream_error_on_invalid_http_message,
            custom_settings_parameters, use_oghttp2_codec, max_metadata_size,
            enable_huffman_encoding, max_header_field_size_kb, disallow_obs_text,
            stream_reset_burst, stream_reset_rate;
    });
    if let Some(pings) = &options.connection_keepalive {
        let mut fields = fields.at("connection_keepalive");
        lifetimes.keepalive = parse_pings(pings, lifetimes.keepalive, &mut fields);
    }
}

fn parse_pings(
    pings: &KeepaliveSettings,
    default: KeepaliveRules,
    fields: &mut Fields<'_>,
) -> KeepaliveRules {
    refuse_unenforced!(fields, pings, KeepaliveSettings {
        enforced: interval, timeout;
        refused: interval_jitter, connection_idle_interval;
    });
    let KeepaliveSettings {
        interval, timeout, ..
    } = *pings;
    parse_keepalive(&v1::Keepalive { interval, timeout }, default, fields)
}

fn parse_filter(filter: &HttpFilter, policy: &mut ListenerPolicy, fields: &mut Fields<'_>) {
    refuse_unenforced!(fields, filter, HttpFilter {
        enforced: name, config_type;
        refused: is_optional, disabled;
    });
    if filter.name != LISTENER_POLICY {
        fields.refuse("name", format!("must be {LISTENER_POLICY}"));
        return;
    }
    let mut fields = fields.at("typed_config");
    let Some(HttpConfigType::TypedConfig(any)) = &filter.config_type else {
        return fields.refuse("type_url", "missing");
    };
    parse_ours(any, policy, &mut fields);
}

fn parse_ours(any: &Any, policy: &mut ListenerPolicy, fields: &mut Fields<'_>) {
    let v1::ListenerPolicy {
        required_features,
        handshake_timeout,
        stalled_timeout,
        application_keepalive,
        authorization,
    } = match unpack(any) {
        Ok(message) => message,
        Err(error) => return fields.refuse("type_url", error.to_string()),
    };
    check_features(&required_features, &FEATURES, fields);
    let lifetimes = &mut policy.lifetimes;
    let handshake = fields.positive("handshake_timeout", &handshake_timeout);
    lifetimes.handshake = handshake.unwrap_or(lifetimes.handshake);
    let stalled = fields.positive("stalled_timeout", &stalled_timeout);
    lifetimes.stalled = stalled.unwrap_or(lifetimes.stalled);
    if let Some(authorization) = &authorization {
        let mut fields = fields.at("authorization");
        policy.authorization = authorization::parse(authorization, &mut fields);
    }
    let lifetimes = &mut policy.lifetimes;
    if let Some(pings) = &application_keepalive {
        let mut fields = fields.at("application_keepalive");
        lifetimes.foreign_keepalive =
            parse_keepalive(pings, lifetimes.foreign_keepalive, &mut fields);
    }
}
