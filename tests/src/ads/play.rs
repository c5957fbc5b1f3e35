//! One seed: the client, the server, the stream between them, and what befalls them.

use std::collections::BTreeSet;
use std::time::Duration;

use outrider_control_plane::ads::{Answer, DeltaStream, WorldStream};
use outrider_daemon::xds::client::{Client, Closed, Protocol, Request, Response};
use outrider_policy::Tick;
use outrider_proto::Resources;
use outrider_proto::envoy::core::Node;

use super::Played;
use super::show::{refused_names, shown_request, shown_response};
use super::truth::{SECRET, Truth, backends, names};
use super::wire::Wire;
use crate::simulation::random::Random;

/// Deliveries after the noise in which everything must have come to rest.
const REST_MAX: usize = 1_000;

/// The server's end of a stream.
enum Served {
    Delta(DeltaStream),
    World(WorldStream),
}

/// What the client's process has on its disk.
#[derive(Default)]
struct Stored {
    services: BTreeSet<String>,
    resources: Resources,
    /// What was in force then.
    lines: Vec<String>,
}

pub(super) struct Play {
    random: Random,
    print: bool,
    now: Tick,
    truth: Truth,
    wanted: BTreeSet<String>,
    client: Client,
    stored: Stored,
    server: Option<Served>,
    has_delta: bool,
    streams: u64,
    connect_at: Tick,
    wire: Wire,
    played: Played,
}

impl Play {
    pub fn new(seed: u64, print: bool) -> Play {
        let mut random = Random::new(seed);
        Play {
            print,
            now: Tick::ZERO,
            truth: Truth::new(&mut random),
            wanted: BTreeSet::new(),
            client: Client::new(Node::default(), BTreeSet::new()),
            stored: Stored::default(),
            server: None,
            has_delta: random.chance(60),
            streams: 0,
            connect_at: Tick::ZERO,
            wire: Wire::new(random.chance(33)),
            played: Played::default(),
            random,
        }
    }

    pub fn run(mut self) -> Result<Played, String> {
        self.connect();
        for _ in 0..self.random.between(40, 160) {
            self.something_happens()?;
        }
        self.come_to_rest()?;
        self.check_the_end()?;
        self.repeat_last_answers()?;
        self.played.in_force = self.client.configuration().resources().len() as u64;
        Ok(self.played)
    }

    fn something_happens(&mut self) -> Result<(), String> {
        match self.random.between(0, 99) {
            0..=34 => self.deliver_to_server(),
            35..=69 => return self.deliver_to_client(),
            70..=77 => self.change(),
            78..=85 => self.wish(),
            86..=87 => self.break_stream(Closed::Lost),
            88 => self.restart(),
            89..=92 => self.repeat_old_request(),
            93 => self.store(),
            94 => return self.restart_client(),
            _ => {
                let pause = self.random.millis(0, 8_000);
                self.pass(pause);
            }
        }
        Ok(())
    }

    fn note(&self, event: impl FnOnce() -> String) {
        if self.print {
            println!("{:>7} ms  {}", self.now.as_nanos() / 1_000_000, event());
        }
    }

    fn change(&mut self) {
        self.truth.change(&mut self.random);
        self.publish();
    }

    fn publish(&mut self) {
        let Some(server) = &mut self.server else {
            return;
        };
        let responses: Vec<_> = self.truth.viewed(|view| match server {
            Served::Delta(stream) => {
                let sent = stream.publish(view).into_iter();
                sent.map(Response::Delta).collect()
            }
            Served::World(stream) => {
                let sent = stream.publish(view).into_iter();
                sent.map(Response::World).collect()
            }
        });
        self.wire.respond(responses);
    }

    fn wish(&mut self) {
        let names = names();
        let name = &names[self.random.between(0, names.len() - 1)];
        let requests = if self.wanted.remove(name) {
            self.note(|| format!("release {name}"));
            self.client.release(self.now, name)
        } else {
            self.note(|| format!("want {name}"));
            self.wanted.insert(name.clone());
            self.client.want(self.now, name)
        };
        self.send(requests);
    }

    fn send(&mut self, requests: Vec<Request>) {
        for request in requests {
            self.note(|| format!("client: {}", shown_request(&request)));
            self.wire.send(request);
        }
    }

