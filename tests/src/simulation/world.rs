//! The simulated world: everything there is, and what happens next.
//!
//! ```text
//! clients -> caller's sidecar -> network -> a sidecar per endpoint -> its server
//! ```
//!
//! Only one thing happens at a time, in the order of the agenda; so a seed is a whole history.

use std::sync::Arc;
use std::time::Duration;

use outrider_engine::config::Snapshot;
use outrider_engine::{CloseCause, Engine};
use outrider_http2::GoawayKind;
use outrider_policy::Tick;

use super::agenda::{Agenda, CallStep, Event};
use super::call::Call;
use super::certificates::{self, Issuer};
use super::client::Client;
use super::configuration;
use super::discovery::{Directory, Word};
use super::hostile::{self, Hostility};
use super::journal::{Journal, Keep};
use super::network::{Arrival, Network, Place};
use super::oddity::Oddity;
use super::panics::{self, Panics};
use super::pattern::Pattern;
use super::plan::{CallPlan, Method, Plan, Reader};
use super::random::Random;
use super::server::Server;
use super::sidecar::Sidecar;
use super::strain;
use super::waiting;

/// The outbound sidecar; number `k + 1` stands before server `k`.
pub(super) const CALLERS_SIDECAR: usize = 0;

/// More events than any sane run has: beyond them the world does not come to rest.
const EVENTS_MAX: usize = 500_000;

/// How long a sidecar may take to end when the run does.
const DRAIN: Duration = Duration::from_secs(5);

/// What runs between the sidecars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Plain octets; identities are assigned. Replays exactly.
    Plain,
    /// Real mutual TLS. Its handshakes draw their own randomness, so only invariants are checked.
    Tls,
}

pub(super) struct World {
    pub(super) now: Tick,
    pub(super) wire: Wire,
    pub(super) plan: Plan,
    pub(super) agenda: Agenda,
    pub(super) journal: Journal,
    pub(super) pattern: Pattern,
    pub(super) network: Network,
    pub(super) clients: Vec<Client>,
    pub(super) sidecars: Vec<Sidecar>,
    pub(super) servers: Vec<Server>,
    pub(super) calls: Vec<Call>,
    /// What the caller's sidecar was told last, and who tells it.
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) directory: Directory,
    pub(super) panics: Panics,
    pub(super) hostility: Hostility,
    /// Some server took fewer streams for a while than it said first.
    pub(super) is_squeezed: bool,
    /// Who makes certificates; `None` over a plain wire.
    pub(super) issuer: Option<Issuer>,
    /// Connections on which a server named its last stream.
    pub(super) left_links: usize,
    random: Random,
    /// When something outside the sidecars last went wrong.
    pub(super) disturbed: Option<Tick>,
    /// The troubles are over; what is called now must succeed.
    pub(super) is_epilogue: bool,
    pub(super) events: usize,
    /// The first invariant that did not hold.
    pub(super) violation: Option<String>,
}

impl World {
    pub(super) fn new(seed: u64, wire: Wire, keep: Keep) -> World {
        let mut random = Random::new(seed);
        let mut plan = waiting::patient(Plan::draw(&mut random), seed);
        let network = Network::new(plan.network, random.fork());
        let all: Vec<_> = (0..plan.endpoints).collect();
        let mut directory = Directory::new(seed, configuration::of(&plan, &all));
        plan.faults.extend(directory.faults(plan.span));
        let (life, changes) = certificates::faults(seed, wire, &plan);
        let apart = [
            changes,
            panics::faults(seed, plan.endpoints, plan.span),
            strain::faults(seed, &plan),
            hostile::faults(seed, &plan, directory.is_on_demand()),
        ];
        plan.faults.extend(apart.into_iter().flatten());
        let mut world = World {
            now: Tick::ZERO,
            wire,
            agenda: Agenda::default(),
            journal: Journal::new(keep),
            pattern: Pattern::new(),
            network,
            clients: (0..plan.clients)
                .map(|_| Client::new(plan.servers.growth))
                .collect(),
            sidecars: Vec::new(),
            servers: (0..plan.endpoints)
                .map(|_| Server::new(random.fork(), plan.servers.growth))
                .collect(),
            calls: plan.calls.iter().cloned().map(Call::new).collect(),
            snapshot: Arc::new(directory.told()),
            directory,
            panics: Panics::default(),
            hostility: Hostility::default(),
            is_squeezed: false,
            issuer: Issuer::new(wire, life),
            left_links: 0,
            random: random.fork(),
            disturbed: None,
            is_epilogue: false,
            events: 0,
            violation: None,
            plan,
        };
        world.start_sidecars();
        world.fill_agenda();
        world
    }

