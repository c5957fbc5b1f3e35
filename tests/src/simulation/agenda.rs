//! What will happen, in the order of virtual time; equal times in the order they were planned.

use std::collections::BTreeMap;

use outrider_http2::StreamId;
use outrider_policy::Tick;

use super::discovery::Word;
use super::hostile::HostileStep;
use super::plan::Fault;

/// One thing that will happen.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// The next piece of what end `from` sent reaches the other end's socket.
    Arrive { link: usize, from: usize },
    /// A connection attempt reaches the end that listens.
    Knock { link: usize },
    /// The end that connects learns that it is connected.
    Established { link: usize },
    /// A connection attempt is refused.
    Refused { link: usize },
    /// A sidecar's `wake_at`.
    Wake { sidecar: usize },
    /// The client of a call does its next thing.
    Call { call: usize, step: CallStep },
    /// The server does its next thing on a stream.
    Exchange {
        link: usize,
        stream: StreamId,
        step: ExchangeStep,
    },
    /// The caller's sidecar is told what there is.
    Tell(Word),
    /// A hostile peer does its next thing.
    Hostile(HostileStep),
    /// Trouble.
    Fault(Fault),
    /// The second step of a server's GOAWAY.
    LastGoaway { server: usize },
}

/// What the client of a call does by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallStep {
    /// Opens the stream.
    Begin,
    /// Sends the next part of the body.
    Feed,
    /// Resets the stream.
    Cancel,
    /// Takes octets it left lying.
    Credit(usize),
    /// Nobody waits this long: if the call still runs, it hangs.
    Patience,
}

/// What a server does by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExchangeStep {
    /// The next step of its script.
    Script,
    /// Takes octets it left lying.
    Credit(usize),
}

/// The queue of events.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    events: BTreeMap<(Tick, u64), Event>,
    planned: u64,
}

impl Agenda {
    pub(super) fn plan(&mut self, at: Tick, event: Event) {
        self.planned += 1;
        self.events.insert((at, self.planned), event);
    }

    pub(super) fn pop(&mut self) -> Option<(Tick, Event)> {
        let ((at, _), event) = self.events.pop_first()?;
        Some((at, event))
    }
}
