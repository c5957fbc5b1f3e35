//! The timer queue: what may fire, and when next.
//!
//! A binary heap whose entries know their place, so a cancelled timer is removed at once: entries are
//! bounded by live calls and connections, never by calls per second times timeout.

use crate::ids::{CallId, ConnectionId, Scope};
use outrider_policy::Tick;
use slab::Slab;

/// Everything in the engine that can become due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A call's absolute deadline.
    Deadline(CallId),
    /// The running attempt's share of it (`perTryTimeout`).
    PerTry(CallId),
    /// The wait before the next attempt.
    BackOff(CallId),
    /// A call's wait has had its time.
    WaitOver(CallId),
    /// Lines in which calls stand are looked at.
    Lines,
    /// An upstream connection is not usable in time (TCP and TLS handshake).
    Connect(ConnectionId),
    /// A downstream connection has not finished its TLS handshake or HTTP/2 preface in time.
    Handshake(ConnectionId),
    /// The second GOAWAY of a two-step drain.
    FinalGoaway(ConnectionId),
    /// The peer's connection window made no progress.
    Blocked(ConnectionId),
    /// Small pieces of requests have waited for more.
    Gather(ConnectionId),
    /// The next look after a connection: is its peer there, is it idle, too old, stalled?
    Maintain(ConnectionId),
    /// A header block, or another frame, takes too long.
    Block(ConnectionId),
    /// A drain's time is over.
    DrainOver,
    /// In a drain: the application may be gone, not only between two connections.
    DrainPause,
    /// A connection that only has a GOAWAY left to flush.
    Linger(ConnectionId),
}

impl Timer {
    /// Whose event it is when it fires.
    pub(crate) fn scope(self) -> Scope {
        match self {
            Timer::Deadline(id) | Timer::PerTry(id) | Timer::BackOff(id) | Timer::WaitOver(id) => {
                Scope::Call(id)
            }
            Timer::Connect(id)
            | Timer::Handshake(id)
            | Timer::FinalGoaway(id)
            | Timer::Blocked(id)
            | Timer::Gather(id)
            | Timer::Maintain(id)
            | Timer::Block(id)
            | Timer::Linger(id) => Scope::Connection(id),
            Timer::DrainOver | Timer::DrainPause | Timer::Lines => Scope::None,
        }
    }
}

/// Names an armed timer, for [`Timers::cancel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerKey(u32);

#[derive(Debug)]
struct Entry {
    due: Tick,
    // Ties fire in the order they were armed, so that a seed replays exactly.
    order: u64,
    timer: Timer,
    place: usize,
}

/// Armed timers, earliest first.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    entries: Slab<Entry>,
    heap: Vec<u32>,
    armed: u64,
}

impl Timers {
    /// Arms `timer` for `due`.
    pub(crate) fn arm(&mut self, due: Tick, timer: Timer) -> TimerKey {
        self.armed += 1;
        let place = self.heap.len();
        let key = self.entries.insert(Entry {
            due,
            order: self.armed,
            timer,
            place,
        });
        self.heap.push(key as u32);
        self.sift_up(place);
        TimerKey(key as u32)
    }

    /// Removes a timer that has not fired. The caller owns the key and gives it up.
    pub(crate) fn cancel(&mut self, key: TimerKey) {
        if let Some(entry) = self.entries.try_remove(key.0 as usize) {
            self.remove_place(entry.place);
        }
    }

    /// The earliest timer due at `now`, disarmed.
    pub(crate) fn pop_due(&mut self, now: Tick) -> Option<Timer> {
        if self.next_due()? > now {
            return None;
        }
        let entry = self.entries.try_remove(self.heap[0] as usize)?;
        self.remove_place(entry.place);
        Some(entry.timer)
    }

    /// Disarms every timer that `keep` does not want.
    pub(crate) fn retain(&mut self, keep: impl Fn(TimerKey, Timer) -> bool) {
        let unwanted = |(key, entry): (usize, &Entry)| {
            let key = TimerKey(key as u32);
            (!keep(key, entry.timer)).then_some(key)
        };
        let unwanted: Vec<_> = self.entries.iter().filter_map(unwanted).collect();
        for key in unwanted {
            self.cancel(key);
        }
    }

    /// When the earliest timer is due.
    pub(crate) fn next_due(&self) -> Option<Tick> {
        let first = *self.heap.first()?;
        self.entries.get(first as usize).map(|entry| entry.due)
    }

    /// Timers armed.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    fn remove_place(&mut self, place: usize) {
        self.heap.swap_remove(place);
        if place < self.heap.len() {
            self.note_place(place);
            self.sift_up(place);
            self.sift_down(place);
        }
    }

    fn rank(&self, place: usize) -> (Tick, u64) {
        let entry = &self.entries[self.heap[place] as usize];
        (entry.due, entry.order)
    }

    fn note_place(&mut self, place: usize) {
        self.entries[self.heap[place] as usize].place = place;
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.note_place(a);
        self.note_place(b);
    }

    fn sift_up(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.rank(parent) <= self.rank(place) {
                return;
            }
            self.swap(parent, place);
            place = parent;
        }
    }

    fn sift_down(&mut self, mut place: usize) {
        loop {
            let left = 2 * place + 1;
            if left >= self.heap.len() {
                return;
            }
            let right = left + 1;
            let child = if right < self.heap.len() && self.rank(right) < self.rank(left) {
                right
            } else {
                left
            };
            if self.rank(place) <= self.rank(child) {
                return;
            }
            self.swap(place, child);
            place = child;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use outrider_policy::Tick;
    use proptest::prelude::*;

    use super::{Timer, Timers};
    use crate::ids::CallId;

    fn timer(n: u32) -> Timer {
        Timer::Deadline(CallId(n))
    }

    #[test]
    fn fires_in_order_of_time_then_of_arming() {
        let mut timers = Timers::default();
        for (due, n) in [(5, 1), (3, 2), (5, 3), (1, 4)] {
            timers.arm(Tick::from_nanos(due), timer(n));
        }
        let fired: Vec<_> = std::iter::from_fn(|| timers.pop_due(Tick::from_nanos(5))).collect();
        assert_eq!(fired, [timer(4), timer(2), timer(1), timer(3)]);
    }

    #[test]
    fn nothing_fires_early() {
        let mut timers = Timers::default();
        timers.arm(Tick::from_nanos(2), timer(1));
        assert_eq!(timers.pop_due(Tick::from_nanos(1)), None);
        assert_eq!(timers.next_due(), Some(Tick::from_nanos(2)));
    }

    proptest! {
        #[test]
        fn agrees_with_a_sorted_map(steps in proptest::collection::vec((0u64..50, any::<bool>()), 0..200)) {
            let mut timers = Timers::default();
            let mut model = BTreeMap::new();
            let mut keys = Vec::new();
            for (n, (due, cancel)) in steps.into_iter().enumerate() {
                let key = timers.arm(Tick::from_nanos(due), timer(n as u32));
                model.insert((due, n), timer(n as u32));
                keys.push(((due, n), key));
                if cancel {
                    let (rank, key) = keys.remove(keys.len() / 2);
                    timers.cancel(key);
                    model.remove(&rank);
                }
            }
            prop_assert_eq!(timers.len(), model.len());
            let fired: Vec<_> = std::iter::from_fn(|| timers.pop_due(Tick::from_nanos(50))).collect();
            prop_assert_eq!(fired, model.into_values().collect::<Vec<_>>());
        }
    }
}
