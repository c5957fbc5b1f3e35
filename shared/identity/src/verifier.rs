//! Verifies the certificate of a peer: its identity, its chain, its dates and its usage.
//!
//! rustls' stock verifiers compare DNS names; a mesh identity is the one URI of the leaf. Chain,
//! dates and usage are webpki's. TLS 1.3 only. Which roots are in force, and which identity may be
//! at the other end, is the caller's ([`Trust`]).
//! Source: SPIFFE X.509-SVID, section 5.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use crate::{IdentityError, Svid};

/// Which roots and which identities a verifier accepts.
pub trait Trust: fmt::Debug + Send + Sync {
    /// Passes the roots that are in force now to `verify`.
    fn with_anchors<T>(&self, verify: impl FnOnce(&[TrustAnchor<'static>]) -> T) -> T;

    /// May the holder of this certificate be at the other end?
    ///
    /// # Errors
    /// [`IdentityError`] says what was expected instead.
    fn accept(&self, svid: &Svid) -> Result<(), IdentityError>;

    /// Must a client show a certificate?
    fn is_client_certificate_mandatory(&self) -> bool {
        true
    }
}

/// Verifies servers and clients by what [`Trust`] accepts.
#[derive(Debug)]
pub struct SvidVerifier<T> {
    /// Which roots and identities are accepted.
    pub trust: T,
    /// Whose signature algorithms are used.
    pub provider: Arc<CryptoProvider>,
}

impl<T: Trust> SvidVerifier<T> {
    /// Would a client with this chain, leaf first, be accepted at `now`?
    ///
    /// # Errors
    /// rustls' error with the cause.
    pub fn verify_client(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Error> {
        self.verify_chain(chain, now, KeyUsage::client_auth())
    }

    /// Would a server with this chain, leaf first, be accepted at `now`?
    ///
    /// # Errors
    /// rustls' error with the cause.
    pub fn verify_server(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Error> {
        self.verify_chain(chain, now, KeyUsage::server_auth())
    }

    fn verify_chain(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<(), Error> {
        let (leaf, intermediates) = chain.split_first().ok_or(IdentityError::Unreadable)?;
        self.verify(leaf, intermediates, now, usage)
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<(), Error> {
        self.trust.accept(&Svid::parse(leaf)?)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let leaf = EndEntityCert::try_from(leaf).map_err(certificate_error)?;
        self.trust
            .with_anchors(|anchors| {
                leaf.verify_for_usage(algorithms, anchors, intermediates, now, usage, None, None)
                    .map(drop)
            })
            .map_err(certificate_error)
    }

    fn verify_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signature, algorithms)
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
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

fn refuse_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
}

impl<T: Trust> ServerCertVerifier for SvidVerifier<T> {
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
        refuse_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

impl<T: Trust> ClientCertVerifier for SvidVerifier<T> {
    fn client_auth_mandatory(&self) -> bool {
        self.trust.is_client_certificate_mandatory()
    }

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
        refuse_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}
