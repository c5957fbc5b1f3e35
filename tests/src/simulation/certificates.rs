//! Certificates for the runs over real TLS: one authority, a leaf for each sidecar, a calendar that
//! follows virtual time.
//!
//! In half of the runs leaves live for less than the run. They are renewed at half of their life, as
//! a sidecar does it, but one sidecar misses its renewals for a while and stands there with an
//! expired certificate: whoever connects to it then, or it to whom, must fail cleanly, and find
//! each other again afterwards. What still runs on a connection when the leaf that it began with ends
//! may be cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use outrider_engine::TlsMaterial;
use outrider_policy::Tick;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::time_provider::TimeProvider;

use super::configuration::identity;
use super::plan::Fault;
use super::random::Random;
use super::world::{CALLERS_SIDECAR, Wire, World};

/// Sets its draws apart from the rest of the plan.
const APART: u64 = 0xce27_0000_0005_0000;

/// The calendar at the start: the beginning of 2027-01-15, in seconds.
const START: u64 = 1_799_971_200;

/// A life longer than any run.
const LONG: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The calendar: a second of it is a millisecond of virtual time, because certificates count in
/// whole seconds.
#[derive(Clone, Debug, Default)]
struct Calendar(Arc<AtomicU64>);

impl TimeProvider for Calendar {
    fn current_time(&self) -> Option<UnixTime> {
        let passed = self.0.load(Ordering::Relaxed);
        Some(UnixTime::since_unix_epoch(Duration::from_secs(
            START + passed,
        )))
    }
}

/// The authority of a run over TLS.
pub(super) struct Issuer {
    authority: CertifiedIssuer<'static, KeyPair>,
    calendar: Calendar,
    /// How long a leaf lives. Virtual time.
    life: Duration,
}

/// What happens to a sidecar's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Renewed,
    /// Nobody renewed it in time, or it was renewed while a connection stood that began with it.
    Expired,
}

impl Issuer {
    pub(super) fn new(wire: Wire, life: Option<Duration>) -> Option<Issuer> {
        (wire == Wire::Tls).then(|| Issuer {
            authority: authority(),
            calendar: Calendar::default(),
            life: life.unwrap_or(LONG),
        })
    }

    /// The calendar follows the world.
    pub(super) fn follow(&self, now: Tick) {
        let millis = now.as_nanos() / 1_000_000;
        // Beyond that nothing expires any more, and years have four digits.
        let passed = millis.min(LONG.as_secs());
        self.calendar.0.store(passed, Ordering::Relaxed);
    }

    fn issue(&self, service: &str, life: Duration) -> Arc<TlsMaterial> {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        let name = identity(service).as_str().to_owned();
        params.subject_alt_names = vec![SanType::URI(name.try_into().expect("an ASCII name"))];
        let passed = self.calendar.0.load(Ordering::Relaxed);
        let left = u64::try_from(life.as_millis())
            .unwrap_or(u64::MAX)
            .min(LONG.as_secs());
        let start = date_time_ymd(2027, 1, 15);
        params.not_before = start - Duration::from_secs(86_400);
        params.not_after = start + Duration::from_secs(passed + left);
        let leaf = params
            .signed_by(&key, &self.authority)
            .expect("a certificate");
        let private = PrivateKeyDer::try_from(key.serialize_der()).expect("a PKCS #8 key");
        let bundle: CertificateDer<'static> = self.authority.der().clone();
        let chain = vec![leaf.der().clone()];
        let calendar = Arc::new(self.calendar.clone());
        let made = TlsMaterial::new(chain, private, &[bundle], calendar);
        Arc::new(made.expect("material that fits"))
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key for the authority");
    CertifiedIssuer::self_signed(params, key).expect("an authority")
}

/// How long leaves live in the run of this seed, if not for ever, and what happens to them.
pub(super) fn faults(
    seed: u64,
    wire: Wire,
    plan: &super::plan::Plan,
) -> (Option<Duration>, Vec<(Tick, Fault)>) {
    let mut random = Random::new(seed ^ APART);
    if wire == Wire::Plain || random.chance(50) {
        return (None, Vec::new());
    }
    let millis = plan.span.as_millis() as usize;
    let life = random.millis(millis / 4 + 20, millis + 20);
    let late = random.between(0, plan.endpoints);
    let misses = random.between(0, 3);
    let mut faults = vec![(
        Tick::ZERO + life,
        Fault::Certificate(CALLERS_SIDECAR, Change::Expired),
    )];
    for sidecar in 0..=plan.endpoints {
        let mut at = Tick::ZERO;
        let mut left = misses;
        while at.as_nanos() < plan.span.as_nanos() as u64 {
            let due = at + life;
            at = at + life / 2;
            if sidecar == late && left > 0 {
                // It renews when the certificate has been worthless for a while.
                left -= 1;
                faults.push((due, Fault::Certificate(sidecar, Change::Expired)));
                at = due + random.millis(0, 500);
            }
            faults.push((at, Fault::Certificate(sidecar, Change::Renewed)));
        }
    }
    (Some(life), faults)
}

impl World {
    /// Gives each sidecar a certificate that lives for so long.
    pub(super) fn certify_all(&mut self) {
        for sidecar in 0..self.sidecars.len() {
            self.certify(sidecar);
        }
    }

    /// The troubles are over: from here on nothing expires.
    pub(super) fn certify_for_good(&mut self) {
        if let Some(issuer) = &mut self.issuer {
            issuer.life = LONG;
        }
        self.certify_all();
    }

    fn certify(&mut self, sidecar: usize) {
        let Some(issuer) = &self.issuer else { return };
        let service = match sidecar {
            CALLERS_SIDECAR => "client",
            _ => "echo",
        };
        let material = issuer.issue(service, issuer.life);
        self.sidecars[sidecar].engine.identity(self.now, material);
    }

    pub(super) fn certificate(&mut self, sidecar: usize, change: Change) {
        match change {
            Change::Renewed => self.certify(sidecar),
            Change::Expired => self.disturbed = Some(self.now),
        }
    }
}
