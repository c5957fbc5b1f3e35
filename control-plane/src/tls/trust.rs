//! Which certificates the control plane accepts from clients, and its clients from it.
//!
//! Each handshake uses the roots of that moment, so none accepts a root that has retired.

use std::sync::Arc;
use std::time::Duration;

use outrider_identity::{IdentityError, Svid, SvidVerifier, Trust};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use tokio::sync::watch;
use tokio::time::sleep;

use super::name::identity_of;
use super::provider;
use crate::authority::Bundle;
use crate::clock;
use crate::members::MemberId;

/// How long a connection lasts after its root has retired. 1 s: the operator who retired the root gets
/// the answer.
const LAST_ANSWER_TIME: Duration = Duration::from_secs(1);

/// The roots in force, and their trust domain.
#[derive(Clone, Debug)]
pub struct Roots {
    pub trust_domain: Arc<str>,
    pub bundle: watch::Receiver<Arc<Bundle>>,
}

impl Roots {
    /// A verifier of clients: a sidecar, the operator, or a client without a certificate.
    pub fn clients(self) -> SvidVerifier<ClientTrust> {
        SvidVerifier {
            trust: ClientTrust(self),
            provider: provider(),
        }
    }

    /// A verifier of the one server that has the identity `id`, and if `member` is given is this member.
    pub fn server(self, id: String, member: Option<MemberId>) -> SvidVerifier<ServerTrust> {
        let trust = ServerTrust {
            roots: self,
            id,
            member,
        };
        let provider = provider();
        SvidVerifier { trust, provider }
    }

    /// Verifies with the roots of the moment. The watch is not borrowed meanwhile: its writer would wait.
    fn with_anchors<T>(&self, verify: impl FnOnce(&[TrustAnchor<'static>]) -> T) -> T {
        let bundle = Arc::clone(&self.bundle.borrow());
        verify(bundle.anchors())
    }

    /// Returns soon after a client's certificate, leaf first, is no longer accepted, because its root has
    /// retired. Also when the authority is gone.
    pub async fn until_distrusted(mut self, chain: Vec<CertificateDer<'static>>) {
        let verifier = self.clone().clients();
        while self.bundle.changed().await.is_ok() {
            let now = Duration::from_millis(clock::unix_ms().unsigned_abs());
            let now = UnixTime::since_unix_epoch(now);
            if let Err(error) = verifier.verify_client(&chain, now) {
                let problem = outrider_causes::describe_tls(&error, None);
                tracing::info!(
                    problem,
                    "connection ends: its certificate is no longer accepted"
                );
                return sleep(LAST_ANSWER_TIME).await;
            }
        }
    }
}

/// Accepts sidecars, the operator, and clients without a certificate.
#[derive(Debug)]
pub struct ClientTrust(Roots);

impl Trust for ClientTrust {
    fn with_anchors<T>(&self, verify: impl FnOnce(&[TrustAnchor<'static>]) -> T) -> T {
        self.0.with_anchors(verify)
    }

    fn accept(&self, svid: &Svid) -> Result<(), IdentityError> {
        identity_of(svid, &self.0.trust_domain).map(drop)
    }

    fn is_client_certificate_mandatory(&self) -> bool {
        false
    }
}

/// Accepts one identity, and if it is given one member of it.
#[derive(Debug)]
pub struct ServerTrust {
    roots: Roots,
    id: String,
    member: Option<MemberId>,
}

impl Trust for ServerTrust {
    fn with_anchors<T>(&self, verify: impl FnOnce(&[TrustAnchor<'static>]) -> T) -> T {
        self.roots.with_anchors(verify)
    }

    fn accept(&self, svid: &Svid) -> Result<(), IdentityError> {
        let presented = MemberId::of_serial(&svid.serial);
        if svid.id.as_str() != self.id {
            return Err(IdentityError::Unexpected {
                expected: self.id.clone(),
                presented: svid.id.to_string(),
            });
        }
        match self.member {
            Some(expected) if expected != presented => Err(IdentityError::Unexpected {
                expected: format!("member {expected} of {}", self.id),
                presented: format!("member {presented}"),
            }),
            Some(_) | None => Ok(()),
        }
    }
}
