//! The client itself: every event is one short function, and all end in the same step.

use std::collections::BTreeSet;

use outrider_policy::Tick;
use outrider_proto::envoy::core::Node;
use outrider_proto::envoy::discovery::{ResourceError, ResourceName};
use outrider_proto::google::Status;
use outrider_proto::{Kind, Resources, TRUST_BUNDLE_SECRET, eds_name, pack};

use super::ads_stream::{AdsStream, Protocol, Reply, Request};
use super::back_off::{BackOff, Closed};
use super::in_force::InForce;
use super::rejections::RejectedResource;
use super::resource_cache::ResourceCache;
use super::subscriptions::{Resolution, Subscriptions, clusters_of};
use super::update::{Removed, Response, Update};
use crate::xds::{Configuration, NACK_CODE, Rejection, accept, nack_message};

/// What a sidecar subscribes to, from the top down: each is known by what is held before it.
/// The trust bundle and the sidecar's listeners are wanted always.
const ORDER: [Kind; 5] = [
    Kind::Secret,
    Kind::Listener,
    Kind::Routes,
    Kind::Cluster,
    Kind::Endpoints,
];

/// A sidecar as a client of ADS. Time comes with every event; ticks never go back.
#[derive(Debug)]
pub struct Client {
    protocol: Protocol,
    stream: AdsStream,
    back_off: BackOff,
    listeners: BTreeSet<String>,
    services: BTreeSet<String>,
    subscriptions: Subscriptions,
    cache: ResourceCache,
    in_force: InForce,
    configuration: Configuration,
}

impl Client {
    /// `node` says what this client is; who it is, its certificate says. `listeners` are the names of
    /// the listeners that it has.
    pub fn new(node: Node, listeners: BTreeSet<String>) -> Client {
        Client {
            protocol: Protocol::Delta,
            stream: AdsStream::new(node),
            back_off: BackOff::default(),
            listeners,
            services: BTreeSet::new(),
            subscriptions: Subscriptions::default(),
            cache: ResourceCache::default(),
            in_force: InForce::default(),
            configuration: Configuration::default(),
        }
    }

    /// Begins with a configuration of an earlier life in force: what [`Client::services`] and
    /// [`Client::resources`] gave then. What of it cannot be enforced any more is left out. The
    /// first delta stream resumes; a state-of-the-world stream gets everything again.
    pub fn restored(
        node: Node,
        listeners: BTreeSet<String>,
        services: BTreeSet<String>,
        resources: &Resources,
    ) -> Client {
        let in_force = InForce::restored(resources);
        let accepted = accept(&in_force.resources(), &Configuration::default());
        let mut client = Client {
            services,
            cache: ResourceCache::restored(resources),
            in_force,
            configuration: accepted.configuration,
            ..Client::new(node, listeners)
        };
        // There is no stream, so there is nothing to send.
        client.reconcile(Tick::ZERO, None);
        client
    }

    /// The protocol of the next stream.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What is in force: of everything, the last that was good and complete.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// What is in force as resources, to be stored for [`Client::restored`].
    pub fn resources(&self) -> Resources {
        self.in_force.resources()
    }

    /// The mesh's trust bundle in PEM: the last good one, or `None` before the first.
    pub fn trust_bundle(&self) -> Option<&[u8]> {
        self.configuration.trust_bundle()
    }

    /// The services that are wanted.
    pub fn services(&self) -> &BTreeSet<String> {
        &self.services
    }

    /// The wanted services that do not exist, for all that is known: [`Resolution::Absent`].
    pub fn absent(&self) -> BTreeSet<String> {
        let services = self.services.iter();
        let absent = services.filter(|service| self.find(service) == Resolution::Absent);
        absent.cloned().collect()
    }

