//! What exists for members of the mesh: documents, registrations and the trust bundle, joined.
//!
//! A change is rendered at once, and the changes of the next 20 ms are rendered together. So the first is
//! fast, and a burst costs at most fifty renderings a second. Knows no receiver.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use outrider_documents::{
    Contested, Documents, Registered, changed_services, render_service, render_with,
};
use outrider_proto::envoy::core::{DataSource, data_source::Specifier};
use outrider_proto::envoy::tls::{CertificateValidationContext, Secret, secret};
use outrider_proto::{TRUST_BUNDLE_SECRET, Versioned};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::ads::Catalogue;
use crate::authority::Bundle;
use crate::document_store::Desired;
use crate::metrics::Metrics;
use crate::registry::Publication;

/// Shortest time between two publications. 20 ms: well below the 50 ms in which a change is to
/// reach a sidecar.
const REST: Duration = Duration::from_millis(20);

/// What is joined.
#[derive(Debug)]
pub struct Sources {
    /// The documents in force.
    pub desired: watch::Receiver<Arc<Desired>>,
    /// The registered instances.
    pub registry: watch::Receiver<Arc<Publication>>,
    /// The roots that members accept.
    pub bundle: watch::Receiver<Arc<Bundle>>,
}

/// Publishes the states. Without [`Publisher::run`] the first state stays.
#[derive(Debug)]
pub struct Publisher {
    sources: Sources,
    state: State,
    publisher: watch::Sender<Arc<Published>>,
    metrics: Arc<Metrics>,
}

impl Publisher {
    /// Publishes the present state.
    pub fn new(
        mut sources: Sources,
        metrics: Arc<Metrics>,
    ) -> (Publisher, watch::Receiver<Arc<Published>>) {
        let state = State::new(sources.take());
        let (publisher, published) = watch::channel(Arc::new(state.published()));
        let publisher = Publisher {
            sources,
            state,
            publisher,
            metrics,
        };
        (publisher, published)
    }

    /// Publishes each change, until one of the sources ends. States are rendered on a thread beside the
    /// runtime, so that no stream waits for it.
    pub async fn run(self) {
        let Publisher {
            mut sources,
            mut state,
            publisher,
            metrics,
        } = self;
        while sources.changed().await {
            let inputs = sources.take();
            let joined = tokio::task::spawn_blocking(move || state.after(inputs)).await;
            // It panicked: this task ends, and the process with it.
            let Ok(next) = joined else {
                return;
            };
            state = next;
            publisher.send_replace(Arc::new(state.published()));
            metrics.published();
            sleep(REST).await;
        }
    }
}

impl Sources {
    /// Waits for a change of any of them; false: one has ended.
    async fn changed(&mut self) -> bool {
        let changed = tokio::select! {
            changed = self.desired.changed() => changed,
            changed = self.registry.changed() => changed,
            changed = self.bundle.changed() => changed,
        };
        changed.is_ok()
    }

    fn take(&mut self) -> Inputs {
        Inputs {
            desired: self.desired.borrow_and_update().clone(),
            registry: self.registry.borrow_and_update().clone(),
            bundle: self.bundle.borrow_and_update().clone(),
        }
    }
}

/// One state of each source.
#[derive(Debug, Clone)]
struct Inputs {
    desired: Arc<Desired>,
    registry: Arc<Publication>,
    bundle: Arc<Bundle>,
}

/// What the sources make together.
#[derive(Debug)]
struct State {
    inputs: Inputs,
    catalogue: Catalogue,
    /// Registrations without effect, by name.
    contested: BTreeMap<String, Vec<Contested>>,
}

impl State {
    fn new(inputs: Inputs) -> State {
        let (documents, registered) = inputs.parts();
        let mut catalogue = Catalogue::new(&render_with(documents, registered));
        catalogue.set_secret(&trust_bundle(&inputs.bundle.pem_signing_first()));
        let mut contested: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for one in documents.contested(registered) {
            let name = one.service.clone();
            contested.entry(name).or_default().push(one);
        }
        State {
            inputs,
            catalogue,
            contested,
        }
    }

