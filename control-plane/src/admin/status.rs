//! The mesh at a glance, as values: what `/status` says and `/` shows.
//!
//! Fields are the words of the JSON; they are documented in `docs/METRICS.md`, section Status.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use outrider_documents::{Documents, Registered};
use serde::Serialize;

use super::view::{self, Extent};
use crate::ads::{Answer, Standing as AdsStanding};
use crate::clock;
use crate::document_store::DocumentStoreStatus;
use crate::members::old_root::OldRootUsage;
use crate::members::sidecars::Sidecar;
use crate::registry::{self, LeaseState, ListedLease, RegistryReport, ServiceName};
use crate::serve::parts::Parts;

/// State of a lease that an earlier process left and no instance has announced since: whether its
/// instance lives is not known.
pub const NOT_HEARD: &str = "not heard since the start";

/// What `authorization.default: allow` means.
pub const OPEN_MESH: &str = "authorization.default of the Mesh is `allow`: every member may call each \
                             service that has no ALLOW AuthorizationPolicy";

/// The whole status.
#[derive(Debug, Serialize)]
pub struct Status {
    pub time_unix: i64,
    pub trust_domain: String,
    pub version: String,
    pub documents: DocumentStoreStatus,
    pub grace_seconds: u64,
    /// Why the disk takes no writes; `None`: it does.
    pub store_unwritable: Option<String>,
    /// That calls are allowed by default; `None`: they are denied.
    pub authorization_warning: Option<&'static str>,
    /// What depends on the old root alone; `None`: no rollover is under way.
    pub rollover: Option<OldRootUsage>,
    pub services: Vec<Service>,
    /// How many were found, also those that are left out of `services`.
    #[serde(skip)]
    pub services_found: usize,
    pub contested: Vec<Contested>,
    pub sidecars: Vec<Member>,
    /// The same of `sidecars`.
    #[serde(skip)]
    pub sidecars_found: usize,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Service {
    pub name: String,
    pub namespace: String,
    /// `registered`, `written` in a document, or `undocumented`: registered without a document.
    pub kind: &'static str,
    pub endpoints: Vec<Endpoint>,
    /// Instances that announce themselves and take no calls.
    pub unready: Vec<Unready>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Unready {
    pub address: String,
    pub instance: String,
    pub since_unix_ms: i64,
    pub because: String,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Endpoint {
    pub address: String,
    pub instance: String,
    /// `live`, [`NOT_HEARD`], `lapsed` or `stale`.
    pub state: &'static str,
    /// Time until the lease runs out; negative: time since then.
    pub lease_ms: i64,
    pub joined_unix_ms: i64,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Contested {
    pub service: String,
    pub namespace: String,
    pub owner: String,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Member {
    pub service: String,
    pub namespace: String,
    pub node: String,
    pub node_is_misnamed: bool,
    pub user_agent: String,
    pub protocol: &'static str,
    pub connected_seconds: i64,
    /// Empty: none yet.
    pub applied_version: String,
    pub applied_seconds: i64,
    /// Does it use what is published now?
    pub is_current: bool,
    pub resources: usize,
    pub pending: usize,
    pub rejected: Vec<Rejected>,
    pub certificate_seconds: i64,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Rejected {
    pub kind: &'static str,
    pub name: String,
    pub version: String,
    pub reason: String,
}

/// The same as JSON, for operators. `None`: the process is about to end.
pub async fn status(parts: &Parts) -> Option<serde_json::Value> {
    let (gathered, parts) = (Gathered::of(parts).await?, parts.clone());
    let rendering = tokio::task::spawn_blocking(move || {
        let status = gathered.status(&parts, Extent::All);
        serde_json::to_value(status).ok()
    });
    rendering.await.ok().flatten()
}

/// The answers of tasks that own a part of the state.
pub struct Gathered {
    report: RegistryReport,
    members: Vec<Sidecar>,
    rollover: Option<OldRootUsage>,
}

impl Gathered {
    /// Asks them. `None`: the process is about to end.
    pub async fn of(parts: &Parts) -> Option<Gathered> {
        let rollover = OldRootUsage::count(parts, clock::unix_seconds()).await;
        Some(Gathered {
            report: parts.mesh.registry.report().await.ok()?,
            members: parts.mesh.sidecars.list().await,
            // A store that cannot be read has its own place in the status.
            rollover: rollover.unwrap_or_default(),
        })
    }

    /// The wanted part of the status; all of a large mesh takes some milliseconds.
    pub fn status(&self, parts: &Parts, extent: Extent<'_>) -> Status {
        let desired = parts.documents.desired().borrow().clone();
        let registry = parts.mesh.registry.published().borrow().clone();
        let published = parts.mesh.published.borrow().clone();
        let now_ms = clock::unix_ms();
        let failing = parts.store.health().borrow().failing.clone();
        let contested = published.contested.iter().map(|contested| Contested {
            service: contested.service.clone(),
            namespace: contested.namespace.clone(),
            owner: contested.owner.clone(),
        });
        let services = entries(&desired.documents, &registry.registered, &self.report);
        let (services, services_found) = shown_services(services, extent);
        let (sidecars, sidecars_found) = self.sidecars(&published.version, extent);
        Status {
            time_unix: now_ms / 1_000,
            trust_domain: parts.authority.trust_domain().to_owned(),
            version: published.version.clone(),
            documents: parts.documents.status(),
            grace_seconds: self.report.grace.as_secs(),
            store_unwritable: failing.map(|reason| reason.to_string()),
            authorization_warning: desired.documents.allows_by_default().then_some(OPEN_MESH),
            rollover: self.rollover,
            services: services
                .iter()
                .map(|entry| service(entry, &self.report))
                .collect(),
            services_found,
            contested: contested.collect(),
            sidecars: sidecars
                .into_iter()
                .map(|sidecar| member(sidecar, &published.version, now_ms))
                .collect(),
            sidecars_found,
        }
    }

    /// Those that are wanted, and how many were found.
    fn sidecars(&self, version: &str, extent: Extent<'_>) -> (Vec<&Sidecar>, usize) {
        let all = self.members.iter();
        let Extent::Page(filter) = extent else {
            return (all.collect(), self.members.len());
        };
        let found = all.filter(|it| filter.finds(&it.hello.workload.service));
        let found: Vec<&Sidecar> = found.collect();
        let count = found.len();
        let is_in_trouble = |it: &&Sidecar| {
            !is_current(it, version) || it.standings.iter().any(|it| rejected(it).is_some())
        };
        (view::shown(found, |_| 1, is_in_trouble), count)
    }
}

/// Those that are wanted, and how many were found.
fn shown_services<'a>(mut found: Vec<Entry<'a>>, extent: Extent<'_>) -> (Vec<Entry<'a>>, usize) {
    let Extent::Page(filter) = extent else {
        let count = found.len();
        return (found, count);
    };
    found.retain(|entry| filter.finds(entry.name));
    let count = found.len();
    let shown = view::shown(found, Entry::rows, Entry::is_in_trouble);
    (shown, count)
}

/// A service, before its texts are copied.
struct Entry<'a> {
    name: &'a str,
    namespace: &'a str,
    kind: &'static str,
    leases: &'a [ListedLease],
    unready: &'a [(ServiceName, SocketAddr, registry::Unready)],
}

impl<'a> Entry<'a> {
    fn new(
        name: &'a str,
        namespace: &'a str,
        kind: &'static str,
        report: &'a RegistryReport,
    ) -> Self {
        let of = (name, namespace);
        Entry {
            name,
            namespace,
            kind,
            leases: group(&report.leases, of, |it| &it.registration.announced.name),
            unready: group(&report.unready, of, |(name, ..)| name),
        }
    }

    /// Rows that it takes on the page: one says that there is no endpoint.
    fn rows(&self) -> usize {
        self.leases.len().max(1) + self.unready.len()
    }

    fn is_in_trouble(&self) -> bool {
        let is_well = |it: &ListedLease| it.heard && matches!(it.state, LeaseState::Live { .. });
        let is_empty = self.kind != "written" && self.leases.is_empty();
        is_empty || !self.unready.is_empty() || !self.leases.iter().all(is_well)
    }
}

/// Those of the documents and those that registered, by name.
fn entries<'a>(
    documents: &'a Documents,
    registered: &'a Registered,
    report: &'a RegistryReport,
) -> Vec<Entry<'a>> {
    let mut entries = Vec::new();
    let by_registration: BTreeSet<&str> = documents.registered_service_names().collect();
    for name in documents.service_names() {
        let kind = if by_registration.contains(name) {
            "registered"
        } else {
            "written"
        };
        let namespace = documents.namespace_of(name).unwrap_or_default();
        entries.push(Entry::new(name, namespace, kind, report));
    }
    for (name, candidates) in registered.iter() {
        for candidate in candidates {
            let namespace = &candidate.namespace;
            if documents.namespace_of(name) != Some(namespace) {
                entries.push(Entry::new(name, namespace, "undocumented", report));
            }
        }
    }
    entries.sort_by_key(|entry| (entry.name, entry.namespace));
    entries
}

fn service(entry: &Entry<'_>, report: &RegistryReport) -> Service {
    let unready = entry.unready.iter();
    let unready = unready.map(|(_, address, unready)| Unready {
        address: address.to_string(),
        instance: unready.instance.clone(),
        since_unix_ms: unready.since_unix_ms,
        because: unready.because.clone(),
    });
    let leases = entry.leases.iter();
    Service {
        name: entry.name.to_owned(),
        namespace: entry.namespace.to_owned(),
        kind: entry.kind,
        endpoints: leases.map(|lease| endpoint(lease, report)).collect(),
        unready: unready.collect(),
    }
}

/// Those of one service among all, which are in order of service.
fn group<'a, T>(all: &'a [T], of: (&str, &str), name: impl Fn(&T) -> &ServiceName) -> &'a [T] {
    let key = |it: &T| {
        let ServiceName { service, namespace } = name(it);
        (service.as_str(), namespace.as_str()).cmp(&of)
    };
    let begin = all.partition_point(|it| key(it).is_lt());
    let end = all.partition_point(|it| key(it).is_le());
    &all[begin..end]
}

