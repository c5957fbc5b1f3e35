//! Certificate, key and trust bundle of this process, checked together and swapped as one.

use std::fmt;
use std::sync::Arc;

use outrider_causes::CertificateDates;
use outrider_identity::{IdentityError, SpiffeId, Svid, SvidVerifier};
use rustls::client::{Resumption, WantsClientCert};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, TrustAnchor};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{ClientConfig, ConfigBuilder, ServerConfig};

use super::trust::PeerTrust;

const ALPN: &[u8] = b"h2";

/// Why certificate, key and bundle cannot serve.
#[derive(Debug)]
pub enum MaterialError {
    /// The certificate file holds no certificate.
    NoCertificate,
    /// The leaf names no mesh identity.
    Identity(IdentityError),
    /// The key cannot be used, or does not belong to the certificate.
    Key(rustls::Error),
    /// The trust bundle is empty or one of its certificates cannot be read.
    Bundle,
}

impl fmt::Display for MaterialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MaterialError::NoCertificate => f.write_str("no certificate found"),
            MaterialError::Identity(_) => f.write_str("the certificate names no mesh identity"),
            MaterialError::Key(_) => f.write_str("the private key does not fit the certificate"),
            MaterialError::Bundle => {
                f.write_str("the trust bundle holds no readable root certificate")
            }
        }
    }
}

impl std::error::Error for MaterialError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            MaterialError::NoCertificate | MaterialError::Bundle => None,
            MaterialError::Identity(error) => Some(error),
            MaterialError::Key(error) => Some(error),
        }
    }
}

/// Which end of a connection a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerRole {
    Client,
    Server,
}

/// The certificate and key of this process, and the roots that it trusts. Never printed.
pub struct TlsMaterial {
    svid: Svid,
    server: Arc<ServerConfig>,
    resolver: Arc<SingleCertAndKey>,
    anchors: Arc<Vec<TrustAnchor<'static>>>,
    provider: Arc<CryptoProvider>,
    time: Arc<dyn TimeProvider>,
}

impl fmt::Debug for TlsMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsMaterial")
            .field("identity", &self.svid.id)
            .finish_non_exhaustive()
    }
}

impl TlsMaterial {
    /// Checks that chain, key and bundle belong together.
    ///
    /// `time` judges validity; `rustls::time_provider::DefaultTimeProvider` is the wall clock.
    ///
    /// # Errors
    /// [`MaterialError`] names the part that does not fit; nothing is half-taken.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        bundle: &[CertificateDer<'_>],
        time: Arc<dyn TimeProvider>,
    ) -> Result<TlsMaterial, MaterialError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let leaf = chain.first().ok_or(MaterialError::NoCertificate)?;
        let svid = Svid::parse(leaf).map_err(MaterialError::Identity)?;
        let certified =
            CertifiedKey::from_der(chain, key, &provider).map_err(MaterialError::Key)?;
        let resolver = Arc::new(SingleCertAndKey::from(certified));
        let anchors = Arc::new(anchors(bundle)?);
        let server = server_config(&svid.id, &anchors, &resolver, &provider, &time)?;
        Ok(TlsMaterial {
            svid,
            server: Arc::new(server),
            resolver,
            anchors,
            provider,
            time,
        })
    }

    /// The identity in our certificate.
    pub fn identity(&self) -> &SpiffeId {
        &self.svid.id
    }

    /// When the certificate is valid, and what time it is.
    pub(crate) fn dates(&self) -> CertificateDates {
        let now = self.time.current_time().map_or(0, |now| now.as_secs());
        CertificateDates {
            not_before: self.svid.not_before_unix,
            not_after: self.svid.not_after_unix,
            now: i64::try_from(now).unwrap_or(i64::MAX),
        }
    }

    /// Last second of our certificate. Seconds since 1970-01-01 UTC.
    pub(crate) fn expires_unix(&self) -> u64 {
        u64::try_from(self.svid.not_after_unix).unwrap_or(0)
    }

    /// The wall clock. Seconds since 1970-01-01 UTC; 0 without a clock.
    pub(crate) fn now_unix(&self) -> u64 {
        self.time.current_time().map_or(0, |time| time.as_secs())
    }

    /// Is the bundle of `other` the same?
    pub(crate) fn believes_same_roots(&self, other: &TlsMaterial) -> bool {
        self.anchors == other.anchors
    }

    /// Would a peer that proved itself with `chain` be believed now?
    pub(crate) fn believes(&self, chain: &[CertificateDer<'_>], role: PeerRole) -> bool {
        let Some(now) = self.time.current_time() else {
            return false;
        };
        let verifier = self.verifier(None);
        match role {
            PeerRole::Client => verifier.verify_client(chain, now).is_ok(),
            PeerRole::Server => verifier.verify_server(chain, now).is_ok(),
        }
    }

    fn verifier(&self, expected: Option<SpiffeId>) -> SvidVerifier<PeerTrust> {
        let trust = PeerTrust {
            anchors: Arc::clone(&self.anchors),
            trust_domain: self.svid.id.trust_domain().to_owned(),
            expected,
        };
        let provider = Arc::clone(&self.provider);
        SvidVerifier { trust, provider }
    }

    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    /// A client that accepts exactly `peer` at the other end and shows our certificate.
    ///
    /// # Errors
    /// When the provider has no cipher suite of TLS 1.3.
    pub fn client(&self, peer: &SpiffeId) -> Result<Arc<ClientConfig>, rustls::Error> {
        let verifier = self.verifier(Some(peer.clone()));
        let certificate = Arc::clone(&self.resolver) as Arc<_>;
        let config =
            believing(verifier, Arc::clone(&self.time))?.with_client_cert_resolver(certificate);
        Ok(bare(config))
    }
}

