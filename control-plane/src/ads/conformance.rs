//! What every client of xDS relies on, one test for each rule, named after it.
//!
//! The rules were learned from the protocol's text and from what grpc-core, grpc-go, grpc-js
//! and Envoy really do. The bed below is a catalogue of three kinds and the messages of a client.

mod cost;
mod delta;
mod order;
mod world;

use outrider_proto::envoy::cluster::Cluster;
use outrider_proto::envoy::cluster::cluster::EdsClusterConfig;
use outrider_proto::envoy::discovery::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use outrider_proto::envoy::endpoint::{ClusterLoadAssignment, LocalityLbEndpoints};
use outrider_proto::envoy::route::{RouteConfiguration, VirtualHost};
use outrider_proto::google::Status;
use outrider_proto::{Kind, Resources, Versioned};

use super::{Catalogue, View};

/// What exists, as `name` or `name=content`: another content is another version.
fn catalogue(clusters: &[&str], endpoints: &[&str], routes: &[&str]) -> Catalogue {
    Catalogue::new(&resources_of(clusters, endpoints, routes))
}

fn resources_of(clusters: &[&str], endpoints: &[&str], routes: &[&str]) -> Resources {
    Resources {
        clusters: clusters.iter().map(|text| cluster(text)).collect(),
        endpoints: endpoints.iter().map(|text| assignment(text)).collect(),
        routes: routes.iter().map(|text| route(text)).collect(),
        ..Resources::default()
    }
}

fn parts(text: &str) -> (String, String) {
    let (name, content) = text.split_once('=').unwrap_or((text, ""));
    (name.to_owned(), content.to_owned())
}

fn cluster(text: &str) -> Versioned<Cluster> {
    let (name, alt_stat_name) = parts(text);
    Versioned::new(Cluster {
        name,
        alt_stat_name,
        eds_cluster_config: Some(EdsClusterConfig::default()),
        ..Cluster::default()
    })
}

fn assignment(text: &str) -> Versioned<ClusterLoadAssignment> {
    let (cluster_name, content) = parts(text);
    let locality = LocalityLbEndpoints {
        priority: content.len() as u32,
        ..LocalityLbEndpoints::default()
    };
    Versioned::new(ClusterLoadAssignment {
        cluster_name,
        endpoints: vec![locality],
        ..ClusterLoadAssignment::default()
    })
}

/// The content of routes is a domain of theirs.
fn route(text: &str) -> Versioned<RouteConfiguration> {
    let (name, domain) = parts(text);
    let host = VirtualHost {
        domains: vec![domain],
        ..VirtualHost::default()
    };
    Versioned::new(RouteConfiguration {
        name,
        virtual_hosts: vec![host],
        ..RouteConfiguration::default()
    })
}

fn everybody(_: Kind, _: &str) -> bool {
    true
}

fn all(catalogue: &Catalogue) -> View<'_> {
    View::new(catalogue, &everybody)
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn bad(reason: &str) -> Option<Status> {
    Some(Status {
        code: 3,
        message: reason.to_owned(),
        ..Status::default()
    })
}

fn subscribe(kind: Kind, names: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: kind.type_url(),
        resource_names_subscribe: owned(names),
        ..DeltaDiscoveryRequest::default()
    }
}

fn ack(response: &DeltaDiscoveryResponse) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: response.type_url.clone(),
        response_nonce: response.nonce.clone(),
        ..DeltaDiscoveryRequest::default()
    }
}

fn list(kind: Kind, names: &[&str]) -> DiscoveryRequest {
    DiscoveryRequest {
        type_url: kind.type_url(),
        resource_names: owned(names),
        ..DiscoveryRequest::default()
    }
}

fn ack_world(response: &DiscoveryResponse, names: &[&str]) -> DiscoveryRequest {
    DiscoveryRequest {
        type_url: response.type_url.clone(),
        version_info: response.version_info.clone(),
        response_nonce: response.nonce.clone(),
        resource_names: owned(names),
        ..DiscoveryRequest::default()
    }
}

/// Delta responses in short: `Kind +sent -removed`.
fn short(responses: &[DeltaDiscoveryResponse]) -> Vec<String> {
    let each = responses.iter().map(|response| {
        let sent = response.resources.iter().map(|r| format!(" +{}", r.name));
        let removed = response.removed_resources.iter();
        let removed = removed.map(|name| format!(" -{name}"));
        let names: String = sent.chain(removed).collect();
        format!("{}{names}", kind_name(&response.type_url))
    });
    each.collect()
}

fn kind_name(type_url: &str) -> String {
    let kind = Kind::of_type_url(type_url);
    kind.map_or_else(|| type_url.to_owned(), |kind| format!("{kind:?}"))
}
