//! The roots that are believed, as everybody is told.

use aws_lc_rs::digest::{Context, SHA256};
use rustls_pki_types::{CertificateDer, TrustAnchor};

use super::error::AuthorityError;

/// Roots in the order of their age, oldest first: a promotion changes who signs, not the bundle.
#[derive(Debug)]
pub struct Bundle {
    roots: Vec<CertificateDer<'static>>,
    anchors: Vec<TrustAnchor<'static>>,
    sha256: [u8; 32],
}

impl Bundle {
    /// The bundle of `roots`.
    ///
    /// # Errors
    /// [`AuthorityError::Damaged`]: one of them is no certificate, or there is none.
    pub fn new(roots: Vec<CertificateDer<'static>>) -> Result<Bundle, AuthorityError> {
        let damaged = AuthorityError::Damaged("the bundle");
        if roots.is_empty() {
            return Err(damaged);
        }
        let anchor = |root| webpki::anchor_from_trusted_cert(root).map(|anchor| anchor.to_owned());
        let anchors = roots.iter().map(anchor).collect::<Result<_, _>>();
        let anchors = anchors.map_err(|_| damaged)?;
        let sha256 = sha256(&roots);
        Ok(Bundle {
            roots,
            anchors,
            sha256,
        })
    }

    /// The certificates, in the order that is hashed.
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    /// What verifies against them.
    pub fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    /// SHA-256 over all certificates, one after the other: what a join token carries.
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// The certificates as PEM, in the same order.
    pub fn pem(&self) -> String {
        let block = |root: &CertificateDer<'_>| pem::Pem::new("CERTIFICATE", root.to_vec());
        let blocks: Vec<_> = self.roots.iter().map(block).collect();
        pem::encode_many_config(&blocks, LINE_FEEDS)
    }
}

/// Files of ours end their lines as the system does.
pub(super) const LINE_FEEDS: pem::EncodeConfig =
    pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);

/// SHA-256 over `parts`, one after the other.
pub(super) fn sha256(parts: &[CertificateDer<'_>]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}
