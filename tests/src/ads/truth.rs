//! What exists, what the client may see of it, and so what it must hold in the end.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use outrider_control_plane::ads::{Catalogue, View};
use outrider_proto::envoy::cluster::Cluster;
use outrider_proto::envoy::cluster::cluster::LbPolicy;
use outrider_proto::envoy::core::{DataSource, data_source::Specifier};
use outrider_proto::envoy::endpoint::ClusterLoadAssignment;
use outrider_proto::envoy::route::route::Action;
use outrider_proto::envoy::route::route_action::ClusterSpecifier;
use outrider_proto::envoy::route::{RouteConfiguration, VirtualHost};
use outrider_proto::envoy::tls::{CertificateValidationContext, Secret, secret};
use outrider_proto::google::Duration;
use outrider_proto::{Kind, Resources, TRUST_BUNDLE_SECRET, Versioned};

use crate::simulation::random::Random;

const SERVICES: usize = 5;
const GRPC_SERVICES: usize = 3;

/// The trust bundle as `kind/name`.
pub(super) const SECRET: &str = "secret/trust-bundle";

/// One service as documents would render it; all others are made from it.
static MODEL: LazyLock<Resources> = LazyLock::new(|| {
    let text = "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: { name: model }\n\
                spec: { tls: none, endpoints: { static: [ { address: \"127.0.0.1:9001\" } ] } }\n";
    let documents = outrider_documents::load(&[("model.yaml", text)]);
    outrider_documents::render(&documents.expect("the document is good"))
});

/// One resource: there or not, in some version, good or bad.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    exists: bool,
    content: u32,
    bad: bool,
    hidden: bool,
}

/// A service: its cluster, endpoints and routes, and where the routes lead.
#[derive(Debug, Clone, Default)]
struct Service {
    cluster: State,
    endpoints: State,
    routes: State,
    backend: usize,
}

/// Everything that exists.
#[derive(Debug)]
pub(super) struct Truth {
    services: Vec<Service>,
    bundle: State,
    /// Which service lists each gRPC service, if one does.
    grpc_owners: Vec<Option<usize>>,
    /// `kind/name@version` of everything bad that ever was.
    pub bad_versions: BTreeSet<String>,
    pub catalogue: Catalogue,
}

/// All names that a call may use.
pub(super) fn names() -> Vec<String> {
    let services = (0..SERVICES).map(|index| format!("s{index}"));
    let grpc = (0..GRPC_SERVICES).map(grpc_name);
    services.chain(grpc).collect()
}

fn grpc_name(index: usize) -> String {
    format!("grpc/shop.G{index}")
}

impl Truth {
    pub fn new(random: &mut Random) -> Truth {
        let mut truth = Truth {
            services: vec![Service::default(); SERVICES],
            bundle: State::default(),
            grpc_owners: vec![None; GRPC_SERVICES],
            bad_versions: BTreeSet::new(),
            catalogue: Catalogue::default(),
        };
        for _ in 0..12 {
            truth.change(random);
        }
        truth
    }

    /// Something changes.
    pub fn change(&mut self, random: &mut Random) {
        if random.chance(15) {
            let owner = random.between(0, SERVICES);
            let grpc = random.between(0, GRPC_SERVICES - 1);
            self.grpc_owners[grpc] = (owner < SERVICES).then_some(owner);
        }
        let index = random.between(0, SERVICES - 1);
        let backend = random.between(0, SERVICES - 1);
        let service = &mut self.services[index];
        if random.chance(20) {
            service.backend = backend;
        }
        let state = match random.between(0, 9) {
            0..=2 => &mut service.cluster,
            3..=5 => &mut service.endpoints,
            6..=8 => &mut service.routes,
            _ => &mut self.bundle,
        };
        *state = State {
            exists: random.chance(80),
            content: random.between(1, 50) as u32,
            bad: random.chance(20),
            hidden: random.chance(10),
        };
        self.rebuild();
    }

    /// Everything bad becomes good, as an operator would have it in the end.
    pub fn heal(&mut self) {
        self.each_state(|state| state.bad = false);
    }

    /// Everything comes to exist and can be seen: state of the world has no word for routes
    /// and endpoints that are gone, so only with all of them there its client can be right.
    pub fn restore(&mut self) {
        self.each_state(|state| {
            state.exists = true;
            state.hidden = false;
            state.content = state.content.max(1);
        });
        for owner in &mut self.grpc_owners {
            owner.get_or_insert(0);
        }
        self.rebuild();
    }

