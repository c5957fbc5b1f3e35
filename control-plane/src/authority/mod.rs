//! The certificate authority of the mesh: roots, bundles and certificates.
//!
//! Issues a certificate for any name that it is called with. `service` decides which name a client may
//! have: by its token, or when it renews by its present certificate. Time is an argument everywhere but in
//! the task that renews the control plane's certificate (`credentials`).
//! Reference: SPIFFE X.509-SVID, SPIFFE Trust Domain and Bundle.

mod bundle;
mod credentials;
mod error;
mod old_root;
mod request;
mod rollover;
mod root;
mod service;
mod tables;

use std::sync::Arc;
use std::time::Duration;

use outrider_proto::v1::{GetBundleResponse, RotationStep};
use rcgen::{KeyPair, PublicKeyData};
use redb::{ReadTransaction, WriteTransaction};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use crate::members::MemberId;
use crate::storage::store::{Store, StoreError};

pub use bundle::Bundle;
pub use credentials::{OPERATOR_FOLDER, OperatorFolder, run};
pub use error::AuthorityError;
pub use old_root::Rollover;
pub use request::requested_key;
pub use service::CertificateAuthority;

use rollover::Roots;
pub use root::random_member;
use root::{Root, Validity};

/// A certificate and the chain that verifies it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// Leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its end. Seconds since 1970-01-01 UTC.
    pub expires_unix: i64,
}

/// The authority, shared by all who need it.
#[derive(Clone)]
pub struct Authority {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    trust_domain: String,
    life: Duration,
    /// The longest life that certificates were ever issued with. Seconds.
    longest_life: i64,
    roots: watch::Sender<Roots>,
    bundle: watch::Sender<Arc<Bundle>>,
    /// The control plane's server certificate. The key lives as long as the process.
    own_key: KeyPair,
    own: watch::Sender<Arc<CertifiedKey>>,
    /// Held during a step of a rollover: two steps at once would start from the same state.
    rotating: Arc<Mutex<()>>,
}

/// The trust domain of `store`; `None` before the first start. Blocks for the disk.
///
/// # Errors
/// The store cannot be read.
pub fn kept_trust_domain(store: &Store) -> Result<Option<String>, AuthorityError> {
    store.read(tables::trust_domain)
}

/// SHA-256 of each root that `store` keeps, in hexadecimal digits, the signing one first. Blocks for
/// the disk.
///
/// # Errors
/// The store cannot be read.
pub fn kept_root_hashes(store: &Store, now: i64) -> Result<Vec<String>, AuthorityError> {
    let roots = store.read(|transaction| tables::roots(transaction, now))?;
    Ok(roots.as_ref().map(signing_first).unwrap_or_default())
}

impl Authority {
    /// The authority of `trust_domain` as `store` keeps it; its first start makes a root. Blocks
    /// for the disk.
    ///
    /// # Errors
    /// [`AuthorityError::TrustDomain`]: the store belongs to another mesh. Else it cannot be read.
    pub fn open(
        store: &Store,
        trust_domain: &str,
        life: Duration,
        now: i64,
    ) -> Result<Authority, AuthorityError> {
        let kept = store.read(|transaction| kept_roots(transaction, trust_domain, now))?;
        let roots = match kept {
            Some(roots) => roots,
            None => store.write(|transaction| first_root(transaction, trust_domain, now))?,
        };
        let longest_life = longest_life(store, life)?;
        let bundle = Arc::new(bundle_of(&roots)?);
        let own_key = KeyPair::generate()?;
        let own = issue_own(&roots, trust_domain, &own_key, now)?;
        Ok(Authority {
            shared: Arc::new(Shared {
                store: store.clone(),
                trust_domain: trust_domain.to_owned(),
                life,
                longest_life,
                roots: watch::Sender::new(roots),
                bundle: watch::Sender::new(bundle),
                own_key,
                own: watch::Sender::new(Arc::new(own)),
                rotating: Arc::default(),
            }),
        })
    }

    /// The trust domain; it never changes.
    pub fn trust_domain(&self) -> &str {
        &self.shared.trust_domain
    }

