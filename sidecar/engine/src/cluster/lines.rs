//! Calls in line for a cluster, and the one place that lets them go on.
//!
//! A line keeps the order in which calls first had to wait. Events never let a call go themselves: a
//! stream that ends, SETTINGS that rise, a connection that is ready or lost, new configuration only
//! say that a line is *due*. At the end of the turn the due lines are served: the first in line goes
//! on, then the next, until one finds no room, so waking costs as much as there is to wake, however
//! many wait. An endpoint that returns makes no event, it is a matter of time: so lines in which
//! calls stand are served every [`LOOK`] too.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU64;
use std::rc::Rc;
use std::time::Duration;

use crate::cluster::{ClusterState, EndpointState, Load};
use crate::engine::Engine;
use crate::ids::{CallId, ConnectionId};
use crate::timers::{Timer, TimerKey};

/// How often lines in which calls stand are looked at though nothing happened. Also how often one
/// call tries whether its cluster can be reached again.
const LOOK: Duration = Duration::from_millis(100);

/// A call's place in every line: drawn when it first has to wait, and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(NonZeroU64);

/// Calls in line, the first first.
#[derive(Debug, Default)]
pub(crate) struct Line(RefCell<BTreeMap<Ticket, CallId>>);

impl Line {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    pub(crate) fn join(&self, ticket: Ticket, call: CallId) {
        self.0.borrow_mut().insert(ticket, call);
    }

    pub(crate) fn leave(&self, ticket: Ticket) {
        self.0.borrow_mut().remove(&ticket);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    fn first(&self) -> Option<CallId> {
        self.0.borrow().values().next().copied()
    }

    fn all(&self) -> Vec<CallId> {
        self.0.borrow().values().copied().collect()
    }
}

/// The two lines of a cluster.
#[derive(Debug, Default)]
pub(crate) struct ClusterLines {
    /// For a stream, or for a first endpoint. Who comes later stands behind.
    pub(crate) room: Line,
    /// Until an endpoint can be reached. Who comes later and may not wait so long is not held up.
    pub(crate) ready: Line,
    /// Listed as due.
    is_due: Cell<bool>,
}

impl ClusterLines {
    fn are_empty(&self) -> bool {
        self.room.is_empty() && self.ready.is_empty()
    }

    /// Empties them, after a panic.
    pub(crate) fn clear(&self) {
        self.room.0.borrow_mut().clear();
        self.ready.0.borrow_mut().clear();
        self.is_due.set(false);
    }
}

/// All lines of an engine.
#[derive(Default)]
pub(crate) struct Lines {
    drawn: u64,
    /// Clusters with a call in line.
    open: Vec<Rc<Load>>,
    /// Clusters whose line is to be served before the turn ends.
    due: VecDeque<Rc<Load>>,
    /// Armed while a line is open.
    timer: Option<TimerKey>,
}

impl Lines {
    pub(crate) fn draw(&mut self) -> Ticket {
        self.drawn += 1;
        Ticket(NonZeroU64::MIN.saturating_add(self.drawn))
    }

    pub(crate) fn are_due(&self) -> bool {
        !self.due.is_empty()
    }
}

impl Engine {
    /// A call is in one of the cluster's lines.
    pub(crate) fn open_lines(&mut self, load: &Rc<Load>) {
        let known = &mut self.lines.open;
        if !known.iter().any(|open| Rc::ptr_eq(open, load)) {
            known.push(Rc::clone(load));
        }
        if self.lines.timer.is_none() {
            self.lines.timer = Some(self.timers.arm(self.now + LOOK, Timer::Lines));
        }
    }

    /// A call has left one of the cluster's lines.
    pub(crate) fn close_lines(&mut self, load: &Rc<Load>) {
        if !load.lines.are_empty() {
            return;
        }
        self.lines.open.retain(|open| !Rc::ptr_eq(open, load));
        if self.lines.open.is_empty()
            && let Some(timer) = self.lines.timer.take()
        {
            self.timers.cancel(timer);
        }
    }

    /// The cluster's line may move.
    pub(crate) fn line_is_due(&mut self, load: &Rc<Load>) {
        if !load.lines.room.is_empty() && !load.lines.is_due.replace(true) {
            self.lines.due.push_back(Rc::clone(load));
        }
    }

    /// An endpoint that was full may have room.
    pub(crate) fn room_at(&mut self, endpoint: &EndpointState, load: &Rc<Load>) {
        if endpoint.note_room() {
            self.line_is_due(load);
        }
    }

    /// The same, of the endpoint behind this connection.
    pub(crate) fn room_behind(&mut self, id: ConnectionId) {
        let upstream = self.connection(id).and_then(|found| found.upstream());
        let Some(upstream) = upstream.filter(|upstream| upstream.endpoint.was_full()) else {
            return;
        };
        let (endpoint, load) = (
            Rc::clone(&upstream.endpoint),
            Rc::clone(&upstream.cluster.load),
        );
        self.room_at(&endpoint, &load);
    }

    /// The cluster can be reached: who waited for that stands in line for a stream.
    pub(crate) fn reached(&mut self, cluster: &ClusterState) {
        if cluster.load.lines.ready.is_empty() {
            return;
        }
        for id in cluster.load.lines.ready.all() {
            self.for_call(id, |engine| engine.wait_for_room(id));
        }
        self.line_is_due(&cluster.load);
    }

    /// Under new configuration there may be room everywhere, and endpoints to reach; or no such
    /// cluster.
    pub(crate) fn configured_lines(&mut self) {
        for load in self.lines.open.clone() {
            for id in load.lines.ready.all() {
                self.for_call(id, |engine| engine.rejoin_line(id));
            }
            self.probe(&load);
            self.line_is_due(&load);
        }
    }

    /// Serves every line that is due.
    pub(crate) fn serve_lines(&mut self) {
        while let Some(load) = self.lines.due.pop_front() {
            load.lines.is_due.set(false);
            self.serve(&load);
        }
    }

    fn serve(&mut self, load: &Load) {
        while let Some(first) = load.lines.room.first() {
            self.for_call(first, |engine| engine.resume(first));
            // A call that is still first has found no room; those behind would not either.
            if load.lines.room.first() == Some(first) {
                return;
            }
        }
    }

    /// Nothing may have happened, but time has passed.
    pub(crate) fn recheck_lines(&mut self) {
        self.lines.timer = None;
        for load in self.lines.open.clone() {
            self.probe(&load);
            self.line_is_due(&load);
        }
        if !self.lines.open.is_empty() && self.lines.timer.is_none() {
            self.lines.timer = Some(self.timers.arm(self.now + LOOK, Timer::Lines));
        }
    }

    /// The first call that waits for an endpoint to be reached tries whether one can.
    fn probe(&mut self, load: &Load) {
        if let Some(first) = load.lines.ready.first() {
            self.for_call(first, |engine| engine.resume(first));
        }
    }

    /// Closes all lines; their calls join again. After a panic, when the timer is gone.
    pub(crate) fn forget_lines(&mut self) {
        self.lines.timer = None;
        self.lines.due.clear();
        self.lines.open.clear();
    }
}
