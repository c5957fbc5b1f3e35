//! Certificates for the parties of a world.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use outrider_engine::{MaterialError, TlsMaterial};
use rcgen::CertificateParams;
use rustls::pki_types::{PrivateKeyDer, UnixTime};
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};

/// A wall clock that a test moves. Seconds since 1970-01-01 UTC.
#[derive(Clone, Debug)]
pub struct WallClock(Arc<AtomicU64>);

impl WallClock {
    pub fn at(seconds: u64) -> WallClock {
        WallClock(Arc::new(AtomicU64::new(seconds)))
    }

    pub fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl TimeProvider for WallClock {
    fn current_time(&self) -> Option<UnixTime> {
        let now = Duration::from_secs(self.0.load(Ordering::Relaxed));
        Some(UnixTime::since_unix_epoch(now))
    }
}

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
        self.issue_on(Arc::new(DefaultTimeProvider), &[self], uris, change)
    }

    /// The same, judged by the clock `time`; the bundle holds the roots of `believed`.
    pub fn issue_on(
        &self,
        time: Arc<dyn TimeProvider>,
        believed: &[&Authority],
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
        let bundle: Vec<_> = believed
            .iter()
            .map(|authority| authority.certificate.der().clone())
            .collect();
        TlsMaterial::new(vec![leaf.der().clone()], key, &bundle, time).map(Arc::new)
    }
}