    fn each_state(&mut self, change: impl Fn(&mut State)) {
        for service in &mut self.services {
            change(&mut service.cluster);
            change(&mut service.endpoints);
            change(&mut service.routes);
        }
        change(&mut self.bundle);
        self.rebuild();
    }

    fn rebuild(&mut self) {
        let resources = self.resources(true);
        self.catalogue = Catalogue::new(&resources);
        let bad = |name: &str, state: fn(&Service) -> State| {
            let index = name[1..].parse::<usize>().ok();
            index.is_some_and(|index| state(&self.services[index]).bad)
        };
        let lines = lines(&resources).into_iter();
        let bad_lines = lines.filter(|(kind, name, _)| match kind {
            Kind::Cluster => bad(name, |service| service.cluster),
            Kind::Endpoints => bad(name, |service| service.endpoints),
            Kind::Secret => self.bundle.bad,
            _ => bad(name, |service| service.routes),
        });
        let bad_lines: Vec<_> = bad_lines
            .map(|(kind, name, v)| line(kind, &name, &v))
            .collect();
        self.bad_versions.extend(bad_lines);
    }

    /// All resources; without the hidden ones for `all` false.
    fn resources(&self, all: bool) -> Resources {
        let shown = |state: State| state.exists && (all || !state.hidden);
        let services = || self.services.iter().enumerate();
        Resources {
            clusters: services()
                .filter(|(_, service)| shown(service.cluster))
                .map(|(index, service)| cluster(index, service.cluster))
                .collect(),
            endpoints: services()
                .filter(|(_, service)| shown(service.endpoints))
                .map(|(index, service)| assignment(index, service.endpoints))
                .collect(),
            routes: services()
                .filter(|(_, service)| shown(service.routes))
                .map(|(index, service)| self.routes(index, service))
                .collect(),
            listeners: Vec::new(),
            secrets: Some(self.bundle)
                .filter(|bundle| shown(*bundle))
                .map(trust_bundle)
                .into_iter()
                .collect(),
        }
    }

    fn routes(&self, index: usize, service: &Service) -> Versioned<RouteConfiguration> {
        let name = format!("s{index}");
        let mut routes = MODEL.routes[0].message.clone();
        routes.name.clone_from(&name);
        routes.ignore_port_in_host_matching = !service.routes.bad;
        let owners = self.grpc_owners.iter().enumerate();
        let mine = owners.filter(|(_, owner)| **owner == Some(index));
        let domains = mine.map(|(grpc, _)| grpc_name(grpc));
        for host in &mut routes.virtual_hosts {
            host.name.clone_from(&name);
            host.domains = domains.clone().chain([name.clone()]).collect();
            lead_to(host, service.backend, service.routes.content);
        }
        Versioned::new(routes)
    }

    pub fn sees(&self, kind: Kind, name: &str) -> bool {
        if kind == Kind::Secret {
            return !self.bundle.hidden;
        }
        let index = name[1..].parse::<usize>().ok();
        let service = index.and_then(|index| self.services.get(index));
        service.is_some_and(|service| match kind {
            Kind::Cluster => !service.cluster.hidden,
            Kind::Endpoints => !service.endpoints.hidden,
            _ => !service.routes.hidden,
        })
    }

