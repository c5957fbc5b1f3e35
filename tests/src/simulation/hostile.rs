//! Hostile peers: clients that attack a sidecar over connections of their own, servers that lose
//! their mind on a connection they have.
//!
//! A hostile client may cost nobody anything: nothing here excuses a failed call. A server that
//! went mad is, for the calls on that connection, one that broke. What they say is random octets,
//! frames made by grammar, malformed field blocks, small floods, calls that are opened and left
//! lying; they may stop reading, and they end by a close or a reset. Drawn apart from the rest, as
//! `discovery.rs` is.

use std::time::Duration;

use outrider_engine::CallRecord;
use outrider_http2::StreamId;
use outrider_policy::Tick;

use super::agenda::Event;
use super::fields::fields;
use super::network::Place;
use super::plan::{Fault, Plan};
use super::random::Random;
use super::server::ServerConnection;
use super::world::World;
use crate::raw::{Block, Frame, PREFACE, flag, kind, setting};

/// Sets its draws apart from the rest of the plan.
const APART: u64 = 0xbad0_0000_0004_0000;

/// How the request ids of hostile calls begin.
const NAME: &str = "hostile";

/// Octets of an answer to a hostile call: more than a closed window takes.
const ANSWER_OCTETS: usize = 5_000;

/// Calls of one hostile client.
const CALLS_MAX: usize = 20;

/// What the hostile did in a run.
#[derive(Debug, Default)]
pub(super) struct Hostility {
    /// Hostile clients, by number: what they send, the next piece first.
    clients: Vec<Client>,
    /// A server has gone mad.
    pub(super) any_mad: bool,
    /// Calls that hostile clients may have begun.
    calls: usize,
}

impl Hostility {
    /// Clients that attacked.
    pub(super) fn attackers(&self) -> usize {
        self.clients.len()
    }
}

#[derive(Debug)]
struct Client {
    link: usize,
    pieces: Vec<(Duration, Vec<u8>)>,
    ends_by_reset: bool,
}

/// A hostile act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hostile {
    /// A client connects to a sidecar.
    Client { sidecar: usize, seed: u64 },
    /// A server says nonsense on one of its connections, then closes it.
    Server { server: usize, seed: u64 },
}

/// What a hostile client does by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostileStep {
    /// Sends its next piece, or ends.
    Next(usize),
    /// A mad server's end of a link is closed.
    HangUp { link: usize },
}

/// The hostile acts of a run: none in most. A sidecar that learns services on demand would be asked
/// for those of the hostile, too; `discovery.rs` counts the askers.
pub(super) fn faults(seed: u64, plan: &Plan, is_on_demand: bool) -> Vec<(Tick, Fault)> {
    let mut random = Random::new(seed ^ APART);
    if is_on_demand || !random.chance(40) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for _ in 0..random.between(1, 4) {
        let at = Tick::ZERO + random.micros(0, plan.span.as_micros() as usize);
        let seed = random.next_u64();
        let sidecar = random.between(0, plan.endpoints);
        faults.push((at, Hostile::Client { sidecar, seed }));
    }
    if random.chance(20) {
        let at = Tick::ZERO + random.micros(0, plan.span.as_micros() as usize);
        let (server, seed) = (random.between(0, plan.endpoints - 1), random.next_u64());
        faults.push((at, Hostile::Server { server, seed }));
    }
    let fault = |(at, hostile)| (at, Fault::Hostile(hostile));
    faults.into_iter().map(fault).collect()
}

impl World {
    pub(super) fn hostile(&mut self, hostile: Hostile) {
        match hostile {
            Hostile::Client { sidecar, seed } => self.attack(sidecar, seed),
            Hostile::Server { server, seed } => self.go_mad(server, seed),
        }
    }

    fn attack(&mut self, sidecar: usize, seed: u64) {
        let mut random = Random::new(seed);
        let number = self.hostility.clients.len();
        let link = self.connect(Place::Hostile(number), Place::Sidecar(sidecar));
        let pieces = script(&mut random, number);
        self.network.set_reading(link, 0, random.chance(60));
        self.hostility.calls += CALLS_MAX;
        self.hostility.clients.push(Client {
            link,
            pieces,
            ends_by_reset: random.chance(50),
        });
    }

    pub(super) fn hostile_established(&mut self, number: usize) {
        let step = HostileStep::Next(number);
        self.agenda.plan(self.now, Event::Hostile(step));
    }

