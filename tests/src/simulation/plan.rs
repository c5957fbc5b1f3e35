//! What a seed wants: how many of everything, which calls, which weather, which troubles.
//!
//! Everything that can be drawn before the first event is drawn here; what a server answers is
//! drawn when it is asked (`script.rs`).

use std::time::Duration;

use outrider_policy::Tick;

use super::certificates::Change;
use super::hostile::Hostile;
use super::oddity::Oddity;
use super::panics::Bug;
use super::random::Random;
use super::strain::Strain;

/// One run, as drawn from its seed.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) clients: usize,
    /// Inbound sidecars, each with its own server.
    pub(super) endpoints: usize,
    pub(super) calls: Vec<CallPlan>,
    pub(super) faults: Vec<(Tick, Fault)>,
    pub(super) network: NetworkPlan,
    pub(super) servers: ServerPlan,
    pub(super) rules: RulesPlan,
    pub(super) limits: LimitsPlan,
    /// How long it takes until the last call begins.
    pub(super) span: Duration,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct NetworkPlan {
    /// Longest time for a piece to cross a link. Microseconds.
    pub(super) latency_micros_max: usize,
    /// Octets a pipe holds.
    pub(super) room: usize,
    /// Share of writes that arrive in pieces.
    pub(super) split_percent: usize,
    /// Share of connection attempts that are refused.
    pub(super) refused_percent: usize,
    /// Share of connection attempts that nobody answers.
    pub(super) silent_percent: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ServerPlan {
    /// Share of exchanges that do not simply go well.
    pub(super) trouble_percent: usize,
    pub(super) streams_max: Option<u32>,
    pub(super) window: u32,
    /// What the stream windows of all servers and clients may grow by in sum. Octets.
    pub(super) growth: usize,
    /// Longest time a server thinks. Milliseconds.
    pub(super) think_millis_max: usize,
}

/// What the operator configured.
#[derive(Clone, Copy, Debug)]
pub(super) struct RulesPlan {
    /// Of unary methods.
    pub(super) timeout: Option<Duration>,
    /// Of unary methods.
    pub(super) per_try_timeout: Option<Duration>,
    pub(super) attempts_max: u8,
    pub(super) calls: u32,
    pub(super) waiting: u32,
    pub(super) wait_for_ready: Option<Duration>,
    pub(super) ejection: bool,
    pub(super) breaker: bool,
}

/// Settings of every sidecar.
#[derive(Clone, Copy, Debug)]
pub(super) struct LimitsPlan {
    pub(super) outbound_streams_max: u32,
    pub(super) inbound_streams_max: u32,
    pub(super) window_growth_bytes: usize,
    pub(super) replay_bytes_max: usize,
}

/// The methods of the simulated service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// Unary, idempotent.
    Get,
    /// Unary, to be done once at most.
    Put,
    /// Client streaming, to be done once at most.
    Upload,
    /// Server streaming, idempotent.
    Watch,
    /// Bidirectional, to be done once at most.
    Chat,
    /// Plain HTTP/2, to be done once at most.
    Fetch,
}

impl Method {
    pub(super) const ALL: [Method; 6] = [
        Method::Get,
        Method::Put,
        Method::Upload,
        Method::Watch,
        Method::Chat,
        Method::Fetch,
    ];

    pub(super) fn path(self) -> &'static str {
        match self {
            Method::Get => "/sim.Echo/Get",
            Method::Put => "/sim.Echo/Put",
            Method::Upload => "/sim.Echo/Upload",
            Method::Watch => "/sim.Echo/Watch",
            Method::Chat => "/sim.Echo/Chat",
            Method::Fetch => "/files/fetch?all=1",
        }
    }

    pub(super) fn is_grpc(self) -> bool {
        self != Method::Fetch
    }

    pub(super) fn is_unary(self) -> bool {
        matches!(self, Method::Get | Method::Put)
    }

    pub(super) fn is_idempotent(self) -> bool {
        matches!(self, Method::Get | Method::Watch)
    }
}

