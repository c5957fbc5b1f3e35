//! Pressure by legal means: windows closed and opened again, stream limits of 0 and back, GOAWAY with
//! any last stream at any moment.
//!
//! The peers' own HTTP/2 would not say such things, so their frames are slipped in between its
//! frames; it does not notice, because all of them concern only what the sidecar may send. Nothing
//! here excuses a lost call: a sidecar that waits, or goes elsewhere, loses none. Drawn apart from
//! the rest, as `discovery.rs` is.

use std::time::Duration;

use outrider_http2::StreamId;
use outrider_policy::Tick;

use super::call::DeliveryEnd;
use super::network::Network;
use super::plan::Fault;
use super::random::Random;
use super::world::World;
use crate::raw::{Frame, setting};

/// Sets its draws apart from the rest of the plan.
const APART: u64 = 0x57a1_0000_0003_0000;

/// The last stream of a GOAWAY that refuses none (RFC 9113 6.8).
const LAST_OF_ALL: u32 = (1 << 31) - 1;

/// What clients say of their windows when they open them again.
const CLIENT_WINDOW: u32 = 65_535;

/// "No limit" of streams, as a setting.
const MANY: u32 = 1_000;

/// One act of pressure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strain {
    /// A server's new windows for streams have this many octets, the open ones move with them.
    ServerWindow(usize, u32),
    /// The same of a client.
    ClientWindow(usize, u32),
    /// A server takes so many streams at once on the connections it has now.
    StreamsMax(usize, u32),
    /// A server says GOAWAY: with no last stream (0), with the highest (1), or with one between.
    Goaway(usize, u64),
}

/// Octets that go out between two frames.
#[derive(Debug, Default)]
pub(super) struct Slip {
    bytes: Vec<u8>,
    /// Part of it is out: nothing may come between.
    begun: bool,
}

impl Slip {
    fn add(&mut self, frame: &Frame) {
        self.bytes.extend(frame.encode());
    }

    /// Is it its turn, before `output`?
    fn is_next(&self, output: &[u8]) -> bool {
        !self.bytes.is_empty() && (self.begun || output.is_empty())
    }

