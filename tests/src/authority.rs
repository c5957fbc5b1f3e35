//! A certificate authority that lives as long as one test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use outrider_control_plane::tls::Credential;
use outrider_daemon::IdentityFiles;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType,
};
use rustls::ClientConfig;
use rustls::pki_types::PrivateKeyDer;

use crate::joiner::believing_anybody;

/// Issues certificates for services of namespace `default` in `outrider.local`.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority with a key of its own.
    pub fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a self-signed certificate");
        Authority { issuer }
    }

    /// Writes certificate, key and bundle of `service` into `folder`, replacing what is there.
    pub fn issue(&self, folder: &Path, service: &str) -> IdentityFiles {
        let (certificate, key) = self.sign(service);
        IdentityFiles {
            certificate: write(folder, "certificate.pem", &certificate.pem()),
            key: write(folder, "key.pem", &key.serialize_pem()),
            trust_bundle: write(folder, "bundle.pem", &self.issuer.pem()),
        }
    }

    /// TLS of a client that is `service` and believes whoever answers.
    pub fn client(&self, service: &str) -> Arc<ClientConfig> {
        let (certificate, key) = self.sign(service);
        believing_anybody(Some(Credential {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        }))
    }

    fn sign(&self, service: &str) -> (Certificate, KeyPair) {
        let uri = format!("spiffe://outrider.local/ns/default/svc/{service}");
        let uri = SanType::URI(uri.as_str().try_into().expect("an ASCII URI"));
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![uri];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate, key)
    }

    /// As [`Authority::issue`], with a bundle that believes `other` too.
    pub fn issue_trusting(&self, folder: &Path, service: &str, other: &Authority) -> IdentityFiles {
        let issued = self.issue(folder, service);
        let both = self.issuer.pem() + &other.issuer.pem();
        write(folder, "bundle.pem", &both);
        issued
    }
}

impl Default for Authority {
    fn default() -> Authority {
        Authority::new()
    }
}

fn write(folder: &Path, name: &str, pem: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, pem).expect("a file is written");
    path
}