    /// The wanted services for which no call has anything to wait: those that are absent, and those
    /// whose resources were all refused. When good ones come, they are routed.
    pub fn unusable(&self) -> BTreeSet<String> {
        let mut unusable = self.absent();
        let (services, routes) = (self.services.iter(), &self.cache.routes);
        unusable.extend(services.filter(|name| routes.is_only_bad(name)).cloned());
        unusable
    }

    /// What was sent last under its name and refused, in the order of kinds and names. The last
    /// good version of it, if there is one, is in force.
    pub fn rejections(&self) -> Vec<RejectedResource> {
        self.cache.rejections.all()
    }

    /// What is known of a service that was wanted.
    pub fn find(&self, service: &str) -> Resolution {
        if self.cache.has(Kind::Routes, service) {
            Resolution::Present
        } else if self.subscriptions.is_over(Kind::Routes, service) {
            Resolution::Absent
        } else {
            Resolution::Waiting
        }
    }

    /// Names that the server said nothing about for 15 s, since the start.
    pub fn timed_out_count(&self) -> u64 {
        self.subscriptions.timed_out_count
    }

    /// When [`Client::tick`] is due.
    pub fn next_timeout(&self) -> Option<Tick> {
        self.subscriptions.next_expiry()
    }

    /// A call or the sidecar's own document names a service, or `grpc/<gRPC service>`.
    pub fn want(&mut self, now: Tick, service: &str) -> Vec<Request> {
        self.services.insert(service.to_owned());
        self.reconcile(now, None)
    }

    /// Unsubscribes from the service.
    pub fn release(&mut self, now: Tick, service: &str) -> Vec<Request> {
        self.services.remove(service);
        self.reconcile(now, None)
    }

    /// A stream of [`Client::protocol`] is open.
    pub fn opened(&mut self, now: Tick) -> Vec<Request> {
        self.stream.open(self.protocol);
        self.reconcile(now, None)
    }

    /// The stream has ended, or could not be opened; gives when to connect again. Everything
    /// that is in force stays. `random` is any number, evenly spread.
    pub fn closed(&mut self, now: Tick, how: Closed, random: u64) -> Tick {
        self.stream.close();
        self.subscriptions.stream_lost();
        if (how, self.protocol) == (Closed::Unimplemented, Protocol::Delta) {
            self.protocol = Protocol::StateOfTheWorld;
            return now;
        }
        self.protocol = Protocol::Delta;
        let (back_off, wait) = self.back_off.after_failure(random);
        self.back_off = back_off;
        now + wait
    }

    /// The time is `now`.
    pub fn tick(&mut self, now: Tick) -> Vec<Request> {
        if self.subscriptions.expire(now) {
            self.reconcile(now, None)
        } else {
            Vec::new()
        }
    }

    /// A response has arrived. Of a type that was never asked for it is left without an answer.
    pub fn receive(&mut self, now: Tick, response: Response) -> Vec<Request> {
        self.back_off = BackOff::default();
        let Some(update) = Update::new(response) else {
            return Vec::new();
        };
        let kind = update.kind;
        let (subscriptions, stream) = (&self.subscriptions, &self.stream);
        let held_before = self.held_names(kind);
        let is_asked = |name: &str| subscriptions.has(kind, name) || stream.asks(kind, name);
        let rejected = self.cache.apply(now, &update, subscriptions, is_asked);
        self.note_answered(&update, &held_before);
        let reply = Reply {
            kind,
            nonce: update.nonce,
            version: update.version,
            error: (!rejected.is_empty()).then(|| refusal(&rejected)),
        };
        self.reconcile(now, Some(reply))
    }

    fn held_names(&self, kind: Kind) -> BTreeSet<String> {
        let mut names = self.subscriptions.names(kind);
        names.retain(|name| self.cache.has(kind, name));
        names
    }

    /// Whatever came or went under a name, it is no longer waited for.
    fn note_answered(&mut self, update: &Update, held_before: &BTreeSet<String>) {
        let held = self.held_names(update.kind);
        let named = update.arrived.iter().map(|arrival| &arrival.name);
        let gone = match &update.gone {
            Removed::Named(names) => names.as_slice(),
            Removed::AllOthers => &[],
        };
        let all = held.iter().chain(held_before).chain(named).chain(gone);
        for name in all {
            self.subscriptions.answered(update.kind, name);
        }
    }