    /// Sends from it or from `http2`, whole frames in order, until the pipe is full. `agenda` and
    /// the like are the world's.
    pub(super) fn send(
        &mut self,
        http2: &mut outrider_http2::Connection,
        mut send: impl FnMut(&[u8]) -> usize,
    ) {
        loop {
            let mine = self.is_next(http2.output());
            let from = match mine {
                true => &self.bytes[..],
                false => http2.output(),
            };
            if from.is_empty() {
                return;
            }
            let count = send(from);
            if count == 0 {
                return;
            }
            if mine {
                self.bytes.drain(..count);
                self.begun = !self.bytes.is_empty();
            } else {
                http2.written(count);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// The pressure of a run: none in most.
pub(super) fn faults(seed: u64, plan: &super::plan::Plan) -> Vec<(Tick, Fault)> {
    let mut random = Random::new(seed ^ APART);
    if !random.chance(30) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    let span = plan.span;
    for _ in 0..random.between(1, 6) {
        let at = Tick::ZERO + random.micros(0, span.as_micros() as usize);
        let server = random.between(0, plan.endpoints - 1);
        let client = random.between(0, plan.clients - 1);
        let again = at + late(&mut random);
        match random.between(0, 5) {
            0 => {
                let narrow = random.pick(&[0, 0, 1, 100]);
                faults.push((at, Strain::ServerWindow(server, narrow)));
                faults.push((again, Strain::ServerWindow(server, plan.servers.window)));
            }
            1 => {
                let narrow = random.pick(&[0, 0, 1, 100]);
                faults.push((at, Strain::ClientWindow(client, narrow)));
                faults.push((again, Strain::ClientWindow(client, CLIENT_WINDOW)));
            }
            2 => {
                let most = plan.servers.streams_max.unwrap_or(MANY);
                faults.push((at, Strain::StreamsMax(server, random.between(0, 1) as u32)));
                faults.push((again, Strain::StreamsMax(server, most)));
            }
            _ => faults.push((at, Strain::Goaway(server, random.next_u64()))),
        }
    }
    faults
        .into_iter()
        .map(|(at, strain)| (at, Fault::Strain(strain)))
        .collect()
}

fn late(random: &mut Random) -> Duration {
    let most = random.pick(&[1, 50, 500, 3_000]);
    random.millis(0, most)
}

impl World {
    pub(super) fn strain(&mut self, strain: Strain) {
        match strain {
            Strain::ServerWindow(server, octets) => {
                let window = [(setting::INITIAL_WINDOW_SIZE, octets)];
                self.slip_to_all(server, &Frame::settings(&window));
            }
            Strain::StreamsMax(server, most) => {
                self.is_squeezed = true;
                let streams = [(setting::MAX_CONCURRENT_STREAMS, most)];
                self.slip_to_all(server, &Frame::settings(&streams));
            }
            Strain::ClientWindow(client, octets) => {
                let window = [(setting::INITIAL_WINDOW_SIZE, octets)];
                let frame = Frame::settings(&window);
                self.clients[client].was_narrow = true;
                let links: Vec<_> = self.clients[client].connections.keys().copied().collect();
                for link in links {
                    if let Some(connection) = self.clients[client].connections.get_mut(&link) {
                        connection.slip.add(&frame);
                    }
                    self.flush_client(client, link);
                }
            }
            Strain::Goaway(server, choice) => {
                let links: Vec<_> = self.servers[server].connections.keys().copied().collect();
                for link in links {
                    self.leave_at(server, link, choice);
                }
            }
        }
    }

    fn slip_to_all(&mut self, server: usize, frame: &Frame) {
        let links: Vec<_> = self.servers[server].connections.keys().copied().collect();
        for link in links {
            self.slip(server, link, frame);
        }
    }

    fn slip(&mut self, server: usize, link: usize, frame: &Frame) {
        if let Some(connection) = self.servers[server].connections.get_mut(&link)
            && connection.http2.has_sent_settings()
        {
            connection.slip.add(frame);
        }
        self.flush_server(server, link);
    }

    /// The server goes away and names a last stream: what is above it was not and will not be
    /// processed. It may only name one above which nothing was answered.
    fn leave_at(&mut self, server: usize, link: usize, choice: u64) {
        let Some(connection) = self.servers[server].connections.get(&link) else {
            return;
        };
        // It speaks when it was spoken to: SETTINGS are its first frame.
        if connection.last.is_some() || !connection.http2.has_sent_settings() {
            return;
        }
        let untouched: Vec<StreamId> = connection
            .exchanges
            .iter()
            .filter(|(_, exchange)| {
                let delivery = &self.calls[exchange.call].deliveries[exchange.delivery];
                delivery.status.is_none() && delivery.interims == 0
            })
            .map(|(stream, _)| *stream)
            .filter(|stream| stream.value() > connection.begun_max)
            .collect();
        let lasts = 2 + untouched.len() as u64;
        let last = match choice % lasts {
            0 => connection.begun_max,
            1 => LAST_OF_ALL,
            n => untouched[n as usize - 2].value(),
        };
        self.note(|_| format!("server {server}: GOAWAY {last} on link {link}"));
        self.left_links += 1;
        for stream in untouched.into_iter().filter(|stream| stream.value() > last) {
            let refused = DeliveryEnd::Reset(outrider_http2::ErrorCode::RefusedStream);
            self.exchange_over(server, (link, stream), refused);
        }
        if let Some(connection) = self.servers[server].connections.get_mut(&link) {
            connection.last = Some(last);
        }
        self.slip(server, link, &Frame::goaway(last, 0));
    }

    /// A head that came behind a GOAWAY that does not name it: nobody looks at it.
    pub(super) fn is_ignored(&self, server: usize, (link, stream): (usize, StreamId)) -> bool {
        let connection = self.servers[server].connections.get(&link);
        connection
            .and_then(|connection| connection.last)
            .is_some_and(|last| stream.value() > last)
    }
}

/// Gives octets of one end to the network.
pub(super) fn to_network<'n>(
    network: &'n mut Network,
    agenda: &'n mut super::agenda::Agenda,
    now: Tick,
    at: (usize, usize),
) -> impl FnMut(&[u8]) -> usize + 'n {
    move |bytes| network.send(agenda, now, at, bytes)
}