    fn start_sidecars(&mut self) {
        let limits = self.plan.limits;
        let caller = configuration::settings(&limits, "client", None);
        let mut engine = Engine::new(caller, self.random.next_u64());
        engine.configure(Tick::ZERO, Arc::clone(&self.snapshot));
        self.sidecars.push(Sidecar::new(engine));
        for endpoint in 0..self.plan.endpoints {
            let settings = configuration::settings(&limits, "echo", Some(endpoint));
            let engine = Engine::new(settings, self.random.next_u64());
            self.sidecars.push(Sidecar::new(engine));
        }
        self.certify_all();
    }

    fn fill_agenda(&mut self) {
        for (call, shadow) in self.calls.iter().enumerate() {
            let step = CallStep::Begin;
            self.agenda
                .plan(shadow.plan.begin, Event::Call { call, step });
        }
        for (at, fault) in self.plan.faults.clone() {
            self.agenda.plan(at, Event::Fault(fault));
        }
        self.note(|world| format!("the plan: {:?}", world.plan_without_calls()));
    }

    fn plan_without_calls(&self) -> Plan {
        Plan {
            calls: Vec::new(),
            faults: Vec::new(),
            ..self.plan.clone()
        }
    }

    /// Everything that happens, the calls after the troubles, and the end of all sidecars.
    pub(super) fn run(&mut self) {
        self.run_to_rest(World::check_rest);
        self.begin_epilogue();
        self.run_to_rest(World::check_epilogue);
        for sidecar in (0..self.sidecars.len()).rev() {
            self.drain(sidecar, DRAIN);
        }
        self.run_to_rest(World::check_drained);
    }

    fn run_to_rest(&mut self, check: fn(&mut World)) {
        while self.violation.is_none() {
            let Some((at, event)) = self.agenda.pop() else {
                return check(self);
            };
            self.now = at.max(self.now);
            if let Some(issuer) = &self.issuer {
                issuer.follow(self.now);
            }
            self.events += 1;
            if self.events > EVENTS_MAX {
                return self.broken("the world does not come to rest".to_owned());
            }
            self.happen(event);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive { link, from } => {
                self.network.land(link, from);
                self.read(link, 1 - from);
            }
            Event::Knock { link } => self.knock(link),
            Event::Established { link } => self.established(link),
            Event::Refused { link } => self.refused(link),
            Event::Wake { sidecar } => self.wake(sidecar),
            Event::Call { call, step } => self.call_step(call, step),
            Event::Exchange { link, stream, step } => {
                if let Place::Server(server) = self.network.links[link].ends[1] {
                    self.exchange_step(server, (link, stream), step);
                }
            }
            Event::Tell(word) => self.tell(word),
            Event::Fault(fault) => self.fault(fault),
            Event::Hostile(step) => self.hostile_step(step),
            Event::LastGoaway { server } => self.server_goaway(server, GoawayKind::Final),
        }
    }

    /// Begins to connect two places; their fate is drawn now.
    pub(super) fn connect(&mut self, from: Place, to: Place) -> usize {
        let link = self.network.link([from, to]);
        let after = self.network.latency();
        let local = matches!(from, Place::Client(_) | Place::Hostile(_)) || self.is_epilogue;
        let (refused, silent) = if local {
            (0, 0)
        } else {
            let plan = self.plan.network;
            (plan.refused_percent, plan.silent_percent)
        };
        if self.random.chance(refused) {
            self.disturbed = Some(self.now);
            self.agenda.plan(self.now + after, Event::Refused { link });
        } else if self.random.chance(silent) {
            self.disturbed = Some(self.now);
            self.note(|_| format!("network: nobody answers on link {link}"));
        } else {
            self.agenda.plan(self.now + after, Event::Knock { link });
        }
        link
    }

    fn knock(&mut self, link: usize) {
        let [_, to] = self.network.links[link].ends;
        let listens = match to {
            Place::Client(_) | Place::Hostile(_) => false,
            Place::Sidecar(sidecar) => self.sidecars[sidecar].is_listening,
            Place::Server(server) => self.servers[server].is_listening,
        };
        let established = self.now + self.network.latency();
        if !listens || !self.network.links[link].open[0] {
            return self.agenda.plan(established, Event::Refused { link });
        }
        self.network.accept(link, established);
        self.agenda.plan(established, Event::Established { link });
        match to {
            Place::Client(_) | Place::Hostile(_) => {}
            Place::Sidecar(sidecar) => self.sidecar_accepts(sidecar, link),
            Place::Server(server) => self.server_accepts(server, link),
        }
    }

