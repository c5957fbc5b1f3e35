//! `HttpProtocolOptions`: upstreams speak HTTP/2, as it comes.

use super::fields::{Fields, refuse_unenforced};
use outrider_proto::envoy::core::Http2ProtocolOptions;
use outrider_proto::envoy::http::HttpProtocolOptions;
use outrider_proto::envoy::http::http_protocol_options::explicit_http_config::ProtocolConfig;
use outrider_proto::envoy::http::http_protocol_options::{
    ExplicitHttpConfig, UpstreamProtocolOptions,
};
use outrider_proto::google::Any;
use outrider_proto::{HTTP_PROTOCOL_OPTIONS, unpack};

/// Checks a cluster's `typed_extension_protocol_options`.
pub(super) fn check<'a>(
    options: impl IntoIterator<Item = (&'a String, &'a Any)>,
    fields: &mut Fields<'_>,
) {
    let mut found = false;
    for (key, any) in options {
        let mut fields = fields.at(&format!("typed_extension_protocol_options[{key}]"));
        if key == HTTP_PROTOCOL_OPTIONS {
            found = true;
            check_http(any, &mut fields);
        } else {
            fields.refuse("value", "not enforced here");
        }
    }
    if !found {
        let problem = format!("{HTTP_PROTOCOL_OPTIONS} must ask for HTTP/2");
        fields.refuse("typed_extension_protocol_options", problem);
    }
}

fn check_http(any: &Any, fields: &mut Fields<'_>) {
    let options: HttpProtocolOptions = match unpack(any) {
        Ok(options) => options,
        Err(error) => return fields.refuse("value", error.to_string()),
    };
    refuse_unenforced!(fields, &options, HttpProtocolOptions {
        enforced: upstream_protocol_options;
        refused: common_http_protocol_options, upstream_http_protocol_options, http_filters,
            header_validation_config, outlier_detection, request_mirror_policies, hash_policy,
            retry_policy;
    });
    let plain = ProtocolConfig::Http2ProtocolOptions(Http2ProtocolOptions::default());
    let expected = UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig {
        protocol_config: Some(plain),
    });
    if options.upstream_protocol_options != Some(expected) {
        let problem = "must be explicit_http_config.http2_protocol_options with nothing set";
        fields.refuse("upstream_protocol_options", problem);
    }
}