/// A client that accepts exactly `peer`, under `bundle`, and shows no certificate: for who has
/// none yet.
///
/// # Errors
/// [`MaterialError::Bundle`] when it holds no readable root.
pub fn anonymous_client(
    bundle: &[CertificateDer<'_>],
    peer: &SpiffeId,
    time: Arc<dyn TimeProvider>,
) -> Result<Arc<ClientConfig>, MaterialError> {
    let verifier = SvidVerifier {
        trust: PeerTrust {
            anchors: Arc::new(anchors(bundle)?),
            trust_domain: peer.trust_domain().to_owned(),
            expected: Some(peer.clone()),
        },
        provider: Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
    };
    let config = believing(verifier, time).map_err(MaterialError::Key)?;
    Ok(bare(config.with_no_client_auth()))
}

/// The half of a client that verifies servers.
fn believing(
    verifier: SvidVerifier<PeerTrust>,
    time: Arc<dyn TimeProvider>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, rustls::Error> {
    let builder = ClientConfig::builder_with_details(Arc::clone(&verifier.provider), time)
        .with_protocol_versions(&[&TLS13])?;
    let builder = builder.dangerous();
    Ok(builder.with_custom_certificate_verifier(Arc::new(verifier)))
}

/// HTTP/2, no resumption, and no name in the clear.
fn bare(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Arc::new(config)
}

fn anchors(bundle: &[CertificateDer<'_>]) -> Result<Vec<TrustAnchor<'static>>, MaterialError> {
    if bundle.is_empty() {
        return Err(MaterialError::Bundle);
    }
    let anchor = |root: &CertificateDer<'_>| {
        webpki::anchor_from_trusted_cert(root)
            .map(|anchor| anchor.to_owned())
            .map_err(|_| MaterialError::Bundle)
    };
    bundle.iter().map(anchor).collect()
}

fn server_config(
    identity: &SpiffeId,
    anchors: &Arc<Vec<TrustAnchor<'static>>>,
    resolver: &Arc<SingleCertAndKey>,
    provider: &Arc<CryptoProvider>,
    time: &Arc<dyn TimeProvider>,
) -> Result<ServerConfig, MaterialError> {
    let verifier = SvidVerifier {
        trust: PeerTrust {
            anchors: Arc::clone(anchors),
            trust_domain: identity.trust_domain().to_owned(),
            expected: None,
        },
        provider: Arc::clone(provider),
    };
    let mut config = ServerConfig::builder_with_details(Arc::clone(provider), Arc::clone(time))
        .with_protocol_versions(&[&TLS13])
        .map_err(MaterialError::Key)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::clone(resolver) as Arc<_>);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    Ok(config)
}
