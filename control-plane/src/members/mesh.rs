//! The mesh: registered instances, published resources, connected sidecars.
//!
//! Only assembles the parts; each part decides for itself.

use std::sync::Arc;

use outrider_proto::envoy::discovery::aggregated_discovery_service_server::AggregatedDiscoveryServiceServer;
use outrider_proto::v1::registry_server::RegistryServer;
use tokio::sync::watch;

use crate::ads_service::{Ads, Context};
use crate::authority::Bundle;
use crate::document_store::Desired;
use crate::members::sidecars::Sidecars;
use crate::members::stream_limit::StreamLimiter;
use crate::metrics::Metrics;
use crate::publish::{Published, Publisher, Sources};
use crate::registry::{AddressChecks, Announcements, Registrar, Registry};
use crate::storage::journal::Journal;
use crate::storage::store::{Store, StoreError};
use crate::tls::AddressVerifier;

/// Largest announcement that is read. Bytes; 64 KiB: 64 observations, and a sidecar sends no more at
/// once, are 8 KiB.
const ANNOUNCEMENT_BYTES_MAX: usize = 64 << 10;

/// Largest request that is read. Bytes; 4 MiB, gRPC's own default.
const REQUEST_BYTES_MAX: usize = 4 << 20;

/// A handle to the mesh. Clones share it.
#[derive(Clone, Debug)]
pub struct Mesh {
    /// Who is registered.
    pub registry: Registry,
    /// What is published.
    pub published: watch::Receiver<Arc<Published>>,
    /// Who is connected.
    pub sidecars: Sidecars,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    journal: Journal,
    desired: watch::Receiver<Arc<Desired>>,
    address_checks: AddressChecks,
    streams: StreamLimiter,
    stopping: watch::Receiver<bool>,
}

/// What the mesh is made from.
#[derive(Debug)]
pub struct MeshInputs<'o> {
    /// Where registrations are kept.
    pub store: &'o Store,
    /// Where events are written down.
    pub journal: &'o Journal,
    /// The documents in force.
    pub desired: watch::Receiver<Arc<Desired>>,
    /// The roots that its members accept.
    pub bundle: watch::Receiver<Arc<Bundle>>,
    /// Verifies addresses of members.
    pub verifier: AddressVerifier,
    /// Becomes true when the process stops.
    pub stopping: watch::Receiver<bool>,
}

/// The tasks that must run while the mesh is served.
#[derive(Debug)]
pub struct Tasks {
    /// Owns the leases.
    pub registrar: Registrar,
    /// Publishes what changes.
    pub publisher: Publisher,
}

impl Mesh {
    /// Opens it; it lives while the tasks run.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(opening: MeshInputs<'_>) -> Result<(Mesh, Tasks), StoreError> {
        let MeshInputs {
            store,
            journal,
            desired,
            bundle,
            verifier,
            stopping,
        } = opening;
        let metrics = Arc::new(Metrics::new());
        let (registry, registrar) = Registry::open(store, journal)?;
        let address_checks = AddressChecks::new(verifier, Arc::clone(&metrics));
        let sources = Sources {
            desired: desired.clone(),
            registry: registry.published(),
            bundle,
        };
        let (publisher, published) = Publisher::new(sources, Arc::clone(&metrics));
        let mesh = Mesh {
            registry,
            published,
            sidecars: Sidecars::default(),
            metrics,
            journal: journal.clone(),
            desired,
            address_checks,
            streams: StreamLimiter::default(),
            stopping,
        };
        let tasks = Tasks {
            registrar,
            publisher,
        };
        Ok((mesh, tasks))
    }

    /// ADS for its members.
    pub fn ads(&self) -> AggregatedDiscoveryServiceServer<Ads> {
        let ads = Ads::new(Context {
            published: self.published.clone(),
            sidecars: self.sidecars.clone(),
            journal: self.journal.clone(),
            metrics: Arc::clone(&self.metrics),
            streams: self.streams.clone(),
            stopping: self.stopping.clone(),
        });
        AggregatedDiscoveryServiceServer::new(ads).max_decoding_message_size(REQUEST_BYTES_MAX)
    }

    /// Announcements of its members.
    pub fn announcements(&self) -> RegistryServer<Announcements> {
        let announcements = Announcements {
            registry: self.registry.clone(),
            sidecars: self.sidecars.clone(),
            journal: self.journal.clone(),
            metrics: Arc::clone(&self.metrics),
            address_checks: self.address_checks.clone(),
            desired: self.desired.clone(),
            streams: self.streams.clone(),
            stopping: self.stopping.clone(),
        };
        RegistryServer::new(announcements).max_decoding_message_size(ANNOUNCEMENT_BYTES_MAX)
    }
}