fn endpoint(lease: &ListedLease, report: &RegistryReport) -> Endpoint {
    let (state, moment) = match (lease.state, lease.heard) {
        (LeaseState::Live { until }, true) => ("live", until),
        (LeaseState::Live { until }, false) => (NOT_HEARD, until),
        (LeaseState::Lapsed { since }, _) => ("lapsed", since),
        (LeaseState::Stale { since }, _) => ("stale", since),
    };
    let milliseconds = |time: std::time::Duration| i64::try_from(time.as_millis());
    let (moment, now) = (milliseconds(moment), milliseconds(report.now));
    Endpoint {
        address: lease.registration.announced.address.to_string(),
        instance: lease.registration.announced.instance.clone(),
        state,
        lease_ms: moment.unwrap_or(i64::MAX) - now.unwrap_or(i64::MAX),
        joined_unix_ms: lease.registration.joined_unix_ms,
    }
}

/// Does it use what is published now?
fn is_current(sidecar: &Sidecar, version: &str) -> bool {
    sidecar.progress.is_applied && sidecar.progress.version == version
}

fn member(sidecar: &Sidecar, version: &str, now_ms: i64) -> Member {
    let Sidecar {
        hello,
        applied,
        standings,
        ..
    } = sidecar;
    let since = |unix_ms: i64| (now_ms - unix_ms) / 1_000;
    let is_pending = |standing: &&AdsStanding| standing.answer == Answer::Pending;
    Member {
        service: hello.workload.service.clone(),
        namespace: hello.workload.namespace.clone(),
        node: hello.node_id.clone(),
        node_is_misnamed: hello.node_is_misnamed,
        user_agent: hello.user_agent.clone(),
        protocol: hello.protocol.word(),
        connected_seconds: since(hello.connected_unix_ms),
        applied_version: applied.version.clone(),
        applied_seconds: since(applied.unix_ms),
        is_current: is_current(sidecar, version),
        resources: standings.len(),
        pending: standings.iter().filter(is_pending).count(),
        rejected: standings.iter().filter_map(rejected).collect(),
        certificate_seconds: hello.workload.expires_unix - now_ms / 1_000,
    }
}

fn rejected(standing: &AdsStanding) -> Option<Rejected> {
    match &standing.answer {
        Answer::Pending | Answer::Accepted => None,
        Answer::Rejected { reason } => Some(Rejected {
            kind: standing.kind.name(),
            name: standing.name.clone(),
            version: standing.version.clone(),
            reason: reason.clone(),
        }),
    }
}
