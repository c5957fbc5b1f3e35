//! What a worker tells the control thread: records in batches, gauges, its end.
//!
//! A worker never waits for the control thread: when the queue is full the batch is dropped and
//! its records are counted. Batches, because waking the other thread costs more than a record.
//! What a worker wants is said once, so it waits here until there is room.

use std::collections::BTreeSet;
use std::io;
use std::mem;
use std::time::Duration;

use outrider_engine::{CallRecord, Gauges};
use outrider_policy::Tick;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

/// Records in a batch. With [`BATCHES_MAX`] at most 16,384 records wait, some 8 MiB.
const BATCH_RECORDS: usize = 128;

/// Batches and answers that may wait for the control thread, from all workers together.
pub const BATCHES_MAX: usize = 128;

/// Longest time a record waits for its batch to fill.
const BATCH_WAIT: Duration = Duration::from_millis(20);

/// What is wanted and found no room is said again after this long.
const WANT_AGAIN: Duration = Duration::from_millis(20);

/// Something a worker tells.
#[derive(Debug)]
#[expect(
    clippy::vec_box,
    reason = "8,000 calls that end at once would be copied, and lie there twice"
)]
pub enum Report {
    /// Calls that ended, in order.
    Calls {
        /// Their records, as the engine made them.
        records: Vec<Box<CallRecord>>,
        /// Records dropped since the last batch that got through.
        dropped: u64,
    },
    /// A call waits for a service of this name; said once by each worker (`Action::Want`).
    Wanted(String),
    /// The gauges, and who asked for them. Comes after all records made before.
    Gauges(Box<Gauges>, oneshot::Sender<Gauges>),
    /// The worker has ended: drained, or for a failure of its own.
    Ended {
        /// Which one, counted from 0.
        worker: usize,
        /// `Ok` after a drain.
        result: io::Result<()>,
    },
}

/// A worker's end of the queue.
#[expect(clippy::vec_box, reason = "see Report::Calls")]
pub struct Outbox {
    worker: usize,
    reports: mpsc::Sender<Report>,
    batch: Vec<Box<CallRecord>>,
    since: Tick,
    dropped: u64,
    /// Said when there is room. Bounded by the engine: it wants no name twice.
    wanted: BTreeSet<String>,
    want_at: Tick,
}

impl Outbox {
    pub fn new(worker: usize, reports: mpsc::Sender<Report>) -> Outbox {
        Outbox {
            worker,
            reports,
            batch: Vec::new(),
            since: Tick::ZERO,
            dropped: 0,
            wanted: BTreeSet::new(),
            want_at: Tick::ZERO,
        }
    }

    /// Adds a record; sends the batch when it is full.
    pub fn record(&mut self, now: Tick, record: Box<CallRecord>) {
        if self.batch.is_empty() {
            self.since = now;
        }
        self.batch.push(record);
        if self.batch.len() >= BATCH_RECORDS {
            self.flush();
        }
    }

    /// A call waits for this service.
    pub fn want(&mut self, now: Tick, name: String) {
        self.wanted.insert(name);
        self.send_wanted(now);
    }

    /// When something that waits must go; `None` when nothing does.
    pub fn wake_at(&self) -> Option<Tick> {
        let want = (!self.wanted.is_empty()).then_some(self.want_at);
        self.flush_at().into_iter().chain(want).min()
    }

    /// Sends what waits if its time has come.
    pub fn tick(&mut self, now: Tick) {
        if self.flush_at().is_some_and(|due| due <= now) {
            self.flush();
        }
        if self.want_at <= now {
            self.send_wanted(now);
        }
    }

    fn flush_at(&self) -> Option<Tick> {
        (!self.batch.is_empty()).then(|| self.since + BATCH_WAIT)
    }

    fn send_wanted(&mut self, now: Tick) {
        while let Some(name) = self.wanted.pop_first() {
            if let Err(TrySendError::Full(Report::Wanted(name))) =
                self.reports.try_send(Report::Wanted(name))
            {
                self.wanted.insert(name);
                self.want_at = now + WANT_AGAIN;
                return;
            }
        }
    }