    pub(super) fn hostile_step(&mut self, step: HostileStep) {
        match step {
            HostileStep::HangUp { link } => {
                self.network.close(&mut self.agenda, self.now, link, 1);
            }
            HostileStep::Next(number) => self.next_piece(number),
        }
    }

    fn next_piece(&mut self, number: usize) {
        let client = &mut self.hostility.clients[number];
        let (link, by_reset) = (client.link, client.ends_by_reset);
        let (now, agenda) = (self.now, &mut self.agenda);
        if client.pieces.is_empty() {
            self.note(|_| format!("hostile {number}: ends, by reset {by_reset}"));
            return match by_reset {
                true => self.network.reset(&mut self.agenda, now, link),
                false => self.network.close(&mut self.agenda, now, link, 0),
            };
        }
        let (wait, piece) = client.pieces.remove(0);
        // What finds no room is lost with the rest: a torn frame is as good as any.
        self.network.send(agenda, now, (link, 0), &piece);
        let step = HostileStep::Next(number);
        agenda.plan(now + wait, Event::Hostile(step));
        self.note(|_| {
            format!(
                "hostile {number}: sends {} octets on link {link}",
                piece.len()
            )
        });
    }

    /// The sidecar has hung up on a hostile client.
    pub(super) fn hostile_hung_up(&mut self, link: usize) {
        self.network.close(&mut self.agenda, self.now, link, 0);
    }

    /// The server forgets all it does on one connection and says nonsense on it.
    fn go_mad(&mut self, server: usize, seed: u64) {
        let mut random = Random::new(seed);
        // Between two frames: nonsense inside of one could not be told from an answer.
        let is_between = |(_, connection): &(&usize, &ServerConnection)| {
            connection.http2.output().is_empty() && connection.slip.is_empty()
        };
        let all = self.servers[server].connections.iter();
        let links: Vec<_> = all.filter(is_between).map(|(link, _)| *link).collect();
        if links.is_empty() {
            return;
        }
        let link = random.pick(&links);
        self.disturbed = Some(self.now);
        self.hostility.any_mad = true;
        self.note(|_| format!("server {server}: goes mad on link {link}"));
        self.server_forgets(server, link);
        let nonsense: Vec<u8> = (0..random.between(1, 5))
            .flat_map(|_| nonsense(&mut random))
            .collect();
        self.network
            .send(&mut self.agenda, self.now, (link, 1), &nonsense);
        let at = self.now + random.millis(0, 2_000);
        let step = HostileStep::HangUp { link };
        self.agenda.plan(at, Event::Hostile(step));
    }

    /// Is this the request of a hostile client? Then it is answered at once, whole or not.
    pub(super) fn answers_hostile(
        &mut self,
        server: usize,
        (link, stream): (usize, StreamId),
        name: Option<&str>,
    ) -> bool {
        // One without a name of its own got one from its sidecar.
        let is_ours = name.is_some_and(|name| name.starts_with("call-"));
        if is_ours || self.hostility.clients.is_empty() {
            return false;
        }
        let head = fields(&[(":status", "200"), ("content-type", "application/grpc")]);
        let trailers = fields(&[("grpc-status", "0")]);
        if let Some(connection) = self.servers[server].connections.get_mut(&link) {
            connection.begun_max = connection.begun_max.max(stream.value());
            connection.http2.head(stream, head.iter(), false);
            connection.http2.data(stream, &[b'h'; ANSWER_OCTETS], false);
            connection.http2.trailers(stream, trailers.iter());
        }
        true
    }

    /// Is this the record of a hostile call? They are held to nothing but that they end.
    pub(super) fn is_hostile_record(&self, record: &CallRecord) -> bool {
        !self.hostility.clients.is_empty() && !record.request_id.starts_with("call-")
    }

    /// Hostile calls that there may be at any time.
    pub(super) fn hostile_calls_max(&self) -> usize {
        self.hostility.calls
    }

    /// A peer that breaks HTTP/2 on purpose was there.
    pub(super) fn may_see_protocol_errors(&self) -> bool {
        !self.hostility.clients.is_empty() || self.hostility.any_mad
    }
}

/// What a hostile client sends, with the wait after each piece.
fn script(random: &mut Random, number: usize) -> Vec<(Duration, Vec<u8>)> {
    let mut first = Vec::new();
    if random.chance(90) {
        first.extend_from_slice(PREFACE);
        let window = random.pick(&[65_535, 65_535, 0, 1]);
        let settings = [(setting::INITIAL_WINDOW_SIZE, window)];
        first.extend(Frame::settings(&settings).encode());
    }
    let mut pieces = vec![(random.millis(0, 5), first)];
    let mut stream = 1;
    for _ in 0..random.between(1, 6) {
        let piece = attack(random, &mut stream, number);
        let most = random.pick(&[1, 20, 300]);
        pieces.push((random.millis(0, most), piece));
    }
    pieces
}

