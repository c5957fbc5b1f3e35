//! The last good configuration, between memory and disk.
//!
//! Saved a moment after each change, so that a burst is one write. What is loaded is used whole or
//! not at all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use outrider_proto::google::Any;
use outrider_proto::v1::{StoredConfiguration, StoredResource};
use outrider_proto::{Kind, Resource, Resources, UnpackError, Versioned, unpack};
use tokio::sync::watch;

use super::data_folder::DataFolder;
use crate::control::status::IdentityStatus;

/// Quiet time before a change is written.
const SETTLE: Duration = Duration::from_millis(200);

/// What is to be saved; `None` until something is.
pub type Latest = Option<StoredConfiguration>;

/// Writes what comes, for as long as the process lives, as the configuration of whose identity it
/// then has.
pub async fn save(
    data: Arc<DataFolder>,
    identity: watch::Receiver<Option<IdentityStatus>>,
    mut latest: watch::Receiver<Latest>,
) {
    while latest.changed().await.is_ok() {
        tokio::time::sleep(SETTLE).await;
        let stored = latest.borrow_and_update().clone();
        let id = identity.borrow().as_ref().map(|status| status.id.clone());
        let (Some(stored), Some(identity)) = (stored, id) else {
            continue;
        };
        let stored = StoredConfiguration { identity, ..stored };
        let data = Arc::clone(&data);
        // Failures are in the log; the next change is the next try.
        let _ = tokio::task::spawn_blocking(move || data.save(&stored)).await;
    }
    // The sender is gone: the process is about to end.
    std::future::pending::<()>().await;
}

/// What was in force as a message; whose it is, who saves it says.
pub fn stored(
    saved_unix: i64,
    services: BTreeSet<String>,
    resources: &Resources,
) -> StoredConfiguration {
    let Resources {
        clusters,
        endpoints,
        listeners,
        routes,
        secrets,
    } = resources;
    let mut all = Vec::new();
    all.extend(clusters.iter().map(pack));
    all.extend(endpoints.iter().map(pack));
    all.extend(listeners.iter().map(pack));
    all.extend(routes.iter().map(pack));
    all.extend(secrets.iter().map(pack));
    StoredConfiguration {
        required_features: Vec::new(),
        identity: String::new(),
        saved_unix,
        services: services.into_iter().collect(),
        resources: all,
    }
}

/// The resources of a message.
///
/// # Errors
/// A resource of a type that this version does not know, or that is not what it says.
pub fn resources(stored: StoredConfiguration) -> Result<Resources, UnpackError> {
    let mut resources = Resources::default();
    let Resources {
        clusters,
        endpoints,
        listeners,
        routes,
        secrets,
    } = &mut resources;
    for resource in stored.resources {
        match Kind::of_type_url(&resource.type_url) {
            Some(Kind::Cluster) => clusters.push(unpacked(resource)?),
            Some(Kind::Endpoints) => endpoints.push(unpacked(resource)?),
            Some(Kind::Listener) => listeners.push(unpacked(resource)?),
            Some(Kind::Routes) => routes.push(unpacked(resource)?),
            Some(Kind::Secret) => secrets.push(unpacked(resource)?),
            None => {
                return Err(UnpackError::Malformed {
                    type_url: resource.type_url,
                });
            }
        }
    }
    Ok(resources)
}

fn pack<M: Resource>(resource: &Versioned<M>) -> StoredResource {
    StoredResource {
        type_url: M::type_url(),
        version: resource.version.clone(),
        body: resource.message.encode_to_vec(),
    }
}

fn unpacked<M: Resource>(resource: StoredResource) -> Result<Versioned<M>, UnpackError> {
    let StoredResource {
        type_url,
        version,
        body,
    } = resource;
    let body = Any {
        type_url,
        value: body,
    };
    let message = unpack(&body)?;
    Ok(Versioned { version, message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use outrider_proto::envoy::cluster::Cluster;
    use outrider_proto::envoy::endpoint::ClusterLoadAssignment;
    use outrider_proto::envoy::listener::Listener;
    use outrider_proto::envoy::route::RouteConfiguration;
    use outrider_proto::envoy::tls::Secret;

    fn in_force() -> Resources {
        let name = || "orders".to_owned();
        Resources {
            clusters: vec![Versioned::new(Cluster {
                name: name(),
                ..Cluster::default()
            })],
            endpoints: vec![Versioned::new(ClusterLoadAssignment {
                cluster_name: name(),
                ..ClusterLoadAssignment::default()
            })],
            listeners: vec![Versioned::new(Listener {
                name: name(),
                ..Listener::default()
            })],
            routes: vec![Versioned::new(RouteConfiguration {
                name: name(),
                ..RouteConfiguration::default()
            })],
            secrets: vec![Versioned::new(Secret {
                name: name(),
                ..Secret::default()
            })],
        }
    }

    #[test]
    fn what_is_stored_is_what_was_in_force() {
        let services = BTreeSet::from(["orders".to_owned()]);
        let stored = stored(7, services, &in_force());
        assert_eq!((stored.saved_unix, stored.services.len()), (7, 1));
        assert_eq!(resources(stored), Ok(in_force()));
    }

    #[test]
    fn one_resource_that_is_not_understood_refuses_all() {
        let mut unknown = stored(7, BTreeSet::new(), &in_force());
        unknown.resources[3].type_url = "type.googleapis.com/outrider.v9.Shard".to_owned();
        let mut torn = stored(7, BTreeSet::new(), &in_force());
        torn.resources[0].body.pop();
        assert!(resources(unknown).is_err());
        assert!(resources(torn).is_err());
    }
}
