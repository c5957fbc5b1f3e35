//! The trust bundle: the roots that every party accepts, and the forms in which it is handed out.

use aws_lc_rs::digest::{Context, SHA256};
use rustls_pki_types::{CertificateDer, TrustAnchor};

use super::error::AuthorityError;

/// Roots in the order of their age, oldest first: a promotion changes who signs, not the bundle.
#[derive(Debug)]
pub struct Bundle {
    roots: Vec<CertificateDer<'static>>,
    /// Which of them signs.
    signing: CertificateDer<'static>,
    anchors: Vec<TrustAnchor<'static>>,
    sha256: [u8; 32],
}

impl Bundle {
    /// The bundle of `roots`. The first one signs.
    ///
    /// # Errors
    /// [`AuthorityError::Damaged`]: one of them is no certificate, or there is none.
    pub fn new(roots: Vec<CertificateDer<'static>>) -> Result<Bundle, AuthorityError> {
        let damaged = AuthorityError::Damaged("the bundle");
        let Some(signing) = roots.first().cloned() else {
            return Err(damaged);
        };
        let anchor = |root| webpki::anchor_from_trusted_cert(root).map(|anchor| anchor.to_owned());
        let anchors = roots.iter().map(anchor).collect::<Result<_, _>>();
        let anchors = anchors.map_err(|_| damaged)?;
        let sha256 = sha256(&roots);
        Ok(Bundle {
            roots,
            signing,
            anchors,
            sha256,
        })
    }

    /// The same bundle, with `signing` as the root that signs.
    pub fn signed_by(self, signing: CertificateDer<'static>) -> Bundle {
        Bundle { signing, ..self }
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
        pem_of(self.roots.iter())
    }

    /// The certificates as PEM, the signing one first: a reader whose certificate comes from another root
    /// sees that it must be renewed.
    pub fn pem_signing_first(&self) -> String {
        let (signing, others): (Vec<_>, Vec<_>) =
            self.roots.iter().partition(|root| **root == self.signing);
        pem_of(signing.into_iter().chain(others))
    }
}

fn pem_of<'r>(roots: impl Iterator<Item = &'r CertificateDer<'static>>) -> String {
    let blocks = roots.map(|root| pem::Pem::new("CERTIFICATE", root.to_vec()));
    pem::encode_many_config(&blocks.collect::<Vec<_>>(), LINE_FEEDS)
}

/// Our files use the system's line ends.
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
