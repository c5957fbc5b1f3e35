//! No two services under one domain.
//!
//! Every RouteConfiguration is good alone; here those that would take another's domain
//! are turned back. What has not changed comes first: nobody can take over a name by
//! sending a newer resource, but two may swap names in one set.

use super::configuration::Kept;
use super::fields::Fields;
use super::rejection::Rejection;
use outrider_policy::VirtualHost;
use outrider_proto::envoy::route::RouteConfiguration;
use prost::Name;
use std::collections::BTreeMap;

/// Gives the routes without conflicts: of two, the unchanged one, else the first by name.
pub(super) fn settle(
    taken: BTreeMap<String, Kept<Vec<VirtualHost>>>,
    last_good: &BTreeMap<String, Kept<Vec<VirtualHost>>>,
    rejected: &mut Vec<Rejection>,
) -> BTreeMap<String, Kept<Vec<VirtualHost>>> {
    let unchanged = |name: &String, kept: &Kept<Vec<VirtualHost>>| {
        last_good
            .get(name)
            .is_some_and(|last| last.version == kept.version)
    };
    let (old, new): (BTreeMap<_, _>, BTreeMap<_, _>) = taken
        .into_iter()
        .partition(|(name, kept)| unchanged(name, kept));
    let mut settled = Settled::default();
    for (name, kept) in old.into_iter().chain(new) {
        let Err(rejection) = settled.add(name.clone(), kept) else {
            continue;
        };
        rejected.push(rejection);
        if let Some(last) = last_good.get(&name) {
            // Its old domains may be taken by now; then nothing of it is left.
            rejected.extend(settled.add(name, last.clone()).err());
        }
    }
    settled.routes
}

#[derive(Default)]
struct Settled {
    routes: BTreeMap<String, Kept<Vec<VirtualHost>>>,
    owners: BTreeMap<String, String>,
}

impl Settled {
    fn add(&mut self, name: String, kept: Kept<Vec<VirtualHost>>) -> Result<(), Rejection> {
        let mut errors = Vec::new();
        let mut fields = Fields::root(&mut errors);
        for (index, host) in kept.value.iter().enumerate() {
            self.check(host, &mut fields.at_index("virtual_hosts", index));
        }
        if !errors.is_empty() {
            let type_url = RouteConfiguration::type_url();
            let index = kept.index;
            return Err(Rejection {
                type_url,
                index,
                name,
                errors,
            });
        }
        for domain in kept.value.iter().flat_map(|host| &host.domains) {
            self.owners.insert(key(domain), name.clone());
        }
        self.routes.insert(name, kept);
        Ok(())
    }

    fn check(&self, host: &VirtualHost, fields: &mut Fields<'_>) {
        for (index, domain) in host.domains.iter().enumerate() {
            if let Some(owner) = self.owners.get(&key(domain)) {
                let problem = format!("`{domain}` belongs to `{owner}`");
                fields.refuse(&format!("domains[{index}]"), problem);
            }
        }
    }
}

/// The route table knows `orders` and `orders.mesh` as one.
fn key(domain: &str) -> String {
    domain.strip_suffix(".mesh").unwrap_or(domain).to_owned()
}
