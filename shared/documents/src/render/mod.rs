//! Documents to xDS resources, for a sidecar of ours.
//!
//! A service, written or registered, becomes a RouteConfiguration, a Cluster and, if all its addresses are
//! known, a ClusterLoadAssignment, each under the service's name, and a Listener for its own members; a
//! client subscribes to what it uses. Envoy's messages are used where they have the field, else
//! ours (`outrider.v1`). The order and the versions depend on the content alone.

mod authorization;
mod cluster;
mod connections;
mod listener;
mod rate_limit;
mod route;
mod transport;

use crate::model::{Documents, Mesh};
use crate::registered::{self, Registered};
use outrider_proto::google::{Any, Duration as WireDuration, UInt32Value};
use outrider_proto::{Resource, Resources, Versioned};
use std::collections::BTreeMap;
use std::time::Duration;

/// Renders all documents: the whole state of the world, as a sidecar sees it that reads them
/// itself. Services with `registered` endpoints have none.
pub fn render(documents: &Documents) -> Resources {
    render_with(documents, &Registered::default())
}

/// Renders all documents and all who have registered: the whole state of the world.
pub fn render_with(documents: &Documents, registered: &Registered) -> Resources {
    let outbound = listener::outbound(
        &documents.mesh.connections,
        documents.mesh.authorization_default,
    );
    let mut all = Resources::default();
    for name in registered::names(documents, registered) {
        let Resources {
            clusters,
            endpoints,
            listeners,
            routes,
            secrets: _,
        } = render_service(documents, registered, name);
        all.clusters.extend(clusters);
        all.endpoints.extend(endpoints);
        all.listeners.extend(listeners);
        all.routes.extend(routes);
    }
    all.listeners.push(Versioned::new(outbound));
    all
}

/// Renders one service: of each kind at most one resource, and none if there is no such service.
pub fn render_service(documents: &Documents, registered: &Registered, name: &str) -> Resources {
    let service = registered::find(documents, registered, name);
    let service = service.iter();
    let Mesh {
        trust_domain: domain,
        sampled_per_million,
        connections,
        authorization_default: default,
        ..
    } = &documents.mesh;
    let render_cluster = |service| cluster::render_cluster(service, domain, connections);
    let render_listener = |service| listener::inbound(service, connections, *default);
    let render_routes = |service| route::render_routes(service, *sampled_per_million);
    Resources {
        clusters: versioned(service.clone().map(render_cluster)),
        endpoints: versioned(service.clone().filter_map(cluster::render_endpoints)),
        listeners: versioned(service.clone().map(render_listener)),
        routes: versioned(service.map(render_routes)),
        secrets: Vec::new(),
    }
}

fn versioned<M: Resource>(messages: impl Iterator<Item = M>) -> Vec<Versioned<M>> {
    messages.map(Versioned::new).collect()
}

fn wire_duration(duration: Duration) -> WireDuration {
    WireDuration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        // Below a thousand million, so it fits.
        nanos: duration.subsec_nanos() as i32,
    }
}

fn wire_number(value: u32) -> UInt32Value {
    UInt32Value { value }
}

/// A map of one entry: envoy-types has these fields as hash maps, and only a single
/// entry has one encoding, which the version depends on.
fn one_entry<M: FromIterator<(String, Any)>>(key: &str, value: Any) -> M {
    BTreeMap::from([(key.to_owned(), value)])
        .into_iter()
        .collect()
}
