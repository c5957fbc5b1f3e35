//! What the control thread says to the workers: bounded, never blocking a worker.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mio::Waker;
use outrider_engine::config::Snapshot;
use outrider_engine::{Gauges, TlsMaterial};
use outrider_policy::Tick;
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;

/// Commands a worker may have waiting. The control thread waits for room, so a stalled worker
/// delays news for all and loses none.
pub const COMMANDS_MAX: usize = 64;

/// Something a worker must do.
#[derive(Debug)]
pub enum Command {
    /// Use this configuration from now on.
    Configure(Arc<Snapshot>),
    /// Use this identity for new connections from now on.
    Identity(Arc<TlsMaterial>),
    /// Finish what is open until then, and end.
    Drain(Tick),
    /// Report everything recorded so far, then the gauges.
    Gauges(oneshot::Sender<Gauges>),
}

/// One worker as the control thread sees it.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) waker: Arc<Waker>,
    pub(super) heartbeat: Heartbeat,
}

/// All workers of the process.
#[derive(Clone, Debug)]
pub struct Workers {
    clock: Clock,
    handles: Arc<[Handle]>,
}

/// Longest wait for a worker's gauges. A worker that takes longer is stalled; the answer is made
/// without it.
const GAUGES_WAIT: Duration = Duration::from_millis(500);

impl Workers {
    pub(super) fn new(clock: Clock, handles: Vec<Handle>) -> Workers {
        Workers {
            clock,
            handles: handles.into(),
        }
    }

    /// No workers at all, for tests of what stands around them.
    #[cfg(test)]
    pub fn none(clock: Clock) -> Workers {
        Workers::new(clock, Vec::new())
    }

    /// Tells every worker, waiting for room in its mailbox. A worker that has ended is skipped.
    pub async fn tell(&self, command: impl Fn() -> Command) {
        for handle in self.handles.iter() {
            if handle.commands.send(command()).await.is_ok() {
                wake(&handle.waker);
            }
        }
    }

    /// Asks every worker for its gauges; `None` for one that is stalled or has ended.
    ///
    /// All calls that ended before the answer are in the metrics when it arrives.
    pub async fn gauges(&self) -> Vec<Option<Gauges>> {
        let questions: Vec<_> = self.handles.iter().map(Handle::ask_gauges).collect();
        let mut answers = Vec::with_capacity(questions.len());
        for question in questions {
            let answer = tokio::time::timeout(GAUGES_WAIT, question).await;
            answers.push(answer.ok().and_then(Result::ok));
        }
        answers
    }

    /// How long ago each worker last began a turn of its loop.
    pub fn silences(&self) -> Vec<Duration> {
        let now = self.clock.now();
        self.handles
            .iter()
            .map(|handle| now.since(handle.heartbeat.last()))
            .collect()
    }
}

impl Handle {
    fn ask_gauges(&self) -> oneshot::Receiver<Gauges> {
        let (answer, question) = oneshot::channel();
        // A full mailbox drops `answer`, and the receiver sees an error at once.
        if self.commands.try_send(Command::Gauges(answer)).is_ok() {
            wake(&self.waker);
        }
        question
    }
}

fn wake(waker: &Waker) {
    let woken: io::Result<()> = waker.wake();
    if let Err(error) = woken {
        // It still looks at its mailbox once a second.
        tracing::warn!(%error, "a worker could not be woken");
    }
}

/// When a worker last began a turn; written by the worker, read by `/livez`.
#[derive(Clone, Debug)]
pub struct Heartbeat(Arc<AtomicU64>);

impl Heartbeat {
    pub(super) fn new(now: Tick) -> Heartbeat {
        Heartbeat(Arc::new(AtomicU64::new(now.as_nanos())))
    }

    // Relaxed: nothing else is published through this word.
    pub(super) fn beat(&self, now: Tick) {
        self.0.store(now.as_nanos(), Ordering::Relaxed);
    }

    fn last(&self) -> Tick {
        Tick::from_nanos(self.0.load(Ordering::Relaxed))
    }
}
