//! What an X.509-SVID says: its one SPIFFE id, its dates, its serial number and its issuer.
//!
//! Does not say whether the certificate is to be believed: that is the verifier's.
//! Source: SPIFFE X.509-SVID, sections 2, 4.1 and 5.2.

use std::fmt;
use std::sync::Arc;

use rustls::{CertificateError, Error};
use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

use crate::SpiffeId;

/// Why a certificate does not name the identity that may be at this end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// Not a certificate, or its extensions cannot be read.
    Unreadable,
    /// No URI among the subject alternative names, or more than one (X.509-SVID section 5.2).
    UriCount(usize),
    /// The URI is not the SPIFFE id of a workload.
    NotSpiffe(String),
    /// The id belongs to another trust domain than ours.
    ForeignTrustDomain(String),
    /// Not the identity that this connection expects.
    Unexpected {
        /// The identity that the peer should have.
        expected: String,
        /// The identity that it presented.
        presented: String,
    },
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdentityError::Unreadable => f.write_str("the certificate cannot be read"),
            IdentityError::UriCount(count) => {
                write!(
                    f,
                    "the certificate has {count} URI names, an identity is exactly one"
                )
            }
            IdentityError::NotSpiffe(uri) => {
                write!(f, "the URI name {uri:?} is not the SPIFFE id of a workload")
            }
            IdentityError::ForeignTrustDomain(id) => write!(f, "{id} is of another trust domain"),
            IdentityError::Unexpected {
                expected,
                presented,
            } => write!(f, "expected {expected}, the peer presented {presented}"),
        }
    }
}

impl std::error::Error for IdentityError {}

impl From<IdentityError> for Error {
    fn from(error: IdentityError) -> Error {
        Error::InvalidCertificate(CertificateError::Other(rustls::OtherError(Arc::new(error))))
    }
}

/// The facts of a leaf certificate that the mesh uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Svid {
    /// The one SPIFFE id.
    pub id: SpiffeId,
    /// The serial number, big endian, as it is written.
    pub serial: Vec<u8>,
    /// First second in which it is valid. Seconds since 1970-01-01 UTC.
    pub not_before_unix: i64,
    /// Last second in which it is valid. Seconds since 1970-01-01 UTC.
    pub not_after_unix: i64,
    /// Common name of the certificate that signed it; empty if it has none.
    pub issuer: String,
}

impl Svid {
    /// Reads a leaf certificate in DER.
    ///
    /// # Errors
    /// [`IdentityError`] when the certificate cannot be read, or its URI names are not exactly one
    /// SPIFFE id of a workload.
    pub fn parse(certificate: &CertificateDer<'_>) -> Result<Svid, IdentityError> {
        let parsed = X509Certificate::from_der(certificate);
        let (_, parsed) = parsed.map_err(|_| IdentityError::Unreadable)?;
        let validity = parsed.validity();
        Ok(Svid {
            id: workload_id(&parsed)?,
            serial: parsed.raw_serial().to_vec(),
            not_before_unix: validity.not_before.timestamp(),
            not_after_unix: validity.not_after.timestamp(),
            issuer: common_name(parsed.issuer()),
        })
    }
}

fn workload_id(certificate: &X509Certificate<'_>) -> Result<SpiffeId, IdentityError> {
    let names = certificate.subject_alternative_name();
    let names = names.map_err(|_| IdentityError::Unreadable)?;
    let mut uris = Vec::new();
    for name in names.iter().flat_map(|names| &names.value.general_names) {
        match name {
            GeneralName::URI(uri) => uris.push(*uri),
            // An unreadable name could hide a second URI.
            GeneralName::Invalid(..) => return Err(IdentityError::Unreadable),
            _ => {}
        }
    }
    let [uri] = uris[..] else {
        return Err(IdentityError::UriCount(uris.len()));
    };
    let id = SpiffeId::parse(uri.as_bytes()).ok();
    // A leaf speaks for a workload, never for the trust domain itself (X.509-SVID section 4.1).
    id.filter(|id| !id.path().is_empty())
        .ok_or_else(|| IdentityError::NotSpiffe(uri.to_owned()))
}

fn common_name(name: &X509Name<'_>) -> String {
    let first = name.iter_common_name().next();
    let text = first.and_then(|name| name.as_str().ok());
    text.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SanType, date_time_ymd};

    const ORDERS: &str = "spiffe://outrider.local/ns/default/svc/orders";

    fn certificate(names: Vec<SanType>) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.not_before = date_time_ymd(2026, 11, 1);
        params.not_after = date_time_ymd(2026, 11, 2);
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").into()
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().expect("ASCII"))
    }

    fn id(names: Vec<SanType>) -> Result<String, IdentityError> {
        Svid::parse(&certificate(names)).map(|svid| svid.id.to_string())
    }

    #[test]
    fn an_identity_is_exactly_one_uri() {
        let dns = SanType::DnsName("orders".try_into().expect("ASCII"));
        assert_eq!(id(vec![uri(ORDERS)]), Ok(ORDERS.to_owned()));
        assert_eq!(id(vec![dns.clone(), uri(ORDERS)]), Ok(ORDERS.to_owned()));
        assert_eq!(id(vec![]), Err(IdentityError::UriCount(0)));
        assert_eq!(id(vec![dns]), Err(IdentityError::UriCount(0)));
        let two = vec![uri(ORDERS), uri(ORDERS)];
        assert_eq!(id(two), Err(IdentityError::UriCount(2)));
        let none = CertificateDer::from(vec![1, 2, 3]);
        assert_eq!(Svid::parse(&none), Err(IdentityError::Unreadable));
    }

    #[test]
    fn a_leaf_names_a_workload_and_not_a_trust_domain() {
        for text in ["spiffe://outrider.local", "https://outrider.local/orders"] {
            let refused = IdentityError::NotSpiffe(text.to_owned());
            assert_eq!(id(vec![uri(text)]), Err(refused));
        }
    }

    #[test]
    fn the_dates_are_seconds_since_1970() {
        let svid = Svid::parse(&certificate(vec![uri(ORDERS)])).expect("an identity");
        assert_eq!(svid.not_before_unix, 1_793_491_200);
        assert_eq!(svid.not_after_unix, 1_793_577_600);
    }
}
