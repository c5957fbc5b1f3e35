//! A control plane with one sidecar, and the sets of documents that it is made to have, one after the
//! other.

use std::collections::BTreeSet;
use std::time::Duration;

use outrider_daemon::xds::{self, Configuration};
use outrider_tests::{Caller, Mesh, Sidecar, write_document};
use serde_json::Value;
use tokio::time::{Instant, interval, timeout};

use crate::case::service;

/// Longest a change may take; reached only when it does not arrive.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Live {
    frontend: Sidecar,
    mesh: Mesh,
}

impl Live {
    /// One whose sidecar has asked for the services of all these documents: an application has called
    /// each, where nobody answers.
    pub async fn start<'a>(all: impl Iterator<Item = &'a str>) -> Live {
        let names: BTreeSet<String> = all
            .flat_map(resources)
            .filter_map(|it| cluster(&it))
            .collect();
        let nowhere = |name: &String| service(name, "", "none", &["127.0.0.1:1"]);
        let mesh = Mesh::start_empty().await;
        let live = Live {
            frontend: mesh.frontend().await,
            mesh,
        };
        live.write(&names.iter().map(nowhere).collect::<String>());
        let caller = Caller::connect(live.frontend.addresses().outbound).await;
        for name in names {
            let asked = timeout(PATIENCE, until_asked_for(&caller, &name));
            asked
                .await
                .unwrap_or_else(|_| panic!("{name} is not there"));
        }
        live
    }

    fn write(&self, documents: &str) {
        write_document(self.mesh.documents.path(), "mesh.yaml", documents);
    }

    /// Makes the control plane have these documents and no others; the time until the sidecar has what
    /// `--documents` would give it.
    ///
    /// # Errors
    /// What the sidecar has instead.
    pub async fn change(&self, documents: &str) -> Result<Duration, String> {
        let wanted = Wanted {
            all: resources(documents),
            has_routes: documents.contains("kind: GRPCRoute"),
        };
        let began = Instant::now();
        self.write(documents);
        match timeout(PATIENCE, self.until(&wanted)).await {
            Ok(()) => Ok(began.elapsed()),
            Err(_) => Err(format!("{:?} for {:?}", self.in_force().await, wanted.all)),
        }
    }

    async fn until(&self, wanted: &Wanted) {
        let mut turn = interval(Duration::from_millis(5));
        while !wanted.is(&self.in_force().await) {
            turn.tick().await;
        }
    }

    /// What the sidecar has, less the trust bundle, which documents do not bring.
    async fn in_force(&self) -> BTreeSet<String> {
        let (_, page) = self.frontend.admin().page("/config").await;
        let page: Value = serde_json::from_str(&page).expect("a page of JSON");
        let accepted = page["accepted"].as_array().into_iter().flatten();
        let accepted = accepted.filter_map(|resource| resource.as_str().map(str::to_owned));
        accepted
            .filter(|resource| !resource.starts_with("secret/"))
            .collect()
    }
}

/// What a sidecar must have in the end.
struct Wanted {
    all: BTreeSet<String>,
    has_routes: bool,
}

impl Wanted {
    /// A member does without the cluster of a service whose routes all lead to others.
    fn is(&self, in_force: &BTreeSet<String>) -> bool {
        let is_missing = |it: &&String| !in_force.contains(*it);
        let missing = self.all.iter().filter(is_missing);
        let may_miss = |it: &String| self.has_routes && !it.starts_with("routes/");
        in_force.is_subset(&self.all) && missing.into_iter().all(may_miss)
    }
}

/// Calls until the answer is that nobody answers.
async fn until_asked_for(caller: &Caller, name: &str) {
    let mut turn = interval(Duration::from_millis(20));
    let call = async || caller.call(name, "/a.B/C", b"").await;
    // An error: the answer came before the request was out.
    while !call().await.is_ok_and(|reply| reply.grpc_status == "14") {
        turn.tick().await;
    }
}

/// The service whose cluster it is.
fn cluster(resource: &str) -> Option<String> {
    let (name, _) = resource.strip_prefix("cluster/")?.split_once('@')?;
    Some(name.to_owned())
}

/// What a sidecar of another service has with these documents, each with a hash of its content.
fn resources(documents: &str) -> BTreeSet<String> {
    let loaded = outrider_documents::load(&[("mesh.yaml", documents)]);
    let loaded = loaded.unwrap_or_else(|errors| panic!("{documents}\n{errors:?}"));
    let resources = outrider_documents::render(&loaded);
    let accepted = xds::accept(&resources, &Configuration::default());
    let resources = accepted.configuration.resources().into_iter();
    resources
        .filter(|resource| !resource.starts_with("listener/inbound/"))
        .collect()
}
