//! Checks whether a member is at the address that it announced, and whether it is dead. These are the
//! only connections that the control plane opens.
//!
//! An address is verified if the member's stream comes from that IP, or after a handshake there has shown
//! the member's certificate. The control plane connects only to announced addresses, at a low rate, and
//! to loopback only for members on this machine, so that no member can use it to scan a network.

#![expect(
    clippy::disallowed_types,
    reason = "beside the data path: the lock is held for a look into a map"
)]

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::clock;
use crate::members::MemberId;
use crate::members::caller::Workload;
use crate::members::rate_limit::{Rate, RateLimiter};
use crate::metrics::Metrics;
use crate::tls::AddressVerifier;

/// Timeout of a check. 500 ms: some round trips, and milliseconds of work at both ends.
const CHECK_TIMEOUT: Duration = Duration::from_millis(500);

/// Checks at once. 64: descriptors are reserved for as many.
const CHECKS_MAX: usize = 64;

/// Checks of one member. 5 in 10 s: as often as it may change.
const CHECK_RATE: Rate = Rate {
    max: 5,
    window: Duration::from_secs(10),
};

/// How long a result is kept after its last use. 60 s: longer than a member needs to reconnect.
const REMEMBERED: Duration = Duration::from_mins(1);

/// How a member's address was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Not at all.
    Unverified,
    /// Its stream comes from that IP.
    SourceAddress,
    /// It has shown its certificate there: no other member can be there.
    Handshake,
}

/// Results of checks, and what makes them. Clones share them.
#[derive(Clone, Debug)]
pub struct AddressChecks {
    verifier: AddressVerifier,
    metrics: Arc<Metrics>,
    found: Arc<Mutex<BTreeMap<(MemberId, SocketAddr), Found>>>,
    rate: Arc<RateLimiter<MemberId>>,
    permits: Arc<Semaphore>,
}

#[derive(Clone, Copy, Debug)]
struct Found {
    verification: Verification,
    asked: Instant,
}

/// A member that announces an address.
#[derive(Clone, Copy, Debug)]
pub struct AddressClaim<'c> {
    /// Who it is.
    pub workload: &'c Workload,
    /// Where its stream comes from.
    pub from: IpAddr,
    /// What it announces.
    pub address: SocketAddr,
}

impl AddressChecks {
    /// No results yet.
    pub fn new(verifier: AddressVerifier, metrics: Arc<Metrics>) -> AddressChecks {
        AddressChecks {
            verifier,
            metrics,
            found: Arc::default(),
            rate: Arc::new(RateLimiter::new(CHECK_RATE)),
            permits: Arc::new(Semaphore::new(CHECKS_MAX)),
        }
    }

    /// How a claim is verified; connects only if there is no result yet.
    pub async fn verify_once(&self, claim: AddressClaim<'_>) -> Verification {
        if claim.is_source_address() {
            return Verification::SourceAddress;
        }
        match self.remembered(claim) {
            Some(verification) => verification,
            None => self.verify(claim).await,
        }
    }

    /// Connects to the announced address, also if there is a result already.
    pub async fn verify(&self, claim: AddressClaim<'_>) -> Verification {
        let AddressClaim {
            workload, address, ..
        } = claim;
        let answer = match self.may_check(claim) {
            true => {
                let _permit = self.permits.acquire().await;
                let checking =
                    timeout(CHECK_TIMEOUT, self.verifier.verify(address, workload)).await;
                checking.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
            }
            false => Err(ErrorKind::PermissionDenied.into()),
        };
        let verification = match &answer {
            Ok(()) => Verification::Handshake,
            Err(error) => {
                let name = workload.name();
                tracing::warn!(sidecar = name, %address, from = %claim.from, %error, "an address is not proven");
                self.metrics.address_unproven();
                Verification::Unverified
            }
        };
        self.remember(claim, verification);
        verification
    }

    /// Does the member's machine refuse connections to the address? A timeout or an unreachable host is no
    /// sign of death: others may reach it. An address that is not verified is not asked.
    pub async fn is_dead(&self, claim: AddressClaim<'_>) -> bool {
        let is_verified =
            claim.is_source_address() || self.remembered(claim) == Some(Verification::Handshake);
        if !is_verified {
            return false;
        }
        let _permit = self.permits.acquire().await;
        let connecting = timeout(CHECK_TIMEOUT, TcpStream::connect(claim.address)).await;
        matches!(connecting, Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused)
    }

    fn may_check(&self, claim: AddressClaim<'_>) -> bool {
        claim.may_be_checked() && self.rate.take(claim.workload.member, clock::now())
    }

