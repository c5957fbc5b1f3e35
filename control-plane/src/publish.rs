//! What exists for members of the mesh: documents, registrations and the trust bundle, joined.
//!
//! A change of any of them is rendered at once, and those that come within 20 ms after that
//! together: so the first is fast, and a storm of them costs fifty renderings a second. Knows
//! nobody who is told.

use std::sync::Arc;
use std::time::Duration;

use outrider_documents::{Contested, Documents, render_with};
use outrider_proto::envoy::core::{DataSource, data_source::Specifier};
use outrider_proto::envoy::tls::{CertificateValidationContext, Secret, secret};
use outrider_proto::{Resource, Resources, TRUST_BUNDLE_SECRET, Versioned, content_version};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::ads::Catalogue;
use crate::authority::Bundle;
use crate::desk::Desired;
use crate::metrics::Metrics;
use crate::registry::Publication;

/// Shortest time between two publications. 20 ms: well below the 50 ms in which a change is to
/// reach a sidecar.
const REST: Duration = Duration::from_millis(20);

/// What is joined.
#[derive(Debug)]
pub struct Sources {
    /// What is desired of the mesh.
    pub desired: watch::Receiver<Arc<Desired>>,
    /// Who is registered.
    pub registry: watch::Receiver<Arc<Publication>>,
    /// Whom to believe.
    pub bundle: watch::Receiver<Arc<Bundle>>,
}

/// Publishes what it is given; run it, or the first state stays.
#[derive(Debug)]
pub struct Publisher {
    sources: Sources,
    publisher: watch::Sender<Arc<Published>>,
    metrics: Arc<Metrics>,
}

impl Publisher {
    /// Publishes the present state.
    pub fn new(
        mut sources: Sources,
        metrics: Arc<Metrics>,
    ) -> (Publisher, watch::Receiver<Arc<Published>>) {
        let (publisher, published) = watch::channel(Arc::new(sources.join(&Catalogue::default())));
        let publisher = Publisher {
            sources,
            publisher,
            metrics,
        };
        (publisher, published)
    }

    /// Publishes what changes, until one of the sources ends.
    pub async fn run(mut self) {
        while self.sources.changed().await {
            let before = Arc::clone(&self.publisher.borrow());
            let next = self.sources.join(&before.catalogue);
            self.publisher.send_replace(Arc::new(next));
            self.metrics.published();
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

    fn join(&mut self, before: &Catalogue) -> Published {
        let desired = self.desired.borrow_and_update().clone();
        let registry = self.registry.borrow_and_update().clone();
        let bundle = self.bundle.borrow_and_update().clone();
        let documents = (&desired.documents, desired.version);
        Published::new(before, documents, &registry, &bundle.pem())
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

impl Published {
    /// Joins the three. What of `before` is still so is not encoded again.
    pub fn new(
        before: &Catalogue,
        (documents, documents_version): (&Documents, u64),
        registry: &Publication,
        bundle_pem: &str,
    ) -> Published {
        let mut resources = render_with(documents, &registry.registered);
        resources.secrets.push(trust_bundle(bundle_pem));
        Published {
            version: version(&resources),
            catalogue: before.after(&resources),
            documents_version,
            registry_revision: registry.revision,
            contested: documents.contested(&registry.registered),
        }
    }
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

fn version(resources: &Resources) -> String {
    let Resources {
        clusters,
        endpoints,
        routes,
        secrets,
    } = resources;
    let mut lines = Vec::new();
    list(&mut lines, clusters);
    list(&mut lines, endpoints);
    list(&mut lines, routes);
    list(&mut lines, secrets);
    content_version(lines.join("\n").as_bytes())
}

fn list<M: Resource>(lines: &mut Vec<String>, resources: &[Versioned<M>]) {
    let named = resources.iter().map(|resource| {
        let name = resource.message.resource_name();
        format!("{} {name} {}", M::type_url(), resource.version)
    });
    lines.extend(named);
}