    /// After every event: want what follows from what is held, put in force what is complete,
    /// and ask for the difference.
    fn reconcile(&mut self, now: Tick, reply: Option<Reply>) -> Vec<Request> {
        // What goes in force may end a wish, and the end of a wish may let something go in force.
        while self.want_what_follows(now) | self.put_in_force() {}
        self.ask(now, reply)
    }

    fn want_what_follows(&mut self, now: Tick) -> bool {
        let mut changed = false;
        for kind in ORDER {
            let names = self.names_that_follow(kind);
            changed |= self.subscriptions.want(kind, names);
            let (subscriptions, stream) = (&self.subscriptions, &self.stream);
            let is_asked = |name: &str| subscriptions.has(kind, name) || stream.asks(kind, name);
            self.cache.keep(kind, is_asked);
            // What is held already is not waited for.
            for name in self.held_names(kind) {
                self.subscriptions.answered(kind, &name);
            }
        }
        if changed {
            self.cache.validate(now, &self.subscriptions);
        }
        changed
    }

    /// What is good leads to what is wanted, and so does what still serves in its place.
    fn names_that_follow(&self, kind: Kind) -> BTreeSet<String> {
        let ResourceCache {
            routes, clusters, ..
        } = &self.cache;
        match kind {
            Kind::Routes => self.services.clone(),
            Kind::Cluster => {
                let good = routes.all_good(self.subscriptions.of(Kind::Routes));
                let good = good.flat_map(|(_, routes)| clusters_of(&routes.message));
                let good = good.map(str::to_owned);
                good.chain(self.in_force.cluster_names()).collect()
            }
            Kind::Endpoints => {
                let good = clusters.all_good(self.subscriptions.of(Kind::Cluster));
                let good = good.filter_map(|(_, cluster)| eds_name(&cluster.message));
                let good = good.map(str::to_owned);
                good.chain(self.in_force.endpoint_names()).collect()
            }
            Kind::Secret => BTreeSet::from([TRUST_BUNDLE_SECRET.to_owned()]),
            Kind::Listener => self.listeners.clone(),
        }
    }

    fn put_in_force(&mut self) -> bool {
        let next = self.in_force.next(&self.cache, &self.subscriptions);
        if next == self.in_force {
            return false;
        }
        self.in_force = next;
        let accepted = accept(&self.in_force.resources(), &self.configuration);
        self.configuration = accepted.configuration;
        true
    }

    fn ask(&mut self, now: Tick, mut reply: Option<Reply>) -> Vec<Request> {
        if !self.stream.is_open() {
            return Vec::new();
        }
        for (kind, name) in self.cache.recovered.drain(..) {
            self.stream.ask_again(kind, &name);
        }
        let mut requests = Vec::new();
        for kind in Kind::ALL {
            let names = self.subscriptions.names(kind);
            let held = self.cache.versions(kind);
            let own = reply.take_if(|reply| reply.kind == kind);
            requests.extend(self.stream.request(kind, &names, held, own));
            for name in &names {
                self.subscriptions.asked(now, kind, name);
            }
        }
        requests
    }
}

/// A NACK: gRPC's text for people, and each refused resource by name for our control plane.
fn refusal(rejected: &[Rejection]) -> Status {
    let details = rejected.iter().map(|rejection| {
        pack(&ResourceError {
            resource_name: Some(ResourceName {
                name: rejection.name.clone(),
                ..ResourceName::default()
            }),
            error_detail: Some(Status {
                code: NACK_CODE,
                message: rejection.to_string(),
                details: Vec::new(),
            }),
        })
    });
    Status {
        code: NACK_CODE,
        message: nack_message(rejected),
        details: details.collect(),
    }
}