    fn established(&mut self, link: usize) {
        match self.network.links[link].ends[0] {
            Place::Client(client) => self.client_established(client, link),
            Place::Sidecar(sidecar) => self.sidecar_connected(sidecar, link),
            Place::Hostile(number) => self.hostile_established(number),
            Place::Server(_) => {}
        }
        self.read(link, 0);
    }

    fn refused(&mut self, link: usize) {
        self.note(|world| format!("network: link {link} {:?} is refused", world.ends(link)));
        match self.network.links[link].ends[0] {
            Place::Client(client) => self.client_hung_up(client, link),
            Place::Sidecar(sidecar) => self.sidecar_refused(sidecar, link),
            Place::Hostile(_) => self.hostile_hung_up(link),
            Place::Server(_) => {}
        }
    }

    fn ends(&self, link: usize) -> [Place; 2] {
        self.network.links[link].ends
    }

    /// An end reads all that has arrived, and the other end may write again.
    fn read(&mut self, link: usize, end: usize) {
        while let Some(arrival) = self.network.take(link, end) {
            match arrival {
                Arrival::Bytes(bytes) => self.receive(link, end, &bytes),
                Arrival::Eof => self.hung_up(link, end, CloseCause::Eof),
                Arrival::Reset => self.hung_up(link, end, CloseCause::Reset),
            }
        }
        let from = 1 - end;
        if self.network.take_starved(link, from) {
            match self.network.links[link].ends[from] {
                Place::Client(client) => self.flush_client(client, link),
                Place::Sidecar(sidecar) => self.sidecar_writable(sidecar, (link, from)),
                Place::Server(server) => self.flush_server(server, link),
                Place::Hostile(_) => {}
            }
        }
    }

    fn receive(&mut self, link: usize, end: usize, bytes: &[u8]) {
        match self.network.links[link].ends[end] {
            Place::Client(client) => self.client_receives(client, link, bytes),
            Place::Sidecar(sidecar) => self.sidecar_receives(sidecar, (link, end), bytes),
            Place::Server(server) => self.server_receives(server, link, bytes),
            Place::Hostile(_) => {}
        }
    }

    fn hung_up(&mut self, link: usize, end: usize, cause: CloseCause) {
        match self.network.links[link].ends[end] {
            Place::Client(client) => self.client_hung_up(client, link),
            Place::Sidecar(sidecar) => self.sidecar_hung_up(sidecar, (link, end), cause),
            Place::Server(server) => self.server_hung_up(server, link),
            Place::Hostile(_) => self.hostile_hung_up(link),
        }
    }

    /// A last call a good while after all trouble: it must go well.
    fn begin_epilogue(&mut self) {
        self.is_epilogue = true;
        self.defuse();
        self.certify_for_good();
        for server in &mut self.servers {
            server.is_listening = true;
        }
        let alive: Vec<_> = (0..self.plan.endpoints)
            .filter(|endpoint| self.sidecars[endpoint + 1].is_listening)
            .collect();
        self.configure(configuration::of(&self.plan, &alive));
        self.tell(Word::Here);
        let call = self.calls.len();
        let begin = self.now + Duration::from_secs(400);
        self.calls.push(Call::new(CallPlan {
            client: 0,
            begin,
            method: Method::Chat,
            oddity: Oddity::None,
            request: vec![(Duration::ZERO, 10)],
            trailers: false,
            timeout: None,
            cancel_after: None,
            reader: Reader::Prompt,
        }));
        let step = CallStep::Begin;
        self.agenda.plan(begin, Event::Call { call, step });
    }

    /// An invariant does not hold. The first one counts.
    pub(super) fn broken(&mut self, what: String) {
        self.note(|_| format!("VIOLATION: {what}"));
        self.violation.get_or_insert(what);
    }

    /// Notes an event for the reader, if there is one.
    pub(super) fn note(&mut self, line: impl FnOnce(&World) -> String) {
        // Lent out so that the line may look at the world.
        let mut journal = std::mem::replace(&mut self.journal, Journal::new(Keep::Nothing));
        journal.note(self.now, || line(self));
        self.journal = journal;
    }
}
