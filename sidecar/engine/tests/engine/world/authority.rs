//! Certificates for the parties of a world.

use std::sync::Arc;

use outrider_engine::{MaterialError, TlsMaterial};
use rcgen::CertificateParams;
use rustls::pki_types::PrivateKeyDer;
use rustls::time_provider::DefaultTimeProvider;

/// A throw-away authority and the certificates it issues.
pub struct Authority {
    certificate: rcgen::Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    pub fn new() -> Authority {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a root");
        Authority {
            certificate,
            issuer: rcgen::Issuer::new(params, key),
        }
    }

    /// Certificate, key and bundle with these URI names.
    pub fn issue(&self, uris: &[&str]) -> Result<Arc<TlsMaterial>, MaterialError> {
        self.issue_with(uris, |_| {})
    }

    /// The same, with whatever else `change` does to the certificate.
    pub fn issue_with(
        &self,
        uris: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Result<Arc<TlsMaterial>, MaterialError> {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        let uri = |uri: &&str| rcgen::SanType::URI((*uri).try_into().expect("a URI"));
        params.subject_alt_names = uris.iter().map(uri).collect();
        change(&mut params);
        let leaf = params.signed_by(&key, &self.issuer).expect("a leaf");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let bundle = [self.certificate.der().clone()];
        let time = Arc::new(DefaultTimeProvider);
        TlsMaterial::new(vec![leaf.der().clone()], key, &bundle, time).map(Arc::new)
    }
}