/// One call as its client means to make it.
#[derive(Clone, Debug)]
pub(super) struct CallPlan {
    pub(super) client: usize,
    pub(super) begin: Tick,
    pub(super) method: Method,
    pub(super) oddity: Oddity,
    /// Pieces of the request body: wait so long, then send so many octets.
    pub(super) request: Vec<(Duration, usize)>,
    /// Ends its request with trailers (plain HTTP/2 only).
    pub(super) trailers: bool,
    pub(super) timeout: Option<Duration>,
    /// Gives up this long after its beginning.
    pub(super) cancel_after: Option<Duration>,
    pub(super) reader: Reader,
}

impl CallPlan {
    pub(super) fn request_octets(&self) -> usize {
        self.request.iter().map(|(_, octets)| octets).sum()
    }

    /// It ends by itself whatever the others do.
    pub(super) fn has_an_end(&self) -> bool {
        self.timeout.is_some() || self.cancel_after.is_some()
    }
}

/// How somebody takes the octets that were sent to him.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// At once.
    Prompt,
    /// Each piece after a while.
    Slow(Duration),
}

impl Reader {
    pub(super) fn draw(random: &mut Random) -> Reader {
        match random.between(0, 9) {
            0 => Reader::Slow(random.millis(1, 20)),
            1 => Reader::Slow(random.millis(100, 900)),
            _ => Reader::Prompt,
        }
    }
}

/// Trouble that comes by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The network breaks some open link.
    ResetLink(u64),
    /// A client or a server stops sending on some open link, and goes on reading.
    HalfClose(u64),
    /// A server dies with all its connections.
    Kill(usize),
    /// It is back.
    Revive(usize),
    /// A server tells its connections to go away; the second step follows after the span.
    Goaway(usize, Duration),
    /// New configuration: other weights, other endpoints.
    Configure(u64),
    /// All endpoints leave one cluster or both.
    Starve(u64),
    /// The service leaves; `true`: for absent, not only for unknown.
    Withdraw(bool),
    /// An inbound sidecar is told to stop within the span.
    Drain(usize, Duration),
    /// A peer presses on a sidecar by legal means.
    Strain(Strain),
    /// A peer attacks a sidecar.
    Hostile(Hostile),
    /// Something happens to a sidecar's certificate.
    Certificate(usize, Change),
    /// A sidecar has a bug.
    Panic(Bug),
}

impl Plan {
    pub(super) fn draw(random: &mut Random) -> Plan {
        let calm = random.chance(25);
        let clients = random.between(1, 3);
        let endpoints = random.between(2, 3);
        // Now and then a crowd, all at once: more than one connection takes or may wait for.
        let crowd = random.chance(3);
        let (count, span) = if crowd {
            (random.between(200, 400), random.millis(1, 50))
        } else {
            (random.between(10, 60), random.millis(50, 3_000))
        };
        let network = network(random, calm);
        let calls = (0..count)
            .map(|_| call(random, clients, span, calm))
            .collect();
        let faults = if calm {
            Vec::new()
        } else {
            faults(random, endpoints, span)
        };
        Plan {
            clients,
            endpoints,
            calls,
            faults,
            network,
            servers: servers(random),
            rules: rules(random, calm),
            limits: limits(random),
            span,
        }
    }
}

fn network(random: &mut Random, calm: bool) -> NetworkPlan {
    let rough = |random: &mut Random, most| {
        if calm || random.chance(50) {
            0
        } else {
            random.between(1, most)
        }
    };
    NetworkPlan {
        latency_micros_max: random.pick(&[100, 1_000, 5_000, 20_000]),
        room: random.pick(&[4_000, 40_000, 200_000, 200_000]),
        split_percent: random.pick(&[0, 10, 50]),
        refused_percent: rough(random, 30),
        silent_percent: rough(random, 10),
    }
}