    /// The roots to accept, now and whenever they change.
    pub fn bundle(&self) -> watch::Receiver<Arc<Bundle>> {
        self.shared.bundle.subscribe()
    }

    /// The control plane's certificate, for `spiffe://<trust domain>/control-plane`, now and whenever it is
    /// renewed.
    pub fn own(&self) -> watch::Receiver<Arc<CertifiedKey>> {
        self.shared.own.subscribe()
    }

    /// An earlier bundle, as it was, if it still verifies the control plane.
    /// Blocks for the disk.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn earlier_bundle(
        &self,
        sha256: &[u8],
    ) -> Result<Option<GetBundleResponse>, AuthorityError> {
        let kept = self
            .shared
            .store
            .read(|read| tables::bundle(read, sha256))?;
        let bundle = Arc::clone(&self.shared.bundle.borrow());
        let is_believed = |root: &Vec<u8>| {
            bundle
                .roots()
                .iter()
                .any(|present| present.as_ref() == root)
        };
        Ok(kept.filter(|earlier| earlier.roots.iter().any(is_believed)))
    }

    /// A certificate for `key` that names the service and, by its number, the member, of the
    /// configured life.
    ///
    /// # Errors
    /// [`AuthorityError::RootEnded`], [`AuthorityError::Signing`].
    pub fn issue_workload(
        &self,
        namespace: &str,
        service: &str,
        member: MemberId,
        key: &impl PublicKeyData,
        now: i64,
    ) -> Result<Issued, AuthorityError> {
        let path = format!("ns/{namespace}/svc/{service}");
        self.issue(&path, member, key, self.shared.life, now)
    }

    /// Takes a step of a rollover, which is stored and published when this returns. Gives the SHA-256 of each
    /// root of the bundle, in hexadecimal digits, the signing one first.
    ///
    /// # Errors
    /// [`AuthorityError::OutOfOrder`]: the step does not follow the one before.
    pub async fn rotate(
        &self,
        step: RotationStep,
        now: i64,
    ) -> Result<Vec<String>, AuthorityError> {
        let alone = Arc::clone(&self.shared.rotating).lock_owned().await;
        let authority = self.clone();
        // On a thread of its own: a caller that goes away does not interrupt the step.
        let stepped = tokio::task::spawn_blocking(move || authority.take_step(&alone, step, now));
        stepped.await.unwrap_or(Err(AuthorityError::Interrupted))
    }

    fn take_step(
        &self,
        _alone: &OwnedMutexGuard<()>,
        step: RotationStep,
        now: i64,
    ) -> Result<Vec<String>, AuthorityError> {
        let (roots, bundle) = self.shared.keep_step(step, now)?;
        let hashes = signing_first(&roots);
        // The roots first: a client that has seen the new bundle must get certificates under it.
        self.shared.roots.send_replace(roots);
        self.shared.bundle.send_replace(Arc::new(bundle));
        self.renew_own(now)?;
        Ok(hashes)
    }

    /// Makes the control plane's own certificate anew.
    fn renew_own(&self, now: i64) -> Result<(), AuthorityError> {
        let shared = &self.shared;
        let roots = shared.roots.borrow().clone();
        let own = issue_own(&roots, &shared.trust_domain, &shared.own_key, now)?;
        shared.own.send_replace(Arc::new(own));
        Ok(())
    }

    fn issue(
        &self,
        path: &str,
        member: MemberId,
        key: &impl PublicKeyData,
        life: Duration,
        now: i64,
    ) -> Result<Issued, AuthorityError> {
        let uri = format!("spiffe://{}/{path}", self.shared.trust_domain);
        let roots = self.shared.roots.borrow().clone();
        issue_leaf(&roots, &uri, member, key, life, now)
    }
}

impl Shared {
    fn keep_step(&self, step: RotationStep, now: i64) -> Result<(Roots, Bundle), AuthorityError> {
        let roots = self.roots.borrow().clone();
        let next = roots.after(step, &self.trust_domain, now)?;
        let bundle = bundle_of(&next)?;
        self.store
            .write(|transaction| tables::keep_roots(transaction, &next, &bundle))?;
        Ok((next, bundle))
    }
}

