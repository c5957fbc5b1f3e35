//! A key of our own and the certificate for it: what is asked for and what is taken.
//!
//! Every certificate is for a fresh key. What came is checked as certificate files are: it must
//! fit the key, be this sidecar's and be valid now.

use outrider_proto::v1::{IssuedCertificate, StoredIdentity};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::clock;
use crate::control::identity::{self, Expected, Identity};

/// A key that waits for its certificate. P-256.
pub struct PendingKey {
    key: KeyPair,
    /// PKCS#10, DER. It names nobody: whose certificate it becomes is not ours to say.
    pub request: Vec<u8>,
}

impl PendingKey {
    /// Makes a key and the request for its certificate.
    ///
    /// # Errors
    /// When the machine has no randomness to give.
    pub fn new() -> Result<PendingKey, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key)?;
        let request = request.der().to_vec();
        Ok(PendingKey { key, request })
    }

    /// The key with the certificate that came for it.
    pub fn into_identity(self, issued: IssuedCertificate) -> StoredIdentity {
        StoredIdentity {
            required_features: Vec::new(),
            key: self.key.serialize_der(),
            chain: issued.chain,
            roots: issued.roots,
            received_unix: clock::unix_seconds(),
        }
    }
}

/// Checks that all of it belongs together and to this sidecar, and is valid now.
///
/// # Errors
/// What is wrong, for people.
pub fn check(stored: &StoredIdentity, expected: &Expected) -> Result<Identity, String> {
    let chain = certificates(&stored.chain);
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(stored.key.clone()));
    let mut identity = identity::check(chain, key, &certificates(&stored.roots), expected)?;
    // The certificate may be dated back for clocks that are behind; its life with us began later.
    identity.since_unix = identity.since_unix.max(stored.received_unix);
    Ok(identity)
}

/// Does the certificate name that root as its issuer? Both DER; what cannot be read names nobody, and
/// is no reason to ask for another.
pub fn is_issued_by(leaf: &[u8], root: &[u8]) -> bool {
    let read = |der| X509Certificate::from_der(der).map(|(_, certificate)| certificate);
    match (read(leaf), read(root)) {
        (Ok(leaf), Ok(root)) => leaf.issuer().as_raw() == root.subject().as_raw(),
        (Err(_), _) | (_, Err(_)) => true,
    }
}

/// Octets as certificates; what is in them is not looked at.
pub fn certificates(ders: &[Vec<u8>]) -> Vec<CertificateDer<'static>> {
    ders.iter().cloned().map(CertificateDer::from).collect()
}