    fn remembered(&self, claim: AddressClaim<'_>) -> Option<Verification> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let found = found.get_mut(&claim.key())?;
        found.asked = clock::now();
        Some(found.verification)
    }

    fn remember(&self, claim: AddressClaim<'_>, verification: Verification) {
        let asked = clock::now();
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.retain(|_, found| asked.saturating_duration_since(found.asked) < REMEMBERED);
        found.insert(
            claim.key(),
            Found {
                verification,
                asked,
            },
        );
    }
}

impl AddressClaim<'_> {
    fn key(&self) -> (MemberId, SocketAddr) {
        (self.workload.member, self.address)
    }

    fn is_source_address(&self) -> bool {
        self.from == self.address.ip()
    }

    /// Loopback and link-local addresses mean something else on the member's machine.
    fn may_be_checked(&self) -> bool {
        match scope(self.address.ip()) {
            Scope::Anywhere => true,
            near => near == scope(self.from),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Machine,
    Link,
    Anywhere,
}

fn scope(ip: IpAddr) -> Scope {
    let is_link = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    match (ip.is_loopback(), is_link) {
        (true, _) => Scope::Machine,
        (_, true) => Scope::Link,
        _ => Scope::Anywhere,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::authority::Authority;
    use crate::storage::store::Store;

    const NOW: i64 = 1_800_000_000;

    fn orders() -> Workload {
        Workload {
            namespace: "default".to_owned(),
            service: "orders".to_owned(),
            member: MemberId::UNKNOWN,
            expires_unix: 0,
            issuer: String::new(),
        }
    }

    fn checks() -> (AddressChecks, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a store");
        let life = Duration::from_hours(1);
        let authority = Authority::open(&store, "outrider.local", life, NOW).expect("a root");
        let metrics = Arc::new(Metrics::new());
        (
            AddressChecks::new(AddressVerifier::new(&authority), metrics),
            folder,
        )
    }

    #[test]
    fn a_local_address_is_checked_only_for_a_member_as_near() {
        let cases = [
            ("10.0.0.7:1", "10.0.0.9", true),
            ("[2001:db8::7]:1", "10.0.0.9", true),
            ("127.0.0.1:1", "127.0.0.9", true),
            ("127.0.0.1:1", "10.0.0.9", false),
            ("[::1]:1", "10.0.0.9", false),
            ("[::1]:1", "127.0.0.1", true),
            ("169.254.169.254:80", "10.0.0.9", false),
            ("169.254.169.254:80", "127.0.0.1", false),
            ("169.254.1.2:1", "169.254.1.3", true),
        ];
        let workload = orders();
        for (address, from, expected) in cases {
            let claim = AddressClaim {
                workload: &workload,
                from: from.parse().expect("an IP"),
                address: address.parse().expect("an address"),
            };
            assert_eq!(claim.may_be_checked(), expected, "{address} from {from}");
        }
    }

    #[tokio::test]
    async fn only_a_refused_connection_means_that_a_verified_member_is_dead() {
        let (checks, _folder) = checks();
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a listener");
        let workload = orders();
        let own = AddressClaim {
            workload: &workload,
            from: IpAddr::from([127, 0, 0, 1]),
            address: listener.local_addr().expect("its address"),
        };
        let other = AddressClaim {
            from: IpAddr::from([127, 0, 0, 2]),
            ..own
        };
        assert_eq!(checks.verify_once(own).await, Verification::SourceAddress);
        assert!(!checks.is_dead(own).await, "it listens");
        drop(listener);
        assert!(checks.is_dead(own).await, "it is gone");
        assert!(!checks.is_dead(other).await, "it is not verified");
    }

    #[tokio::test]
    async fn an_address_is_checked_once_and_at_most_five_times_in_ten_seconds() {
        let (checks, _folder) = checks();
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a listener");
        let workload = orders();
        let claim = AddressClaim {
            workload: &workload,
            from: IpAddr::from([127, 0, 0, 2]),
            address: listener.local_addr().expect("its address"),
        };
        let counting = tokio::spawn(async move {
            let mut count = 0;
            // Accepts and never answers, so the check times out.
            while let Ok(Ok(_)) = timeout(Duration::from_secs(5), listener.accept()).await {
                count += 1;
            }
            count
        });
        for _ in 0..10 {
            assert_eq!(checks.verify_once(claim).await, Verification::Unverified);
        }
        for _ in 0..10 {
            assert_eq!(checks.verify(claim).await, Verification::Unverified);
        }
        assert_eq!(counting.await.expect("no panic"), 5);
    }
}