    /// Runs `with` the client's view.
    pub fn viewed<T>(&self, with: impl FnOnce(View<'_>) -> T) -> T {
        let sees = |kind: Kind, name: &str| self.sees(kind, name);
        with(View::new(&self.catalogue, &sees))
    }

    /// What a client that wants these services must have in force, in the words of
    /// `Configuration::resources`.
    pub fn expected(&self, wanted: &BTreeSet<String>) -> Vec<String> {
        let resources = self.resources(false);
        let routes = resources.routes.iter().filter(|routes| {
            let hosts = routes.message.virtual_hosts.iter();
            let mut domains = hosts.flat_map(|host| &host.domains);
            domains.any(|domain| wanted.contains(domain))
        });
        let routes: BTreeSet<_> = routes.map(|routes| routes.message.name.clone()).collect();
        let backends = routes
            .iter()
            .filter_map(|name| name[1..].parse::<usize>().ok());
        let backends: BTreeSet<_> = backends
            .map(|index| format!("s{}", self.services[index].backend))
            .collect();
        let all = lines(&resources);
        let clusters: BTreeSet<_> = all
            .iter()
            .filter(|(kind, name, _)| *kind == Kind::Cluster && backends.contains(name))
            .map(|(_, name, _)| name.clone())
            .collect();
        let held = all.into_iter().filter(|(kind, name, _)| match kind {
            Kind::Endpoints | Kind::Cluster => clusters.contains(name),
            Kind::Secret => true,
            _ => routes.contains(name),
        });
        held.map(|(kind, name, version)| line(kind, &name, &version))
            .collect()
    }
}

impl Truth {
    /// Of the wanted services those that do not exist.
    pub fn absent(&self, wanted: &BTreeSet<String>) -> BTreeSet<String> {
        let routes = self.resources(false).routes.into_iter();
        let hosts = routes.flat_map(|routes| routes.message.virtual_hosts);
        let known: BTreeSet<_> = hosts.flat_map(|host| host.domains).collect();
        wanted.difference(&known).cloned().collect()
    }
}

/// The clusters that routes of this truth lead to.
pub(super) fn backends(routes: &RouteConfiguration) -> impl Iterator<Item = &str> {
    let routes = routes.virtual_hosts.iter().flat_map(|host| &host.routes);
    routes.filter_map(|route| match &route.action {
        Some(Action::Route(action)) => match &action.cluster_specifier {
            Some(ClusterSpecifier::Cluster(name)) => Some(name.as_str()),
            Some(_) | None => None,
        },
        Some(_) | None => None,
    })
}

fn lead_to(host: &mut VirtualHost, backend: usize, content: u32) {
    for route in &mut host.routes {
        route.name = format!("route-{content}");
        if let Some(Action::Route(action)) = &mut route.action {
            action.cluster_specifier = Some(ClusterSpecifier::Cluster(format!("s{backend}")));
        }
    }
}

fn cluster(index: usize, state: State) -> Versioned<Cluster> {
    let mut cluster = MODEL.clusters[0].message.clone();
    cluster.name = format!("s{index}");
    if let Some(eds) = &mut cluster.eds_cluster_config {
        eds.service_name.clear();
    }
    cluster.connect_timeout = Some(Duration {
        seconds: i64::from(state.content),
        nanos: 0,
    });
    if state.bad {
        cluster.lb_policy = LbPolicy::Maglev.into();
    }
    Versioned::new(cluster)
}

fn assignment(index: usize, state: State) -> Versioned<ClusterLoadAssignment> {
    let mut assignment = MODEL.endpoints[0].message.clone();
    assignment.cluster_name = format!("s{index}");
    let copies = if state.bad { 2 } else { 1 };
    for locality in &mut assignment.endpoints {
        locality.load_balancing_weight.get_or_insert_default().value = state.content;
        // An endpoint listed twice is refused.
        locality.lb_endpoints = vec![locality.lb_endpoints[0].clone(); copies];
    }
    Versioned::new(assignment)
}

fn trust_bundle(state: State) -> Versioned<Secret> {
    let content = state.content;
    // Four digits are base64 of three bytes, and nobody here looks into a certificate.
    let pem = format!("-----BEGIN CERTIFICATE-----\n{content:04}\n-----END CERTIFICATE-----\n");
    let specifier = if state.bad {
        Specifier::Filename(pem)
    } else {
        Specifier::InlineString(pem)
    };
    let trusted_ca = Some(DataSource {
        specifier: Some(specifier),
        ..DataSource::default()
    });
    Versioned::new(Secret {
        name: TRUST_BUNDLE_SECRET.to_owned(),
        r#type: Some(secret::Type::ValidationContext(
            CertificateValidationContext {
                trusted_ca,
                ..CertificateValidationContext::default()
            },
        )),
    })
}

/// Kind, name and version of every resource, in the order of `Configuration::resources`.
fn lines(resources: &Resources) -> Vec<(Kind, String, String)> {
    let clusters = resources.clusters.iter();
    let clusters = clusters.map(|c| (Kind::Cluster, c.message.name.clone(), c.version.clone()));
    let endpoints = resources.endpoints.iter();
    let endpoints = endpoints.map(|e| {
        (
            Kind::Endpoints,
            e.message.cluster_name.clone(),
            e.version.clone(),
        )
    });
    let routes = resources.routes.iter();
    let routes = routes.map(|r| (Kind::Routes, r.message.name.clone(), r.version.clone()));
    let secrets = resources.secrets.iter();
    let secrets = secrets.map(|s| (Kind::Secret, s.message.name.clone(), s.version.clone()));
    let all = clusters.chain(endpoints).chain(routes);
    all.chain(secrets).collect()
}

fn line(kind: Kind, name: &str, version: &str) -> String {
    let kind = match kind {
        Kind::Cluster => "cluster",
        Kind::Endpoints => "endpoints",
        Kind::Secret => "secret",
        _ => "routes",
    };
    format!("{kind}/{name}@{version}")
}
