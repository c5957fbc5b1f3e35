//! No two services under one domain.
//!
//! Every RouteConfiguration is good alone; here those that would take another's domain
//! are turned back. What has not changed comes first: nobody can take over a name by
//! sending a newer resource, but two may swap names in one set. Which domains are the same is
//! the route table's own knowledge: it takes a resource as a whole or not at all.

use super::configuration::AcceptedResource;
use super::fields::Fields;
use super::rejection::Rejection;
use outrider_policy::{RouteTable, VirtualHost};
use outrider_proto::envoy::route::RouteConfiguration;
use prost::Name;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Routes without conflicts, and the table that shows it.
#[derive(Debug, Clone, Default)]
pub(super) struct ResolvedRoutes {
    pub routes: BTreeMap<String, AcceptedResource<Vec<VirtualHost>>>,
    pub table: Arc<RouteTable>,
}

/// Gives the routes without conflicts: of two, the unchanged one, else the first by name.
pub(super) fn resolve_conflicts(
    taken: BTreeMap<String, AcceptedResource<Vec<VirtualHost>>>,
    last_good: &BTreeMap<String, AcceptedResource<Vec<VirtualHost>>>,
    rejected: &mut Vec<Rejection>,
) -> ResolvedRoutes {
    let unchanged = |name: &String, kept: &AcceptedResource<Vec<VirtualHost>>| {
        last_good
            .get(name)
            .is_some_and(|last| last.version == kept.version)
    };
    let (old, new): (BTreeMap<_, _>, BTreeMap<_, _>) = taken
        .into_iter()
        .partition(|(name, kept)| unchanged(name, kept));
    let mut resolved = ResolvedRoutes::default();
    for (name, kept) in old.into_iter().chain(new) {
        let Err(rejection) = resolved.add(name.clone(), kept) else {
            continue;
        };
        rejected.push(rejection);
        if let Some(last) = last_good.get(&name) {
            // Its old domains may be taken by now; then nothing of it is left.
            rejected.extend(resolved.add(name, last.clone()).err());
        }
    }
    resolved
}

impl ResolvedRoutes {
    fn add(
        &mut self,
        name: String,
        kept: AcceptedResource<Vec<VirtualHost>>,
    ) -> Result<(), Rejection> {
        if let Err((host, error)) = Arc::make_mut(&mut self.table).add(kept.value.clone()) {
            let mut errors = Vec::new();
            Fields::root(&mut errors)
                .at_index("virtual_hosts", host)
                .refuse(&error.field, error.problem);
            return Err(Rejection {
                type_url: RouteConfiguration::type_url(),
                index: kept.index,
                name,
                errors,
            });
        }
        self.routes.insert(name, kept);
        Ok(())
    }
}