    /// The next state. Renders what differs, and compares pointers of what does not.
    fn after(mut self, next: Inputs) -> State {
        let Some(names) = changed_services(self.inputs.parts(), next.parts()) else {
            return State::new(next);
        };
        let (documents, registered) = next.parts();
        for name in names {
            let resources = render_service(documents, registered, name);
            self.catalogue.set_service(name, &resources);
            match documents.contested_of(name, registered) {
                contested if contested.is_empty() => drop(self.contested.remove(name)),
                contested => drop(self.contested.insert(name.to_owned(), contested)),
            }
        }
        if !Arc::ptr_eq(&self.inputs.bundle, &next.bundle) {
            let secret = trust_bundle(&next.bundle.pem_signing_first());
            self.catalogue.set_secret(&secret);
        }
        State {
            inputs: next,
            ..self
        }
    }

    fn published(&self) -> Published {
        Published {
            catalogue: self.catalogue.clone(),
            version: self.catalogue.version(),
            documents_version: self.inputs.desired.version,
            registry_revision: self.inputs.registry.revision,
            contested: self.contested.values().flatten().cloned().collect(),
        }
    }
}

impl Inputs {
    fn parts(&self) -> (&Documents, &Registered) {
        (&self.desired.documents, &self.registry.registered)
    }
}

/// Everything that exists, as one state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Published {
    /// The resources.
    pub catalogue: Catalogue,
    /// 16 hexadecimal digits, of the content alone: the same after a restart.
    pub version: String,
    /// The version of the documents in it.
    pub documents_version: u64,
    /// The state of the registry in it.
    pub registry_revision: u64,
    /// Registrations without effect.
    pub contested: Vec<Contested>,
}

fn trust_bundle(pem: &str) -> Versioned<Secret> {
    let context = CertificateValidationContext {
        trusted_ca: Some(DataSource {
            specifier: Some(Specifier::InlineString(pem.to_owned())),
            ..DataSource::default()
        }),
        ..CertificateValidationContext::default()
    };
    Versioned::new(Secret {
        name: TRUST_BUNDLE_SECRET.to_owned(),
        r#type: Some(secret::Type::ValidationContext(context)),
    })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use outrider_documents::{RegisteredService, load};

    use super::*;

    /// Two namespaces of which each has announced some of three services, and a document that names
    /// another of them; every state is one of 27 times four.
    fn inputs(number: usize) -> Inputs {
        let names = ["a", "b", "c"];
        let mut registered = Registered::default();
        for (index, name) in names.iter().enumerate() {
            let kind = number / 3_usize.pow(index as u32) % 3;
            let candidates = (0..kind).map(|namespace| RegisteredService {
                namespace: format!("n{namespace}"),
                addresses: vec![SocketAddr::from(([10, 0, 0, number as u8], 1))],
            });
            registered.set(name, candidates.collect());
        }
        let documented = number / 27 % 4;
        let text = names.get(documented).map_or(String::new(), |name| {
            format!(
                "apiVersion: outrider.dev/v1\nkind: Service\n\
                 metadata: {{ name: {name}, namespace: n1 }}\n\
                 spec: {{ grpcServices: [shop.One] }}\n"
            )
        });
        let root = rcgen::generate_simple_self_signed([]).expect("a certificate");
        let bundle = Bundle::new(vec![root.cert.der().clone()]).expect("a bundle");
        Inputs {
            desired: Arc::new(Desired {
                documents: load(&[("mesh.yaml", &text)]).expect("they are right"),
                version: 1,
            }),
            registry: Arc::new(Publication {
                revision: number as u64,
                registered,
            }),
            bundle: Arc::new(bundle),
        }
    }

    #[test]
    fn a_state_is_the_same_however_it_was_reached() {
        let mut state = State::new(inputs(0));
        // 37 has no divisor in common with 108: every state is reached, from quite another one.
        for step in 0..108 {
            let next = inputs(step * 37 % 108);
            let at_once = State::new(next.clone()).published();
            state = state.after(next);
            assert_eq!(state.published(), at_once, "step {step}");
        }
    }
}
