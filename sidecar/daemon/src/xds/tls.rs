//! `UpstreamTlsContext`: mutual TLS with the one identity the endpoint must present.
//!
//! Certificate and trust bundle are the sidecar's own; their secrets have fixed names.

use super::fields::{Fields, refuse_unenforced};
use outrider_engine::config::Transport;
use outrider_identity::SpiffeId;
use outrider_proto::envoy::core::config_source::ConfigSourceSpecifier;
use outrider_proto::envoy::core::{
    ApiVersion, ConfigSource, TransportSocket, transport_socket::ConfigType,
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
use outrider_proto::{IDENTITY_SECRET, TRUST_BUNDLE_SECRET, unpack};

/// No transport socket is plaintext.
pub(super) fn parse(
    socket: &Option<TransportSocket>,
    fields: &mut Fields<'_>,
) -> Option<Transport> {
    let Some(TransportSocket {
        name: _,
        config_type,
    }) = socket
    else {
        return Some(Transport::Plaintext);
    };
    let mut fields = fields.at("transport_socket.typed_config");
    let Some(ConfigType::TypedConfig(any)) = config_type else {
        fields.refuse("type_url", "missing");
        return None;
    };
    match unpack::<UpstreamTlsContext>(any) {
        Ok(context) => parse_context(&context, &mut fields),
        Err(error) => {
            fields.refuse("type_url", error.to_string());
            None
        }
    }
}

fn parse_context(context: &UpstreamTlsContext, fields: &mut Fields<'_>) -> Option<Transport> {
    refuse_unenforced!(fields, context, UpstreamTlsContext {
        enforced: common_tls_context;
        refused: sni, auto_host_sni, auto_sni_san_validation, allow_renegotiation,
            max_session_keys, enforce_rsa_key_usage;
    });
    let mut fields = fields.at("common_tls_context");
    let Some(common) = &context.common_tls_context else {
        fields.refuse("validation_context_type", "missing");
        return None;
    };
    parse_common(common, &mut fields)
}

fn parse_common(common: &CommonTlsContext, fields: &mut Fields<'_>) -> Option<Transport> {
    refuse_unenforced!(fields, common, CommonTlsContext {
        enforced: tls_certificate_sds_secret_configs, alpn_protocols, validation_context_type;
        refused: tls_params, tls_certificates, tls_certificate_provider_instance,
            custom_tls_certificate_selector, tls_certificate_certificate_provider,
            tls_certificate_certificate_provider_instance, custom_handshaker, key_log;
    });
    if common.alpn_protocols != ["h2"] {
        fields.refuse("alpn_protocols", "must be h2 alone");
    }
    let own = common.tls_certificate_sds_secret_configs.as_slice();
    if !matches!(own, [secret] if is_secret(secret, IDENTITY_SECRET)) {
        let problem = format!("must be the one secret `{IDENTITY_SECRET}` over ADS");
        fields.refuse("tls_certificate_sds_secret_configs", problem);
    }
    match &common.validation_context_type {
        Some(ValidationContextType::CombinedValidationContext(combined)) => {
            parse_combined(combined, &mut fields.at("combined_validation_context"))
        }
        Some(_) | None => {
            fields.refuse(
                "validation_context_type",
                "must be combined_validation_context",
            );
            None
        }
    }
}

fn is_secret(secret: &SdsSecretConfig, expected: &str) -> bool {
    let SdsSecretConfig { name, sds_config } = secret;
    name == expected && sds_config.as_ref().is_some_and(is_ads)
}

/// Does the resource come over the same stream?
pub(super) fn is_ads(source: &ConfigSource) -> bool {
    let ConfigSource {
        authorities,
        initial_fetch_timeout,
        resource_api_version,
        config_source_specifier,
    } = source;
    authorities.is_empty()
        && initial_fetch_timeout.is_none()
        && *resource_api_version == i32::from(ApiVersion::V3)
        && matches!(config_source_specifier, Some(ConfigSourceSpecifier::Ads(_)))
}

fn parse_combined(
    combined: &CombinedCertificateValidationContext,
    fields: &mut Fields<'_>,
) -> Option<Transport> {
    refuse_unenforced!(fields, combined, CombinedCertificateValidationContext {
        enforced: default_validation_context, validation_context_sds_secret_config;
        refused: validation_context_certificate_provider,
            validation_context_certificate_provider_instance;
    });
    let bundle = combined.validation_context_sds_secret_config.as_ref();
    if !bundle.is_some_and(|secret| is_secret(secret, TRUST_BUNDLE_SECRET)) {
        let problem = format!("must be the secret `{TRUST_BUNDLE_SECRET}` over ADS");
        fields.refuse("validation_context_sds_secret_config", problem);
    }
    let mut fields = fields.at("default_validation_context");
    let Some(validation) = &combined.default_validation_context else {
        fields.refuse("match_typed_subject_alt_names", "missing");
        return None;
    };
    parse_validation(validation, &mut fields)
}

fn parse_validation(
    validation: &CertificateValidationContext,
    fields: &mut Fields<'_>,
) -> Option<Transport> {
    refuse_unenforced!(fields, validation, CertificateValidationContext {
        enforced: match_typed_subject_alt_names;
        refused: trusted_ca, ca_certificate_provider_instance, system_root_certs,
            watched_directory, verify_certificate_spki, verify_certificate_hash,
            match_subject_alt_names, require_signed_certificate_timestamp, crl,
            allow_expired_certificate, trust_chain_verification, custom_validator_config,
            only_verify_leaf_cert_crl, max_verify_depth, suppress_client_ca_list;
    });
    let field = "match_typed_subject_alt_names";
    let [matcher] = validation.match_typed_subject_alt_names.as_slice() else {
        fields.refuse(field, "must be exactly one");
        return None;
    };
    let Some(uri) = exact_uri(matcher) else {
        fields.refuse(field, "must be one exact URI");
        return None;
    };
    match SpiffeId::parse(uri.as_bytes()) {
        Ok(peer) => Some(Transport::MutualTls { peer }),
        Err(_) => {
            fields.refuse(field, format!("`{uri}` is no SPIFFE id"));
            None
        }
    }
}

fn exact_uri(matcher: &SubjectAltNameMatcher) -> Option<&str> {
    let SubjectAltNameMatcher {
        san_type,
        matcher,
        oid,
    } = matcher;
    let StringMatcher {
        ignore_case,
        match_pattern,
    } = matcher.as_ref()?;
    match match_pattern {
        Some(MatchPattern::Exact(uri))
            if *san_type == i32::from(SanType::Uri) && oid.is_empty() && !ignore_case =>
        {
            Some(uri)
        }
        Some(_) | None => None,
    }
}