fn servers(random: &mut Random) -> ServerPlan {
    ServerPlan {
        trouble_percent: random.pick(&[0, 10, 30, 70]),
        streams_max: random.pick(&[None, Some(100), Some(1), Some(3)]),
        window: random.pick(&[65_535, 65_535, 1 << 20]),
        growth: random.pick(&[8 << 20, 0]),
        think_millis_max: random.pick(&[1, 10, 100]),
    }
}

fn rules(random: &mut Random, calm: bool) -> RulesPlan {
    let timeout = random.chance(30).then(|| random.millis(50, 2_000));
    let per_try_timeout = random.chance(20).then(|| random.millis(20, 300));
    RulesPlan {
        timeout,
        per_try_timeout: per_try_timeout.filter(|one| timeout.is_none_or(|whole| *one <= whole)),
        attempts_max: random.between(1, 4) as u8,
        calls: if calm || random.chance(80) { 10_000 } else { 5 },
        waiting: 10_000,
        wait_for_ready: None,
        ejection: random.chance(30),
        breaker: random.chance(80),
    }
}

fn limits(random: &mut Random) -> LimitsPlan {
    LimitsPlan {
        outbound_streams_max: random.pick(&[8_000, 1_024, 4]),
        inbound_streams_max: random.pick(&[1_000, 1, 3]),
        window_growth_bytes: random.pick(&[8 << 20, 200_000, 0]),
        replay_bytes_max: random.pick(&[8 << 20, 8 << 20, 30_000, 0]),
    }
}

fn call(random: &mut Random, clients: usize, span: Duration, calm: bool) -> CallPlan {
    let method = random.pick(&Method::ALL);
    let given = if calm { 10 } else { 30 };
    let timeout = method.is_grpc() && random.chance(given);
    CallPlan {
        client: random.between(0, clients - 1),
        begin: Tick::ZERO + random.micros(0, span.as_micros() as usize),
        method,
        oddity: Oddity::draw(random, method),
        request: request(random, method),
        trailers: method == Method::Fetch && random.chance(20),
        timeout: timeout.then(|| random.millis(1, 1_500)),
        cancel_after: random.chance(given / 3).then(|| random.millis(0, 500)),
        reader: Reader::draw(random),
    }
}

fn request(random: &mut Random, method: Method) -> Vec<(Duration, usize)> {
    let (pieces, gap) = match method {
        Method::Get | Method::Put | Method::Watch => (1, 0),
        Method::Upload | Method::Chat => (random.between(0, 12), 30),
        Method::Fetch => (random.between(0, 3), 5),
    };
    (0..pieces)
        .map(|_| (random.millis(0, gap), body_octets(random)))
        .collect()
}

/// Mostly small, now and then more than any window.
pub(super) fn body_octets(random: &mut Random) -> usize {
    match random.between(0, 19) {
        0 => 0,
        1..=12 => random.between(1, 300),
        13..=17 => random.between(300, 20_000),
        18 => random.between(60_000, 70_000),
        _ => random.between(100_000, 400_000),
    }
}

fn faults(random: &mut Random, endpoints: usize, span: Duration) -> Vec<(Tick, Fault)> {
    let mut faults = Vec::new();
    let mut drained = false;
    for _ in 0..random.between(0, 8) {
        let at = Tick::ZERO + random.micros(0, span.as_micros() as usize);
        let server = random.between(0, endpoints - 1);
        match random.between(0, 7) {
            0 | 1 => faults.push((at, Fault::ResetLink(random.next_u64()))),
            2 => faults.push((at, Fault::HalfClose(random.next_u64()))),
            3 => {
                faults.push((at, Fault::Kill(server)));
                faults.push((at + random.millis(1, 1_000), Fault::Revive(server)));
            }
            4 => faults.push((at, Fault::Goaway(server, random.millis(0, 50)))),
            5 | 6 => faults.push((at, Fault::Configure(random.next_u64()))),
            _ if drained => {}
            _ => {
                drained = true;
                faults.push((at, Fault::Drain(server, random.millis(0, 2_000))));
            }
        }
    }
    faults
}