fn attack(random: &mut Random, stream: &mut u32, number: usize) -> Vec<u8> {
    let times = random.between(1, CALLS_MAX / 6);
    let mut next = || {
        *stream += 2;
        *stream - 2
    };
    let mut out = Vec::new();
    match random.between(0, 9) {
        0 => out = octets(random, 1, 200),
        1 => out = (0..10).flat_map(|_| any_frame(random)).collect(),
        2 => {
            let block = octets(random, 0, 60);
            out = Frame::headers(next(), random.between(0, 1) as u8, &block).encode();
        }
        // Calls that are reset at once, whose answers nobody takes, that never end.
        3 => {
            for _ in 0..times {
                let stream = next();
                out.extend(call(stream, number, flag::END_STREAM).encode());
                out.extend(Frame::reset(stream, random.between(0, 13) as u32).encode());
            }
        }
        4 => (0..times).for_each(|_| out.extend(call(next(), number, flag::END_STREAM).encode())),
        5 => {
            for _ in 0..times {
                let stream = next();
                out.extend(call(stream, number, 0).encode());
                out.extend(Frame::data(stream, 0, &octets(random, 0, 2_000)).encode());
            }
        }
        // Small floods.
        6 => (0..200).for_each(|n| out.extend(Frame::ping([n; 8]).encode())),
        7 => (0..random.between(1, 150)).for_each(|_| out.extend(Frame::settings(&[]).encode())),
        8 => {
            let stream = next();
            out.extend(call(stream, number, 0).encode());
            (0..random.between(1, 120))
                .for_each(|_| out.extend(Frame::data(stream, 0, &[]).encode()));
        }
        _ => {
            let stream = next();
            out.extend(Frame::new(kind::HEADERS, 0, stream, &[]).encode());
            for _ in 0..random.between(1, 40) {
                let frame = Frame::continuation(stream, 0, &octets(random, 0, 3));
                out.extend(frame.encode());
            }
        }
    }
    out
}

/// A call that a sidecar forwards.
fn call(stream: u32, number: usize, flags: u8) -> Frame {
    let block = Block::new()
        .literal(":method", "POST")
        .literal(":scheme", "http")
        .literal(":path", "/sim.Echo/Get")
        .literal(":authority", "echo")
        .literal("content-type", "application/grpc")
        .literal("x-request-id", format!("{NAME}-{number}"));
    Frame::headers(stream, flags, block.octets())
}

/// A frame that has the form of one; what it says is chance.
fn any_frame(random: &mut Random) -> Vec<u8> {
    let stream = random.pick(&[0, 1, 1, 2, 3, 5, 1_001, u32::MAX]);
    let payload = octets(random, 0, 24);
    let kind = random.between(0, 11) as u8;
    Frame::new(kind, random.next_u64() as u8, stream, &payload).encode()
}

/// What a mad server says: never something that a client would have to believe.
fn nonsense(random: &mut Random) -> Vec<u8> {
    let stream = random.pick(&[1, 3, 5, 7, 2, 1_001]);
    match random.between(0, 6) {
        0 => octets(random, 9, 100),
        // Pushes nobody asked for, and answers to what nobody asked.
        1 => Frame::new(
            kind::PUSH_PROMISE,
            flag::END_HEADERS,
            stream,
            &[0, 0, 0, 2, 0x88],
        )
        .encode(),
        2 => Frame::data(1_001, flag::END_STREAM, b"nobody asked").encode(),
        // A field block that is none.
        3 => Frame::headers(stream, flag::END_STREAM, &[0xff; 30]).encode(),
        // Malformed as a head and as trailers (RFC 9113 8.2.1).
        4 => {
            let block = Block::new().literal("NO", "status");
            Frame::headers(stream, flag::END_STREAM, block.octets()).encode()
        }
        5 => Frame::reset(stream, random.pick(&[0, 1, 2, 8, 11])).encode(),
        _ => (0..random.between(1, 300))
            .flat_map(|_| Frame::settings(&[]).encode())
            .collect(),
    }
}

fn octets(random: &mut Random, low: usize, high: usize) -> Vec<u8> {
    let count = random.between(low, high);
    (0..count).map(|_| random.next_u64() as u8).collect()
}
