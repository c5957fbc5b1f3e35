//! `Secret`: the mesh's trust bundle, the one secret that comes from a control plane.
//!
//! Decides whether it is PEM with certificates in it; who is trusted by them is the engine's
//! business. A sidecar's own certificate and key never come this way.
//! Reference: <https://www.envoyproxy.io/docs/envoy/latest/configuration/security/secret>.

use super::fields::{Fields, refuse_unenforced};
use outrider_proto::TRUST_BUNDLE_SECRET;
use outrider_proto::envoy::core::DataSource;
use outrider_proto::envoy::core::data_source::Specifier;
use outrider_proto::envoy::tls::secret::Type;
use outrider_proto::envoy::tls::{CertificateValidationContext, Secret};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// The bundle's PEM, of one certificate at least.
pub(super) fn parse(secret: &Secret, fields: &mut Fields<'_>) -> Option<Vec<u8>> {
    let Secret { name, r#type } = secret;
    if name != TRUST_BUNDLE_SECRET {
        fields.refuse("name", format!("there is one, `{TRUST_BUNDLE_SECRET}`"));
    }
    match r#type {
        Some(Type::ValidationContext(context)) => {
            parse_context(context, &mut fields.at("validation_context"))
        }
        Some(_) | None => {
            fields.refuse("type", "must be validation_context");
            None
        }
    }
}

fn parse_context(
    context: &CertificateValidationContext,
    fields: &mut Fields<'_>,
) -> Option<Vec<u8>> {
    refuse_unenforced!(fields, context, CertificateValidationContext {
        enforced: trusted_ca;
        refused: match_typed_subject_alt_names, ca_certificate_provider_instance,
            system_root_certs, watched_directory, verify_certificate_spki,
            verify_certificate_hash, match_subject_alt_names,
            require_signed_certificate_timestamp, crl, allow_expired_certificate,
            trust_chain_verification, custom_validator_config, only_verify_leaf_cert_crl,
            max_verify_depth, suppress_client_ca_list;
    });
    match &context.trusted_ca {
        Some(source) => parse_source(source, &mut fields.at("trusted_ca")),
        None => {
            fields.refuse("trusted_ca", "missing");
            None
        }
    }
}

fn parse_source(source: &DataSource, fields: &mut Fields<'_>) -> Option<Vec<u8>> {
    refuse_unenforced!(fields, source, DataSource {
        enforced: specifier;
        refused: watched_directory;
    });
    let (field, pem) = match &source.specifier {
        Some(Specifier::InlineBytes(bytes)) => ("inline_bytes", bytes.as_slice()),
        Some(Specifier::InlineString(text)) => ("inline_string", text.as_bytes()),
        Some(Specifier::Filename(_) | Specifier::EnvironmentVariable(_)) | None => {
            fields.refuse("specifier", "must be inline_bytes or inline_string");
            return None;
        }
    };
    match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(found) if found.is_empty() => fields.refuse(field, "no certificate in it"),
        Ok(_) => return Some(pem.to_vec()),
        Err(error) => fields.refuse(field, format!("no PEM: {error}")),
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block that is PEM; nobody here looks at what is in it.
    const PEM: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

    fn secret(name: &str, specifier: Option<Specifier>) -> Secret {
        let trusted_ca = Some(DataSource {
            specifier,
            ..DataSource::default()
        });
        let context = CertificateValidationContext {
            trusted_ca,
            ..CertificateValidationContext::default()
        };
        Secret {
            name: name.to_owned(),
            r#type: Some(Type::ValidationContext(context)),
        }
    }

    #[test]
    fn a_bundle_is_inline_pem_or_refused_by_field() {
        let bytes = |pem: &str| Some(Specifier::InlineBytes(pem.as_bytes().to_vec()));
        let text = |pem: &str| Some(Specifier::InlineString(pem.to_owned()));
        let file = Some(Specifier::Filename("/etc/ca.pem".to_owned()));
        let path = "validation_context.trusted_ca";
        let cases = [
            ("bytes", "trust-bundle", bytes(PEM), Ok(())),
            ("text", "trust-bundle", text(PEM), Ok(())),
            ("nothing", "trust-bundle", None, Err("specifier")),
            ("a file", "trust-bundle", file, Err("specifier")),
            ("empty", "trust-bundle", bytes(""), Err("inline_bytes")),
            (
                "cut short",
                "trust-bundle",
                text(&PEM[..40]),
                Err("inline_string"),
            ),
        ];
        for (rule, name, specifier, expected) in cases {
            let mut errors = Vec::new();
            let parsed = parse(&secret(name, specifier), &mut Fields::root(&mut errors));
            let paths: Vec<_> = errors.iter().map(|error| error.path.clone()).collect();
            match expected {
                Ok(()) => assert_eq!((parsed.as_deref(), paths), (Some(PEM.as_bytes()), vec![])),
                Err(field) => assert_eq!(paths, [format!("{path}.{field}")], "{rule}"),
            }
        }
    }

    #[test]
    fn another_secret_and_another_type_are_refused() {
        let mut errors = Vec::new();
        let other = Secret {
            name: "identity".to_owned(),
            r#type: None,
        };
        assert_eq!(parse(&other, &mut Fields::root(&mut errors)), None);
        let paths: Vec<_> = errors.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(paths, ["name", "type"]);
    }
}
