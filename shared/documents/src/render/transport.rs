//! How a cluster is spoken to: HTTP/2, and mutual TLS with one exact identity.

use super::one_entry;
use crate::model::Service;
use outrider_proto::envoy::core::config_source::ConfigSourceSpecifier;
use outrider_proto::envoy::core::transport_socket::ConfigType;
use outrider_proto::envoy::core::{
    AggregatedConfigSource, ApiVersion, ConfigSource, Http2ProtocolOptions, TransportSocket,
};
use outrider_proto::envoy::http::HttpProtocolOptions;
use outrider_proto::envoy::http::http_protocol_options::explicit_http_config::ProtocolConfig;
use outrider_proto::envoy::http::http_protocol_options::{
    ExplicitHttpConfig, UpstreamProtocolOptions,
};
use outrider_proto::envoy::matcher::{StringMatcher, string_matcher::MatchPattern};
use outrider_proto::envoy::tls::common_tls_context::{
    CombinedCertificateValidationContext, ValidationContextType,
};
use outrider_proto::envoy::tls::subject_alt_name_matcher::SanType;
use outrider_proto::envoy::tls::{
    CertificateValidationContext, CommonTlsContext, SdsSecretConfig, SubjectAltNameMatcher,
    UpstreamTlsContext,
};
use outrider_proto::google::Any;
use outrider_proto::{HTTP_PROTOCOL_OPTIONS, IDENTITY_SECRET, TRUST_BUNDLE_SECRET, pack};

/// Resources come over the same stream as this one.
pub(super) fn ads() -> ConfigSource {
    let source = ConfigSourceSpecifier::Ads(AggregatedConfigSource {});
    ConfigSource {
        resource_api_version: ApiVersion::V3.into(),
        config_source_specifier: Some(source),
        ..ConfigSource::default()
    }
}

pub(super) fn http2_options<M: FromIterator<(String, Any)>>() -> M {
    let http2 = ProtocolConfig::Http2ProtocolOptions(Http2ProtocolOptions::default());
    let explicit = ExplicitHttpConfig {
        protocol_config: Some(http2),
    };
    let options = HttpProtocolOptions {
        upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(explicit)),
        ..HttpProtocolOptions::default()
    };
    one_entry(HTTP_PROTOCOL_OPTIONS, pack(&options))
}

/// The endpoint must present the identity of the service it is believed to be.
pub(super) fn mutual_tls(service: &Service, trust_domain: &str) -> TransportSocket {
    let Service {
        name, namespace, ..
    } = service;
    let identity = format!("spiffe://{trust_domain}/ns/{namespace}/svc/{name}");
    let combined = CombinedCertificateValidationContext {
        default_validation_context: Some(only(identity)),
        validation_context_sds_secret_config: Some(secret(TRUST_BUNDLE_SECRET)),
        ..CombinedCertificateValidationContext::default()
    };
    let validation = ValidationContextType::CombinedValidationContext(combined);
    let common = CommonTlsContext {
        tls_certificate_sds_secret_configs: vec![secret(IDENTITY_SECRET)],
        alpn_protocols: vec!["h2".to_owned()],
        validation_context_type: Some(validation),
        ..CommonTlsContext::default()
    };
    let context = UpstreamTlsContext {
        common_tls_context: Some(common),
        ..UpstreamTlsContext::default()
    };
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(ConfigType::TypedConfig(pack(&context))),
    }
}

fn only(identity: String) -> CertificateValidationContext {
    let exact = StringMatcher {
        match_pattern: Some(MatchPattern::Exact(identity)),
        ..StringMatcher::default()
    };
    let matcher = SubjectAltNameMatcher {
        san_type: SanType::Uri.into(),
        matcher: Some(exact),
        ..SubjectAltNameMatcher::default()
    };
    CertificateValidationContext {
        match_typed_subject_alt_names: vec![matcher],
        ..CertificateValidationContext::default()
    }
}

fn secret(name: &str) -> SdsSecretConfig {
    SdsSecretConfig {
        name: name.to_owned(),
        sds_config: Some(ads()),
    }
}