    fn deliver_to_server(&mut self) {
        let Some(request) = self.wire.next_request(&mut self.random) else {
            return;
        };
        let responses = self.serve(request);
        self.wire.respond(responses);
    }

    fn serve(&mut self, request: Request) -> Vec<Response> {
        let server = self.server.as_mut();
        self.truth.viewed(|view| match (server, request) {
            (Some(Served::Delta(stream)), Request::Delta(request)) => {
                let sent = stream.receive(request, view).into_iter();
                sent.map(Response::Delta).collect()
            }
            (Some(Served::World(stream)), Request::World(request)) => {
                let sent = stream.receive(request, view).into_iter();
                sent.map(Response::World).collect()
            }
            (_, _) => Vec::new(),
        })
    }

    fn deliver_to_client(&mut self) -> Result<(), String> {
        let Some(response) = self.wire.next_response(&mut self.random) else {
            return Ok(());
        };
        self.note(|| format!("server: {}", shown_response(&response)));
        let before = self.client.configuration().resources();
        let had_bundle = self.client.trust_bundle().is_some();
        let requests = self.client.receive(self.now, response);
        let refused = requests.iter().filter_map(refused_names).flatten();
        let refused: BTreeSet<String> = refused.collect();
        self.played.responses += 1;
        self.played.refused += u64::from(!refused.is_empty());
        let after = self.client.configuration().resources();
        for line in before.iter().filter(|line| refused.contains(key(line))) {
            if !after.contains(line) && self.is_needed(key(line)) {
                return Err(format!("{line} was good and gave way to a refused one"));
            }
        }
        if let Some(bad) = after
            .iter()
            .find(|line| self.truth.bad_versions.contains(*line))
        {
            return Err(format!("{bad} is bad and in force"));
        }
        if had_bundle && self.client.trust_bundle().is_none() {
            return Err("the trust bundle gave way to none".to_owned());
        }
        self.send(requests);
        Ok(())
    }

    /// Does something in force lead there? Routes are what services lead to.
    fn is_needed(&self, key: &str) -> bool {
        let resources = self.client.resources();
        match key.split_once('/') {
            Some(("cluster", name)) => resources
                .routes
                .iter()
                .any(|routes| backends(&routes.message).any(|backend| backend == name)),
            Some(("endpoints", name)) => {
                let mut clusters = resources.clusters.iter();
                clusters.any(|cluster| cluster.message.name == name)
            }
            Some(_) | None => true,
        }
    }

    fn break_stream(&mut self, how: Closed) {
        if self.server.take().is_none() {
            return;
        }
        self.played.breaks += 1;
        self.wire.cut();
        let before = self.client.configuration().resources();
        self.connect_at = self.client.closed(self.now, how, self.random.next_u64());
        self.note(|| format!("the stream breaks: {how:?}"));
        debug_assert_eq!(before, self.client.configuration().resources());
    }

    /// Another build of the server, which may or may not have delta. It counts its streams from
    /// anywhere, so a nonce may come again or not.
    fn restart(&mut self) {
        self.break_stream(Closed::Lost);
        self.streams = self.random.between(0, 3) as u64;
        self.has_delta = self.random.chance(60);
        self.truth.change(&mut self.random);
    }

    /// A request of this stream comes again, answering an older response.
    fn repeat_old_request(&mut self) {
        let all = self.wire.stale();
        if all.is_empty() {
            return;
        }
        let request = all[self.random.between(0, all.len() - 1)].clone();
        self.note(|| format!("again: {}", shown_request(&request)));
        self.played.stale += 1;
        self.wire.repeat(request);
    }

    fn store(&mut self) {
        self.note(|| "the client stores what it has".to_owned());
        self.stored = Stored {
            services: self.client.services().clone(),
            resources: self.client.resources(),
            lines: self.client.configuration().resources(),
        };
    }

