//! Which peers a sidecar accepts: any workload of its trust domain, or one that is named.

use std::sync::Arc;

use outrider_identity::{IdentityError, SpiffeId, Svid, Trust};
use rustls_pki_types::TrustAnchor;

/// The roots and the identities that are accepted at the other end of a connection.
#[derive(Debug)]
pub(super) struct PeerTrust {
    pub(super) anchors: Arc<Vec<TrustAnchor<'static>>>,
    pub(super) trust_domain: String,
    /// The identity that the peer must have; `None`: any of the trust domain.
    pub(super) expected: Option<SpiffeId>,
}

impl Trust for PeerTrust {
    fn with_anchors<T>(&self, verify: impl FnOnce(&[TrustAnchor<'static>]) -> T) -> T {
        verify(&self.anchors)
    }

    fn accept(&self, svid: &Svid) -> Result<(), IdentityError> {
        if svid.id.trust_domain() != self.trust_domain {
            return Err(IdentityError::ForeignTrustDomain(svid.id.to_string()));
        }
        match &self.expected {
            Some(expected) if *expected != svid.id => Err(IdentityError::Unexpected {
                expected: expected.to_string(),
                presented: svid.id.to_string(),
            }),
            Some(_) | None => Ok(()),
        }
    }
}