/// The roots that were kept; `None` at the first start.
fn kept_roots(
    transaction: &ReadTransaction,
    trust_domain: &str,
    now: i64,
) -> Result<Option<Roots>, AuthorityError> {
    if let Some(kept) = tables::trust_domain(transaction)?
        && kept != trust_domain
    {
        let asked = trust_domain.to_owned();
        return Err(AuthorityError::TrustDomain { kept, asked });
    }
    tables::roots(transaction, now)
}

/// The longest life of certificates until now, `life` included. If the disk takes no writes, a later start
/// stores it.
fn longest_life(store: &Store, life: Duration) -> Result<i64, AuthorityError> {
    let kept = store.read(tables::longest_life)?.unwrap_or(0);
    let longest = kept.max(life.as_secs());
    if longest != kept {
        match store.write(|transaction| tables::keep_longest_life(transaction, longest)) {
            Ok(()) | Err(AuthorityError::Store(StoreError::Unwritable(_))) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(i64::try_from(longest).unwrap_or(i64::MAX))
}

fn first_root(
    transaction: &WriteTransaction,
    trust_domain: &str,
    now: i64,
) -> Result<Roots, AuthorityError> {
    let roots = Roots::Settled {
        signing: Arc::new(Root::generate(trust_domain, now)?),
    };
    tables::keep_trust_domain(transaction, trust_domain)?;
    tables::keep_roots(transaction, &roots, &bundle_of(&roots)?)?;
    Ok(roots)
}

fn bundle_of(roots: &Roots) -> Result<Bundle, AuthorityError> {
    let by_age = roots.by_age().into_iter();
    let by_age = by_age.map(|root| root.certificate().clone());
    let signing = roots.signing().certificate().clone();
    Ok(Bundle::new(by_age.collect())?.signed_by(signing))
}

fn signing_first(roots: &Roots) -> Vec<String> {
    let mut by_age = roots.by_age();
    by_age.sort_by_key(|root| root.certificate() != roots.signing().certificate());
    let hash = |root: &Root| bundle::sha256(std::slice::from_ref(root.certificate()));
    let hashes = by_age.into_iter().map(hash);
    hashes
        .map(|hash| outrider_proto::token::hex(&hash))
        .collect()
}

fn issue_leaf(
    roots: &Roots,
    uri: &str,
    member: MemberId,
    key: &impl PublicKeyData,
    life: Duration,
    now: i64,
) -> Result<Issued, AuthorityError> {
    let root = roots.signing();
    let validity = Validity::of(life, now, root.not_after());
    if validity.not_after <= now {
        return Err(AuthorityError::RootEnded);
    }
    let leaf = root.issue(uri, member, key, validity)?;
    let mut chain = vec![leaf];
    chain.extend_from_slice(roots.intermediates());
    Ok(Issued {
        chain,
        expires_unix: validity.not_after,
    })
}

fn issue_own(
    roots: &Roots,
    trust_domain: &str,
    key: &KeyPair,
    now: i64,
) -> Result<CertifiedKey, AuthorityError> {
    let uri = format!("spiffe://{trust_domain}/control-plane");
    let issued = issue_leaf(roots, &uri, random_member()?, key, credentials::LIFE, now)?;
    let der = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(issued.chain, der, &provider).map_err(AuthorityError::OwnKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_step_whose_caller_goes_away_is_taken_as_a_whole() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a store");
        let life = Duration::from_hours(1);
        let now = 1_800_000_000;
        let authority = Authority::open(&store, "outrider.local", life, now).expect("an authority");
        tokio::select! {
            biased;
            _ = authority.rotate(RotationStep::Add, now) => {}
            () = std::future::ready(()) => {}
        }
        let promoted = authority.rotate(RotationStep::Promote, now).await;
        assert_eq!(promoted.expect("it follows").len(), 2);
        assert_eq!(authority.bundle().borrow().roots().len(), 2);
    }
}
