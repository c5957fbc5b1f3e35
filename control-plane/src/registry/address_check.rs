//! Whether a member is where it says, and whether it is dead: the only connections that the control plane
//! makes.
//!
//! An address is proven if the member's own stream comes from that IP, or once somebody there has shown
//! the member's certificate. We connect to what a member announced and to nothing else, seldom, and never
//! to this machine's own loopback for a member that is not on it: so nobody makes us look around for it.

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
use crate::members::rate_limit::{Allowances, Rate};
use crate::metrics::Metrics;
use crate::tls::AddressVerifier;

/// Longest look for a member. 500 ms: some round trips, and milliseconds of work at both ends.
const CHECK_TIMEOUT: Duration = Duration::from_millis(500);

/// Looks at once. 64: what the reserve of descriptors has for them.
const CHECKS_MAX: usize = 64;

/// Looks for one member. 5 in 10 s: as often as it may change.
const CHECK_RATE: Rate = Rate {
    most: 5,
    window: Duration::from_secs(10),
};

/// How long what was found is remembered after it was last asked for. 60 s: longer than a member is away
/// between two streams.
const REMEMBERED: Duration = Duration::from_mins(1);

/// How a member's address is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Not at all.
    Unverified,
    /// Its stream comes from that IP.
    SourceAddress,
    /// It has answered there with its certificate: nobody else can be there.
    Handshake,
}

/// What was found, and how to look. Clones share it.
#[derive(Clone, Debug)]
pub struct AddressChecks {
    verifier: AddressVerifier,
    metrics: Arc<Metrics>,
    found: Arc<Mutex<BTreeMap<(MemberId, SocketAddr), Found>>>,
    rate: Arc<Allowances<MemberId>>,
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
    /// Nothing found yet.
    pub fn new(verifier: AddressVerifier, metrics: Arc<Metrics>) -> AddressChecks {
        AddressChecks {
            verifier,
            metrics,
            found: Arc::default(),
            rate: Arc::new(Allowances::new(CHECK_RATE)),
            permits: Arc::new(Semaphore::new(CHECKS_MAX)),
        }
    }

    /// The verification of a claim; it is looked for once.
    pub async fn verify_once(&self, claim: AddressClaim<'_>) -> Verification {
        if claim.is_source_address() {
            return Verification::SourceAddress;
        }
        match self.remembered(claim) {
            Some(verification) => verification,
            None => self.verify(claim).await,
        }
    }

    /// Looks for the member where it says, also if that was done before.
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

    /// Does the machine of a member answer that nobody listens there? Silence, or no way to it, is no
    /// answer: what we cannot reach, others may. Of an address that is not proven nothing is asked.
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

    /// Addresses that mean this machine, or the link that it is on, say nothing of a member elsewhere.
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
    fn nobody_makes_us_look_at_what_is_near_us_and_far_from_it() {
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
    async fn only_a_refusal_says_that_a_proven_member_is_dead() {
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
        assert!(!checks.is_dead(other).await, "it is not proven");
    }

    #[tokio::test]
    async fn a_member_is_looked_for_once_and_five_times_in_ten_seconds() {
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
            // Whoever connects is told nothing, and gives up.
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
