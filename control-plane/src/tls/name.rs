//! Whom a certificate names: exactly one URI, compared octet by octet.
//!
//! Says nothing of whether the certificate is to be believed (`verify`).
//! Reference: SPIFFE-ID 2, X.509-SVID 2 and 4.1.

use outrider_proto::token::is_label;
use rustls::CertificateError;
use rustls_pki_types::CertificateDer;
use std::sync::Arc;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

use crate::caller::{Identity, Workload};
use crate::member::MemberId;

/// Why a certificate names nobody who may speak here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a certificate, or its names cannot be read.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// No URI, or more than one.
    #[error("the certificate has {0} URI names, an identity is exactly one")]
    UriCount(usize),
    /// The right service, and another of its members.
    #[error("it is member {0} of the service, and another was expected")]
    AnotherMember(MemberId),
    /// Another identity than may be at this end.
    #[error("{0:?} is nobody who may be at this end")]
    Unexpected(String),
}

impl From<NameError> for rustls::Error {
    fn from(error: NameError) -> rustls::Error {
        let other = rustls::OtherError(Arc::new(error));
        rustls::Error::InvalidCertificate(CertificateError::Other(other))
    }
}

/// The one name of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The URI.
    pub uri: String,
    /// The member that the serial number names.
    pub member: MemberId,
    /// The end of the certificate. Seconds since 1970-01-01 UTC.
    pub expires_unix: i64,
    /// Common name of the root that signed it; empty if it has none.
    pub issuer: String,
}

impl Named {
    /// The one name of `certificate`.
    ///
    /// # Errors
    /// There is none, or more than one, or one that cannot be read and might be a second.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Named, NameError> {
        let unreadable = |_| NameError::Unreadable;
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(unreadable)?;
        let names = parsed.subject_alternative_name();
        let names = names.map_err(|_| NameError::Unreadable)?;
        let mut uris = Vec::new();
        for name in names.iter().flat_map(|names| &names.value.general_names) {
            match name {
                GeneralName::URI(uri) => uris.push(*uri),
                GeneralName::Invalid(..) => return Err(NameError::Unreadable),
                _ => {}
            }
        }
        let [uri] = uris[..] else {
            return Err(NameError::UriCount(uris.len()));
        };
        Ok(Named {
            uri: uri.to_owned(),
            member: MemberId::of_serial(parsed.raw_serial()),
            expires_unix: parsed.validity().not_after.timestamp(),
            issuer: common_name(parsed.issuer()),
        })
    }

    /// Who speaks, in `trust_domain`: a sidecar or the operator.
    ///
    /// # Errors
    /// [`NameError::Unexpected`]: anybody else, ourselves included.
    pub fn identity(self, trust_domain: &str) -> Result<Identity, NameError> {
        let path = self
            .uri
            .strip_prefix("spiffe://")
            .and_then(|rest| rest.strip_prefix(trust_domain))
            .and_then(|rest| rest.strip_prefix('/'));
        match path
            .map(|path| path.split('/').collect::<Vec<_>>())
            .as_deref()
        {
            Some(["operator"]) => Ok(Identity::Operator),
            Some(["ns", namespace, "svc", service]) if is_label(namespace) && is_label(service) => {
                Ok(Identity::Sidecar(Workload {
                    namespace: (*namespace).to_owned(),
                    service: (*service).to_owned(),
                    member: self.member,
                    expires_unix: self.expires_unix,
                    issuer: self.issuer,
                }))
            }
            _ => Err(NameError::Unexpected(self.uri)),
        }
    }
}

fn common_name(name: &X509Name<'_>) -> String {
    let first = name.iter_common_name().next();
    let text = first.and_then(|name| name.as_str().ok());
    text.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SanType};

    fn certificate(names: Vec<SanType>) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").into()
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().expect("ASCII"))
    }

    #[test]
    fn a_certificate_names_exactly_one() {
        let one = uri("spiffe://outrider.local/operator");
        let dns = SanType::DnsName("orders".try_into().expect("ASCII"));
        let named = |names| Named::of(&certificate(names)).map(|named| named.uri);
        let expected = "spiffe://outrider.local/operator".to_owned();
        assert_eq!(named(vec![one.clone()]), Ok(expected.clone()));
        assert_eq!(named(vec![dns.clone(), one.clone()]), Ok(expected));
        assert_eq!(named(vec![]), Err(NameError::UriCount(0)));
        assert_eq!(named(vec![dns]), Err(NameError::UriCount(0)));
        assert_eq!(named(vec![one.clone(), one]), Err(NameError::UriCount(2)));
        assert_eq!(
            Named::of(&CertificateDer::from(vec![1, 2, 3])),
            Err(NameError::Unreadable)
        );
    }

    #[test]
    fn who_may_speak() {
        let member = MemberId::new([7; 8]);
        let identity = |uri: &str| {
            let named = Named {
                uri: uri.to_owned(),
                member,
                expires_unix: 7,
                issuer: "root".to_owned(),
            };
            named.identity("outrider.local").ok()
        };
        let orders = Identity::Sidecar(Workload {
            namespace: "default".to_owned(),
            service: "orders".to_owned(),
            member,
            expires_unix: 7,
            issuer: "root".to_owned(),
        });
        let good = identity("spiffe://outrider.local/ns/default/svc/orders");
        assert_eq!(good, Some(orders));
        let good = identity("spiffe://outrider.local/operator");
        assert_eq!(good, Some(Identity::Operator));
        for nobody in [
            "",
            "spiffe://outrider.local",
            "spiffe://outrider.local/",
            "spiffe://outrider.local/control-plane",
            "spiffe://outrider.local/operator/",
            "spiffe://outrider.localoperator",
            "spiffe://outrider.local2/operator",
            "spiffe://other/operator",
            "spiffe://OUTRIDER.local/operator",
            "SPIFFE://outrider.local/operator",
            "https://outrider.local/operator",
            "spiffe://outrider.local/ns/default/svc/",
            "spiffe://outrider.local/ns//svc/orders",
            "spiffe://outrider.local/ns/default/svc/orders/",
            "spiffe://outrider.local/ns/default/svc/Orders",
            "spiffe://outrider.local/ns/default/svc/%6frders",
            "spiffe://outrider.local//ns/default/svc/orders",
            "spiffe://outrider.local/ns/default/svc/orders?x",
            "spiffe://outrider.local/svc/orders/ns/default",
        ] {
            assert_eq!(identity(nobody), None, "{nobody}");
        }
    }
}