    /// The client's process dies and begins again with what it stored, which may be old.
    fn restart_client(&mut self) -> Result<(), String> {
        self.note(|| "the client restarts".to_owned());
        self.break_stream(Closed::Lost);
        self.played.restarts += 1;
        let Stored {
            services,
            resources,
            lines,
        } = &self.stored;
        self.wanted.clone_from(services);
        self.client = Client::restored(
            Node::default(),
            BTreeSet::new(),
            services.clone(),
            resources,
        );
        self.connect_at = self.now;
        let restored = self.client.configuration().resources();
        if restored != *lines {
            return Err(format!("stored {lines:?}\n  and restored {restored:?}"));
        }
        Ok(())
    }

    fn pass(&mut self, pause: Duration) {
        self.now = self.now + pause;
        let requests = self.client.tick(self.now);
        self.send(requests);
        if self.server.is_none() && self.connect_at <= self.now {
            self.connect();
        }
    }

    fn connect(&mut self) {
        self.streams += 1;
        let server = match (self.client.protocol(), self.has_delta) {
            (Protocol::Delta, true) => Served::Delta(DeltaStream::new(self.streams)),
            (Protocol::StateOfTheWorld, _) => Served::World(WorldStream::new(self.streams)),
            (Protocol::Delta, false) => {
                let random = self.random.next_u64();
                self.connect_at = self.client.closed(self.now, Closed::Unimplemented, random);
                return;
            }
        };
        self.note(|| format!("a stream opens: {:?}", self.client.protocol()));
        self.server = Some(server);
        self.wire.open(self.streams);
        let requests = self.client.opened(self.now);
        self.send(requests);
    }

    /// The noise stops: everything is good, the stream stays, everything arrives.
    fn come_to_rest(&mut self) -> Result<(), String> {
        self.note(|| "the noise stops".to_owned());
        self.truth.heal();
        // Longer than the longest wait for a connection.
        self.pass(Duration::from_secs(31));
        self.pass(Duration::ZERO);
        if matches!(self.server, Some(Served::World(_))) {
            self.truth.restore();
        }
        self.publish();
        for _ in 0..3 {
            // Past the longest wait for a connection, and for a name that nobody knows.
            self.pass(Duration::from_secs(31));
            self.deliver_all()?;
        }
        match self.server {
            Some(_) => Ok(()),
            None => Err("no stream within 90 s".to_owned()),
        }
    }

    fn deliver_all(&mut self) -> Result<(), String> {
        for _ in 0..REST_MAX {
            if self.wire.is_quiet() {
                return Ok(());
            }
            self.deliver_to_server();
            self.deliver_to_client()?;
        }
        Err(format!("still talking after {REST_MAX} messages"))
    }

    fn check_the_end(&self) -> Result<(), String> {
        let mut held = self.client.configuration().resources();
        let expected = self.truth.expected(&self.wanted);
        if !expected.iter().any(|line| key(line) == SECRET) {
            // Where there is no bundle any more, the last one stays.
            held.retain(|line| key(line) != SECRET);
        }
        if held != expected {
            let wanted = &self.wanted;
            return Err(format!(
                "wants {wanted:?}\n  holds {held:?}\n  shall {expected:?}"
            ));
        }
        let (absent, expected) = (self.client.absent(), self.truth.absent(&self.wanted));
        if absent != expected {
            return Err(format!("believes absent {absent:?}\n  shall {expected:?}"));
        }
        if let Some(refused) = self.client.rejections().first() {
            return Err(format!("everything is good, and yet {refused:?}"));
        }
        // State of the world has no word for what was refused and is good after all.
        let standings: Vec<_> = match &self.server {
            Some(Served::Delta(stream)) => stream.standings().collect(),
            Some(Served::World(_)) | None => Vec::new(),
        };
        let mut standings = standings.into_iter();
        match standings.find(|standing| standing.answer != Answer::Accepted) {
            Some(standing) => Err(format!("the server believes {standing:?}")),
            None => Ok(()),
        }
    }

    /// Nothing is answered twice: the last answers once more are no news.
    fn repeat_last_answers(&mut self) -> Result<(), String> {
        for request in self.wire.last_answers() {
            let responses = self.serve(request);
            if let Some(response) = responses.first() {
                return Err(format!("answered twice: {}", shown_response(response)));
            }
        }
        Ok(())
    }
}

/// `kind/name` of a line of `Configuration::resources`.
fn key(line: &str) -> &str {
    line.split('@').next().unwrap_or(line)
}
