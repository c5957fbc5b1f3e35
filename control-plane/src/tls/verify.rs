//! Whether a certificate is to be believed: its chain, its dates, its use, and its one name.
//!
//! rustls' stock verifiers compare DNS names; a mesh identity is a URI. Chain, validity and key
//! usage are webpki's, the name is `name`'s.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::sync::watch;
use tokio::time::sleep;
use webpki::{EndEntityCert, KeyUsage};

use super::name::{NameError, Named};
use crate::authority::Bundle;
use crate::clock;
use crate::member::MemberId;

/// How long a connection lasts after its root has retired: for the answer to whoever retired it.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Which roots are believed, of which trust domain.
#[derive(Clone, Debug)]
pub struct Believed {
    pub trust_domain: Arc<str>,
    pub bundle: watch::Receiver<Arc<Bundle>>,
    pub provider: Arc<CryptoProvider>,
}

impl Believed {
    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<(), Error> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        let bundle = Arc::clone(&self.bundle.borrow());
        let leaf = EndEntityCert::try_from(leaf).map_err(certificate_error)?;
        let anchors = bundle.anchors();
        leaf.verify_for_usage(algorithms, anchors, intermediates, now, usage, None, None)
            .map(drop)
            .map_err(certificate_error)
    }

    /// Returns soon after a client's certificate, leaf first, is believed no longer: its root has
    /// retired. Also when the authority is gone.
    pub async fn until_distrusted(mut self, chain: Vec<CertificateDer<'static>>) {
        while self.bundle.changed().await.is_ok() {
            let now = Duration::from_millis(clock::unix_ms().unsigned_abs());
            let now = UnixTime::since_unix_epoch(now);
            let Some((leaf, intermediates)) = chain.split_first() else {
                continue;
            };
            if let Err(error) = self.verify(leaf, intermediates, now, KeyUsage::client_auth()) {
                let problem = outrider_causes::tls(&error, None);
                tracing::info!(
                    problem,
                    "connection ends: its certificate is believed no longer"
                );
                return sleep(LAST_ANSWERS).await;
            }
        }
    }

    fn signature(
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

fn no_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
}

/// At the control plane's end: a sidecar, the operator, or nobody.
#[derive(Debug)]
pub struct ClientVerifier(pub Believed);

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
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
        let believed = &self.0;
        believed.verify(leaf, intermediates, now, KeyUsage::client_auth())?;
        Named::of(leaf)?.identity(&believed.trust_domain)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.schemes()
    }
}

/// At a client's end: one identity, and perhaps one member of it, and nobody else.
#[derive(Debug)]
pub struct ServerVerifier {
    pub believed: Believed,
    /// Its one name.
    pub uri: String,
    pub member: Option<MemberId>,
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let believed = &self.believed;
        believed.verify(leaf, intermediates, now, KeyUsage::server_auth())?;
        let Named { uri, member, .. } = Named::of(leaf)?;
        if uri != self.uri {
            return Err(NameError::Unexpected(uri).into());
        }
        if self.member.is_some_and(|expected| expected != member) {
            return Err(NameError::AnotherMember(member).into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.believed.signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.believed.schemes()
    }
}
