//! The virtual network: links of two pipes, each in order, each with its own delays.
//!
//! Octets of one pipe never overtake each other; those of different links do, because every piece
//! draws its own latency. A pipe holds `room` octets (socket buffers and the path together); a full
//! one makes its writer wait, and a reader that stops reading fills it.

use std::collections::VecDeque;
use std::time::Duration;

use outrider_policy::Tick;

use super::agenda::{Agenda, Event};
use super::plan::NetworkPlan;
use super::random::Random;

/// Pieces that one write arrives in, at most: the rest arrives with the last.
const PIECES_MAX: usize = 4;

/// Who holds an end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Client(usize),
    Sidecar(usize),
    Server(usize),
    /// A client that attacks.
    Hostile(usize),
}

/// What reaches an end.
#[derive(Debug)]
pub(super) enum Arrival {
    Bytes(Vec<u8>),
    /// The other end sends no more.
    Eof,
    /// The connection is gone.
    Reset,
}

/// A connection between two places.
#[derive(Debug)]
pub(super) struct Link {
    /// `[0]` connected to `[1]`.
    pub(super) ends: [Place; 2],
    /// `pipes[end]` carries what `end` sends.
    pipes: [Pipe; 2],
    /// The place at this end still has its socket.
    pub(super) open: [bool; 2],
    reading: [bool; 2],
}

#[derive(Debug, Default)]
struct Pipe {
    in_the_air: VecDeque<Arrival>,
    arrived: VecDeque<Arrival>,
    /// Octets in both queues. Invariant: at most `room`.
    held: usize,
    room: usize,
    last_arrival: Tick,
    /// The writer has sent its end of file.
    finished: bool,
    /// The writer found no room and must be told when there is some.
    starved: bool,
}

/// All links there ever were in one run.
pub(super) struct Network {
    pub(super) links: Vec<Link>,
    plan: NetworkPlan,
    random: Random,
}

impl Network {
    pub(super) fn new(plan: NetworkPlan, random: Random) -> Network {
        Network {
            links: Vec::new(),
            plan,
            random,
        }
    }

    /// How long the next piece takes.
    pub(super) fn latency(&mut self) -> Duration {
        let most = self.plan.latency_micros_max;
        self.random.micros(most / 10, most)
    }

    /// A link whose ends are not connected yet.
    pub(super) fn link(&mut self, ends: [Place; 2]) -> usize {
        let pipe = |room| Pipe {
            room,
            ..Pipe::default()
        };
        self.links.push(Link {
            ends,
            pipes: [pipe(self.plan.room), pipe(self.plan.room)],
            open: [true, false],
            reading: [true, true],
        });
        self.links.len() - 1
    }

    /// The accepting end has its socket; nothing it sends arrives before `established`.
    pub(super) fn accept(&mut self, link: usize, established: Tick) {
        let link = &mut self.links[link];
        link.open[1] = true;
        link.pipes[1].last_arrival = established;
    }

    /// Takes what fits of `bytes` and plans its arrival. Returns how much.
    pub(super) fn send(
        &mut self,
        agenda: &mut Agenda,
        now: Tick,
        (link, from): (usize, usize),
        bytes: &[u8],
    ) -> usize {
        let pipe = &mut self.links[link].pipes[from];
        if pipe.finished {
            return bytes.len();
        }
        let count = bytes.len().min(pipe.room - pipe.held);
        pipe.starved = count < bytes.len();
        let mut rest = &bytes[..count];
        for piece in 1..=PIECES_MAX {
            if rest.is_empty() {
                break;
            }
            let size = if piece == PIECES_MAX {
                rest.len()
            } else {
                self.piece_size(rest.len())
            };
            let (piece, after) = rest.split_at(size);
            rest = after;
            self.push(agenda, now, (link, from), Arrival::Bytes(piece.to_vec()));
        }
        count
    }

    fn piece_size(&mut self, left: usize) -> usize {
        if !self.random.chance(self.plan.split_percent) {
            return left;
        }
        let most = self.random.pick(&[1, 9, 30, 1_000, 20_000]);
        self.random.between(1, left.min(most))
    }

    fn push(
        &mut self,
        agenda: &mut Agenda,
        now: Tick,
        (link, from): (usize, usize),
        arrival: Arrival,
    ) {
        let latency = self.latency();
        let pipe = &mut self.links[link].pipes[from];
        if let Arrival::Bytes(bytes) = &arrival {
            pipe.held += bytes.len();
        }
        pipe.last_arrival = pipe.last_arrival.max(now + latency);
        pipe.in_the_air.push_back(arrival);
        agenda.plan(pipe.last_arrival, Event::Arrive { link, from });
    }

    /// One piece has crossed the network.
    pub(super) fn land(&mut self, link: usize, from: usize) {
        let pipe = &mut self.links[link].pipes[from];
        // Nothing is in the air when a reset overtook it.
        if let Some(arrival) = pipe.in_the_air.pop_front() {
            pipe.arrived.push_back(arrival);
        }
    }

    /// What `end` reads next, if it reads.
    pub(super) fn take(&mut self, link: usize, end: usize) -> Option<Arrival> {
        let link = &mut self.links[link];
        let pipe = &mut link.pipes[1 - end];
        // A reset is noticed without reading.
        let noticed = link.reading[end] || matches!(pipe.arrived.front(), Some(Arrival::Reset));
        if !link.open[end] || !noticed {
            return None;
        }
        let arrival = pipe.arrived.pop_front()?;
        if let Arrival::Bytes(bytes) = &arrival {
            pipe.held -= bytes.len();
        }
        Some(arrival)
    }

    /// Was a writer left without room that there is now? Like a socket, only a pipe that is half
    /// empty says so.
    pub(super) fn take_starved(&mut self, link: usize, from: usize) -> bool {
        let link = &mut self.links[link];
        let pipe = &mut link.pipes[from];
        link.open[from] && pipe.held <= pipe.room / 2 && std::mem::take(&mut pipe.starved)
    }

    pub(super) fn set_reading(&mut self, link: usize, end: usize, on: bool) {
        self.links[link].reading[end] = on;
    }

    /// `end` sends no more but may go on reading.
    pub(super) fn finish(&mut self, agenda: &mut Agenda, now: Tick, link: usize, end: usize) {
        if !self.links[link].pipes[end].finished {
            self.links[link].pipes[end].finished = true;
            self.push(agenda, now, (link, end), Arrival::Eof);
        }
    }

    /// `end` closes its socket: what it sent still arrives, what it has not read is gone.
    pub(super) fn close(&mut self, agenda: &mut Agenda, now: Tick, link: usize, end: usize) {
        if !self.links[link].open[end] {
            return;
        }
        self.links[link].open[end] = false;
        self.finish(agenda, now, link, end);
        let toward = &mut self.links[link].pipes[1 - end];
        toward.finished = true;
        toward.held = 0;
        toward.arrived.clear();
        toward.in_the_air.clear();
    }

    /// The connection breaks: whatever has not arrived is lost, both ends are told.
    pub(super) fn reset(&mut self, agenda: &mut Agenda, now: Tick, link: usize) {
        for from in [0, 1] {
            let pipe = &mut self.links[link].pipes[from];
            pipe.in_the_air.clear();
            pipe.arrived.clear();
            pipe.held = 0;
            pipe.finished = true;
            self.push(agenda, now, (link, from), Arrival::Reset);
        }
    }
}
