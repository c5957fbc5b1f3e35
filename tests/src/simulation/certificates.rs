//! Certificates for the runs over real TLS: one authority, one leaf per service, a clock that stands.

use std::sync::Arc;
use std::time::Duration;

use outrider_engine::TlsMaterial;
use outrider_policy::Tick;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::time_provider::TimeProvider;

use super::configuration::identity;
use super::world::{CALLERS_SIDECAR, World};

/// Within the validity that rcgen gives by default (1975 to 4096).
const NOW: Duration = Duration::from_secs(1_800_000_000);

#[derive(Debug)]
struct StandingClock;

impl TimeProvider for StandingClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(NOW))
    }
}

/// Gives each sidecar its certificate.
pub(super) fn install(world: &mut World) {
    let authority = authority();
    let caller = material(&authority, "client");
    let echo = material(&authority, "echo");
    for (number, sidecar) in world.sidecars.iter_mut().enumerate() {
        let own = if number == CALLERS_SIDECAR {
            &caller
        } else {
            &echo
        };
        sidecar.engine.identity(Tick::ZERO, Arc::clone(own));
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key for the authority");
    CertifiedIssuer::self_signed(params, key).expect("an authority")
}

fn material(authority: &CertifiedIssuer<'static, KeyPair>, service: &str) -> Arc<TlsMaterial> {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    let name = identity(service).as_str().to_owned();
    params.subject_alt_names = vec![SanType::URI(name.try_into().expect("an ASCII name"))];
    let leaf = params.signed_by(&key, authority).expect("a certificate");
    let private = PrivateKeyDer::try_from(key.serialize_der()).expect("a PKCS #8 key");
    let bundle: CertificateDer<'static> = authority.der().clone();
    let made = TlsMaterial::new(
        vec![leaf.der().clone()],
        private,
        &[bundle],
        Arc::new(StandingClock),
    );
    Arc::new(made.expect("material that fits"))
}
