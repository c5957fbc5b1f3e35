//! What is in force: good resources that are complete. The old ones serve until then.
//!
//! A cluster waits for its endpoints, a route for its clusters; endpoints that are held already
//! count, so a changed cluster never waits for what it had. What nobody will answer any more
//! is not waited for: then only what depends on it fails.

use std::collections::{BTreeMap, BTreeSet};

use outrider_proto::envoy::cluster::Cluster;
use outrider_proto::envoy::endpoint::ClusterLoadAssignment;
use outrider_proto::envoy::route::RouteConfiguration;
use outrider_proto::{Kind, Resources, Versioned, eds_name};

use super::holdings::Holdings;
use super::wishes::{Wishes, clusters_of};

/// The resources in force.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Serving {
    routes: BTreeMap<String, Versioned<RouteConfiguration>>,
    clusters: BTreeMap<String, Versioned<Cluster>>,
    endpoints: BTreeMap<String, Versioned<ClusterLoadAssignment>>,
}

impl Serving {
    /// What is in force next, after `self`.
    pub fn next(&self, holdings: &Holdings, wishes: &Wishes) -> Serving {
        let mut next = Serving::default();
        for (name, routes) in holdings.routes.all_good() {
            let clusters = clusters_of(&routes.message);
            let warm = |cluster: &&str| {
                self.cluster(holdings, wishes, cluster).is_some()
                    || is_hopeless(holdings, wishes, cluster)
            };
            let chosen = if clusters.iter().all(warm) {
                Some(routes)
            } else {
                self.routes.get(name)
            };
            let chosen = chosen.map(|routes| (name.clone(), routes.clone()));
            next.routes.extend(chosen);
        }
        for name in next.cluster_names() {
            let cluster = self.cluster(holdings, wishes, &name).cloned();
            next.clusters.extend(cluster.map(|cluster| (name, cluster)));
        }
        for name in next.endpoint_names() {
            let endpoints = holdings.endpoints.good(&name).cloned();
            next.endpoints.extend(endpoints.map(|found| (name, found)));
        }
        next
    }

    /// The new cluster if it is warm, else the one in force.
    fn cluster<'c>(
        &'c self,
        holdings: &'c Holdings,
        wishes: &Wishes,
        name: &str,
    ) -> Option<&'c Versioned<Cluster>> {
        let good = holdings.clusters.good(name)?;
        let warm = eds_name(&good.message).is_none_or(|eds| {
            holdings.endpoints.good(eds).is_some() || is_answered(wishes, Kind::Endpoints, eds)
        });
        if warm {
            Some(good)
        } else {
            self.clusters.get(name)
        }
    }

    pub fn cluster_names(&self) -> BTreeSet<String> {
        let routes = self.routes.values();
        let names = routes.flat_map(|routes| clusters_of(&routes.message));
        names.map(str::to_owned).collect()
    }

    pub fn endpoint_names(&self) -> BTreeSet<String> {
        let clusters = self.clusters.values();
        let names = clusters.filter_map(|cluster| eds_name(&cluster.message));
        names.map(str::to_owned).collect()
    }

    pub fn resources(&self) -> Resources {
        Resources {
            clusters: self.clusters.values().cloned().collect(),
            endpoints: self.endpoints.values().cloned().collect(),
            routes: self.routes.values().cloned().collect(),
        }
    }
}

/// Was a name wanted, and is there no more to wait for?
fn is_answered(wishes: &Wishes, kind: Kind, name: &str) -> bool {
    wishes.has(kind, name) && wishes.is_over(kind, name)
}

/// Nothing good is there and nothing will come.
fn is_hopeless(holdings: &Holdings, wishes: &Wishes, cluster: &str) -> bool {
    holdings.clusters.good(cluster).is_none() && is_answered(wishes, Kind::Cluster, cluster)
}
