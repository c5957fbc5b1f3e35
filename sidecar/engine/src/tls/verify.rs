//! Whom a certificate speaks for: SPIFFE verification of our own.
//!
//! rustls' stock verifiers compare DNS names; a mesh identity is the one URI SAN of the leaf
//! (SPIFFE X.509-SVID, section 4 and 5.2). Chain, validity and key usage are webpki's; exactly one
//! URI, its trust domain and its octets are checked here.

use std::fmt;
use std::sync::Arc;

use outrider_policy::SpiffeId;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why a certificate names no mesh identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// Not a certificate, or its extensions cannot be read.
    Unreadable,
    /// No URI among the subject alternative names, or more than one (X.509-SVID section 5.2).
    UriCount(usize),
    /// The URI is not the SPIFFE id of a workload.
    NotSpiffe(String),
    /// Another trust domain than ours.
    ForeignTrustDomain(String),
    /// Not the identity this connection expects.
    Unexpected {
        /// The identity the endpoint is believed to have.
        expected: String,
        /// The identity it presented.
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
            } => {
                write!(f, "expected {expected}, the peer presented {presented}")
            }
        }
    }
}

impl std::error::Error for IdentityError {}

impl From<IdentityError> for Error {
    fn from(error: IdentityError) -> Error {
        Error::InvalidCertificate(CertificateError::Other(rustls::OtherError(Arc::new(error))))
    }
}

/// The one SPIFFE id of a leaf certificate.
///
/// # Errors
/// [`IdentityError`] when there is none, more than one, or it is malformed.
pub fn certificate_identity(certificate: &CertificateDer<'_>) -> Result<SpiffeId, IdentityError> {
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|_| IdentityError::Unreadable)?;
    let names = parsed
        .subject_alternative_name()
        .map_err(|_| IdentityError::Unreadable)?;
    let mut uris = Vec::new();
    for name in names
        .iter()
        .flat_map(|extension| &extension.value.general_names)
    {
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

/// The last second in which a certificate is good. Seconds since 1970-01-01 UTC.
///
/// # Errors
/// [`IdentityError::Unreadable`] when it is no certificate.
pub(super) fn certificate_expiry(certificate: &CertificateDer<'_>) -> Result<u64, IdentityError> {
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|_| IdentityError::Unreadable)?;
    let seconds = parsed.validity().not_after.timestamp();
    Ok(u64::try_from(seconds).unwrap_or(0))
}

/// What both roles check.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) anchors: Arc<Vec<TrustAnchor<'static>>>,
    pub(super) trust_domain: String,
    pub(super) provider: Arc<CryptoProvider>,
    /// The identity a server must present; a client may be anybody of the trust domain.
    pub(super) expected: Option<SpiffeId>,
}

impl Verifier {
    pub(super) fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<(), Error> {
        let identity = certificate_identity(leaf)?;
        if identity.trust_domain() != self.trust_domain {
            return Err(IdentityError::ForeignTrustDomain(identity.to_string()).into());
        }
        if let Some(expected) = &self.expected
            && *expected != identity
        {
            let (expected, presented) = (expected.to_string(), identity.to_string());
            return Err(IdentityError::Unexpected {
                expected,
                presented,
            }
            .into());
        }
        let algorithms = self.provider.signature_verification_algorithms.all;
        EndEntityCert::try_from(leaf)
            .and_then(|leaf| {
                leaf.verify_for_usage(
                    algorithms,
                    &self.anchors,
                    intermediates,
                    now,
                    usage,
                    None,
                    None,
                )
                .map(drop)
            })
            .map_err(certificate_error)
    }
}

fn certificate_error(error: webpki::Error) -> Error {
    let error = match error {
        webpki::Error::CertExpired { time, not_after } => {
            CertificateError::ExpiredContext { time, not_after }
        }
        webpki::Error::CertNotValidYet { time, not_before } => {
            CertificateError::NotValidYetContext { time, not_before }
        }
        webpki::Error::UnknownIssuer => CertificateError::UnknownIssuer,
        webpki::Error::BadDer | webpki::Error::BadDerTime => CertificateError::BadEncoding,
        other => CertificateError::Other(rustls::OtherError(Arc::new(other))),
    };
    Error::InvalidCertificate(error)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(leaf, intermediates, now, KeyUsage::server_auth())?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            leaf,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(leaf, intermediates, now, KeyUsage::client_auth())?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            leaf,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
