//! Which roots there are, which one signs, and the three steps from one root to the next.
//!
//! A step returns the next state and changes nothing itself; the caller stores and publishes it. Every
//! state's bundle has a root in common with the one before and the one after, and each root of the bundle
//! verifies all that is signed: while the new root signs, its certificate signed by the old one goes along.

use std::slice;
use std::sync::Arc;

use outrider_proto::v1::RotationStep;
use rcgen::{KeyPair, PublicKeyData};
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::error::AuthorityError;
use super::root::Root;

/// The roots of a mesh.
#[derive(Clone, Debug)]
pub enum Roots {
    /// One root: no rollover is under way.
    Settled {
        /// It signs.
        signing: Arc<Root>,
    },
    /// A new root is in the bundle, the old one signs.
    Added {
        /// The old root.
        signing: Arc<Root>,
        /// The new root.
        next: Arc<Root>,
    },
    /// The new root signs, the old one is still accepted.
    Promoted {
        /// The new root.
        signing: Arc<Root>,
        /// The old root.
        former: Arc<Root>,
        /// The new root's certificate, signed by the old one.
        cross: CertificateDer<'static>,
        /// Since when. Seconds since 1970-01-01 UTC.
        promoted_unix: i64,
    },
}

impl Roots {
    /// The root that signs.
    pub fn signing(&self) -> &Root {
        match self {
            Roots::Settled { signing }
            | Roots::Added { signing, .. }
            | Roots::Promoted { signing, .. } => signing,
        }
    }

    /// The roots of the bundle, oldest first.
    pub fn by_age(&self) -> Vec<&Root> {
        match self {
            Roots::Settled { signing } => vec![signing],
            Roots::Added { signing, next } => vec![signing, next],
            Roots::Promoted {
                signing, former, ..
            } => vec![former, signing],
        }
    }

    /// The certificates sent after a leaf.
    pub fn intermediates(&self) -> &[CertificateDer<'static>] {
        match self {
            Roots::Settled { .. } | Roots::Added { .. } => &[],
            Roots::Promoted { cross, .. } => slice::from_ref(cross),
        }
    }

    /// The end of the life of a leaf for `key`, if `chain` is what would be issued for it now.
    /// Seconds since 1970-01-01 UTC.
    pub fn end_of(&self, chain: &[&[u8]], key: &KeyPair) -> Option<i64> {
        let (leaf, intermediates) = chain.split_first()?;
        let (_, leaf) = X509Certificate::from_der(leaf).ok()?;
        let issuer = leaf.issuer().iter_common_name().next()?.as_str().ok()?;
        let is_same = issuer == self.signing().name()
            && leaf.public_key().raw == key.subject_public_key_info()
            && intermediates.len() == self.intermediates().len();
        is_same.then(|| leaf.validity().not_after.timestamp())
    }

    /// The old root and the new one, while there are both.
    pub fn both(&self) -> Option<(&Root, &Root)> {
        match self {
            Roots::Settled { .. } => None,
            Roots::Added { signing, next } => Some((signing, next)),
            Roots::Promoted {
                signing, former, ..
            } => Some((former, signing)),
        }
    }

    /// The state when the new root signs, since `promoted_unix`.
    ///
    /// # Errors
    /// [`AuthorityError::Signing`].
    pub fn promoted(
        signing: Arc<Root>,
        former: Arc<Root>,
        now: i64,
        promoted_unix: i64,
    ) -> Result<Roots, AuthorityError> {
        let cross = former.cross_sign(&signing, now)?;
        Ok(Roots::Promoted {
            signing,
            former,
            cross,
            promoted_unix,
        })
    }

    /// The state after `step`.
    ///
    /// # Errors
    /// [`AuthorityError::OutOfOrder`] says what may come next; [`AuthorityError::Signing`].
    pub fn after(
        &self,
        step: RotationStep,
        trust_domain: &str,
        now: i64,
    ) -> Result<Roots, AuthorityError> {
        let out_of_order = |problem| Err(AuthorityError::OutOfOrder(problem));
        match (step, self) {
            (RotationStep::Add, Roots::Settled { signing }) => Ok(Roots::Added {
                signing: Arc::clone(signing),
                next: Arc::new(Root::generate(trust_domain, now)?),
            }),
            (RotationStep::Promote, Roots::Added { signing, next }) => {
                Roots::promoted(Arc::clone(next), Arc::clone(signing), now, now)
            }
            (RotationStep::Retire, Roots::Promoted { signing, .. }) => Ok(Roots::Settled {
                signing: Arc::clone(signing),
            }),
            (RotationStep::Unspecified, _) => out_of_order("say a step: add, promote or retire"),
            (RotationStep::Promote | RotationStep::Retire, Roots::Settled { .. }) => {
                out_of_order("no rollover is under way: its first step is add")
            }
            (RotationStep::Add | RotationStep::Retire, Roots::Added { .. }) => {
                out_of_order("a root has been added: the next step is promote")
            }
            (RotationStep::Add | RotationStep::Promote, Roots::Promoted { .. }) => {
                out_of_order("a root has been promoted: the next step is retire")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const STEPS: [RotationStep; 3] = [
        RotationStep::Add,
        RotationStep::Promote,
        RotationStep::Retire,
    ];

    fn settled() -> Roots {
        let signing = Arc::new(Root::generate("outrider.local", NOW).expect("a root"));
        Roots::Settled { signing }
    }

    fn take(roots: &Roots, step: RotationStep) -> Result<Roots, AuthorityError> {
        roots.after(step, "outrider.local", NOW)
    }

    #[test]
    fn three_steps_lead_from_one_root_to_the_next_and_no_other_order_does() {
        let mut roots = settled();
        for (at, step) in STEPS.into_iter().enumerate() {
            for wrong in STEPS.into_iter().filter(|wrong| *wrong != step) {
                let refused = take(&roots, wrong);
                assert!(
                    matches!(refused, Err(AuthorityError::OutOfOrder(_))),
                    "{at}"
                );
            }
            roots = take(&roots, step).expect("the step that is due");
        }
        assert!(matches!(roots, Roots::Settled { .. }));
    }

    #[test]
    fn the_bundle_gains_and_loses_one_root_and_keeps_its_order() {
        let old = settled();
        let added = take(&old, RotationStep::Add).expect("added");
        let promoted = take(&added, RotationStep::Promote).expect("promoted");
        let new = take(&promoted, RotationStep::Retire).expect("retired");
        let bundle = |roots: &Roots| -> Vec<_> {
            let roots = roots.by_age().into_iter();
            roots.map(|root| root.certificate().clone()).collect()
        };
        assert_eq!(bundle(&added), [bundle(&old), bundle(&new)].concat());
        assert_eq!(bundle(&promoted), bundle(&added));
        assert_eq!(added.signing().certificate(), &bundle(&old)[0]);
        assert_eq!(promoted.signing().certificate(), &bundle(&new)[0]);
    }
}