    /// Sends what waits, then the gauges.
    pub fn gauges(&mut self, gauges: Gauges, asked: oneshot::Sender<Gauges>) {
        self.flush();
        if self
            .reports
            .try_send(Report::Gauges(Box::new(gauges), asked))
            .is_err()
        {
            tracing::debug!(
                worker = self.worker,
                "no room for gauges: the queue of reports is full"
            );
        }
    }

    /// Sends what waits; drops and counts it when the queue is full.
    pub fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let count = self.batch.len() as u64;
        let report = Report::Calls {
            records: mem::take(&mut self.batch),
            dropped: self.dropped,
        };
        match self.reports.try_send(report) {
            Ok(()) => self.dropped = 0,
            Err(_) => self.dropped = self.dropped.saturating_add(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;

    fn outbox(room: usize) -> (Outbox, mpsc::Receiver<Report>) {
        let (reports, received) = mpsc::channel(room);
        (Outbox::new(0, reports), received)
    }

    /// (records, dropped) of each batch that got through.
    fn batches(received: &mut mpsc::Receiver<Report>) -> Vec<(usize, u64)> {
        let mut batches = Vec::new();
        while let Ok(report) = received.try_recv() {
            match report {
                Report::Calls { records, dropped } => batches.push((records.len(), dropped)),
                Report::Gauges(..) => batches.push((0, 0)),
                Report::Wanted(_) | Report::Ended { .. } => unreachable!("not made here"),
            }
        }
        batches
    }

    #[test]
    fn a_batch_goes_when_it_is_full_or_has_waited() {
        let (mut outbox, mut received) = outbox(8);
        let start = Tick::ZERO;
        (0..BATCH_RECORDS).for_each(|_| outbox.record(start, Box::new(record())));
        assert_eq!(batches(&mut received), [(BATCH_RECORDS, 0)]);
        assert_eq!(outbox.wake_at(), None);

        outbox.record(start, Box::new(record()));
        assert_eq!(outbox.wake_at(), Some(start + BATCH_WAIT));
        outbox.tick(start);
        assert_eq!(batches(&mut received), [], "it has not waited yet");
        outbox.tick(start + BATCH_WAIT);
        assert_eq!(batches(&mut received), [(1, 0)]);
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted_in_the_next_batch() {
        let (mut outbox, mut received) = outbox(1);
        for _ in 0..3 * BATCH_RECORDS {
            outbox.record(Tick::ZERO, Box::new(record()));
        }
        assert_eq!(batches(&mut received), [(BATCH_RECORDS, 0)]);
        outbox.record(Tick::ZERO, Box::new(record()));
        outbox.flush();
        assert_eq!(batches(&mut received), [(1, 2 * BATCH_RECORDS as u64)]);
    }

    #[test]
    fn what_is_wanted_waits_for_room_and_is_said_once() {
        let (mut outbox, mut received) = outbox(1);
        let mut wanted = || match received.try_recv() {
            Ok(Report::Wanted(name)) => Some(name),
            Ok(_) | Err(_) => None,
        };
        for name in ["orders", "payments", "payments"] {
            outbox.want(Tick::ZERO, name.to_owned());
        }
        assert_eq!(wanted().as_deref(), Some("orders"));
        let again = outbox.wake_at().expect("one waits");
        outbox.tick(again);
        assert_eq!(wanted().as_deref(), Some("payments"));
        assert_eq!((outbox.wake_at(), wanted()), (None, None));
    }

    #[test]
    fn gauges_come_after_all_records_made_before() {
        let (mut outbox, mut received) = outbox(8);
        outbox.record(Tick::ZERO, Box::new(record()));
        outbox.gauges(Gauges::default(), oneshot::channel().0);
        assert_eq!(batches(&mut received), [(1, 0), (0, 0)]);
    }
}
