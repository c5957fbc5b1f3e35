//! Verified identities as label values: the service, with its namespace unless that is `default`.
//!
//! Unlike paths they are not a caller's invention: our own authority has signed them, and the
//! engine believes no other trust domain. Still only so many are named, as a Prometheus keeps each.

use std::sync::Arc;

use outrider_identity::SpiffeId;
use rustc_hash::FxHashMap;

use super::known_labels::{NONE, OTHER};

/// Identities that get a name of their own; those met later are [`OTHER`].
const PEERS_MAX: usize = 256;

/// The identities met so far.
#[derive(Debug)]
pub struct Peers {
    names: FxHashMap<Arc<SpiffeId>, Arc<str>>,
    none: Arc<str>,
    other: Arc<str>,
}

impl Peers {
    /// None met.
    pub fn new() -> Peers {
        Peers {
            names: FxHashMap::default(),
            none: Arc::from(NONE),
            other: Arc::from(OTHER),
        }
    }

    /// The label value of who is at the other end.
    pub fn label(&mut self, peer: Option<&Arc<SpiffeId>>) -> Arc<str> {
        let Some(peer) = peer else {
            return Arc::clone(&self.none);
        };
        if let Some(name) = self.names.get(peer) {
            return Arc::clone(name);
        }
        match name(peer) {
            Some(name) if self.names.len() < PEERS_MAX => {
                let name: Arc<str> = Arc::from(name);
                self.names.insert(Arc::clone(peer), Arc::clone(&name));
                name
            }
            Some(_) | None => Arc::clone(&self.other),
        }
    }
}

fn name(peer: &SpiffeId) -> Option<String> {
    let service = peer.service_name()?;
    // Neither part has a slash of its own (SPIFFE-ID 2.2), so two identities never look alike.
    Some(match peer.namespace()? {
        "default" => service.to_owned(),
        namespace => format!("{namespace}/{service}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(path: &str) -> Arc<SpiffeId> {
        let text = format!("spiffe://outrider.local{path}");
        Arc::new(SpiffeId::parse(text.as_bytes()).expect("an id"))
    }

    #[test]
    fn a_peer_is_its_service_and_a_namespace_that_is_not_the_default() {
        let cases = [
            ("/ns/default/svc/orders", "orders"),
            ("/ns/shop/svc/orders", "shop/orders"),
            ("/spire/agent/1", "other"),
            ("", "other"),
        ];
        let mut peers = Peers::new();
        for (path, expected) in cases {
            assert_eq!(&*peers.label(Some(&id(path))), expected, "{path}");
        }
        assert_eq!(&*peers.label(None), "none");
    }

    #[test]
    fn peers_over_the_ceiling_are_other_and_known_ones_keep_their_name() {
        let mut peers = Peers::new();
        let labels: Vec<_> = (0..=PEERS_MAX)
            .map(|number| peers.label(Some(&id(&format!("/ns/default/svc/s{number}")))))
            .collect();
        assert_eq!(labels[PEERS_MAX - 1].as_ref(), "s255");
        assert_eq!(labels[PEERS_MAX].as_ref(), "other");
        assert_eq!(&*peers.label(Some(&id("/ns/default/svc/s0"))), "s0");
    }
}
