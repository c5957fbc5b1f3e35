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

use super::Resources;
use crate::clock::Clock;

/// Commands a worker may have waiting. The control thread waits for room, so a stalled worker
/// delays news for all and loses none.
pub const COMMANDS_MAX: usize = 64;

/// Of these, the places that questions for gauges leave free: a worker that has so much waiting is
/// stalled and would not answer, and what must not be lost needs the room.
const COMMANDS_RESERVED: usize = COMMANDS_MAX / 2;

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
    resources: Resources,
}

/// Longest wait for the gauges of all workers. A worker that takes longer is stalled; the answer is made
/// without it.
const GAUGES_WAIT: Duration = Duration::from_millis(500);

impl Workers {
    pub fn new(clock: Clock, handles: Vec<Handle>, resources: Resources) -> Workers {
        Workers {
            clock,
            handles: handles.into(),
            resources,
        }
    }

    /// What all of them together may use.
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// No workers at all, for tests of what stands around them.
    #[cfg(test)]
    pub fn none(clock: Clock) -> Workers {
        Workers::of(clock, Vec::new())
    }

    /// These, with descriptors enough; for tests.
    #[cfg(test)]
    pub fn of(clock: Clock, handles: Vec<Handle>) -> Workers {
        let rules = outrider_policy::DescriptorRules::divide(u64::MAX, 0);
        let resources = Resources {
            descriptors: super::Descriptors::new(rules),
            memory: super::Memory::default(),
        };
        Workers::new(clock, handles, resources)
    }

    /// Tells every worker, waiting for room in its mailbox. A worker that has ended is skipped;
    /// those with room are told before those without.
    pub async fn tell(&self, command: impl Fn() -> Command) {
        let (roomy, full): (Vec<_>, Vec<_>) = self
            .handles
            .iter()
            .partition(|handle| handle.commands.capacity() > 0);
        for handle in roomy.into_iter().chain(full) {
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
        let mut limit = std::pin::pin!(tokio::time::sleep(GAUGES_WAIT));
        for question in questions {
            answers.push(tokio::select! {
                biased;
                answer = question => answer.ok(),
                () = &mut limit => None,
            });
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
    /// A worker that does not look at its mailbox, which has no room left; for tests.
    #[cfg(test)]
    pub fn full(clock: Clock) -> (Handle, mpsc::Receiver<Command>) {
        let (handle, mailbox) = Handle::stalled(clock);
        while handle.commands.try_send(Command::Drain(Tick::ZERO)).is_ok() {}
        (handle, mailbox)
    }

    /// A worker that does not look at its mailbox; for tests.
    #[cfg(test)]
    fn stalled(clock: Clock) -> (Handle, mpsc::Receiver<Command>) {
        let (commands, mailbox) = mpsc::channel(COMMANDS_MAX);
        let poll = mio::Poll::new().expect("a poll instance");
        let waker = Waker::new(poll.registry(), mio::Token(0)).expect("a waker");
        let handle = Handle {
            commands,
            waker: Arc::new(waker),
            heartbeat: Heartbeat::new(clock.now()),
        };
        (handle, mailbox)
    }

    fn ask_gauges(&self) -> oneshot::Receiver<Gauges> {
        let (answer, question) = oneshot::channel();
        // Without room `answer` is dropped, and the receiver sees an error at once.
        let has_room = self.commands.capacity() > COMMANDS_RESERVED;
        if has_room && self.commands.try_send(Command::Gauges(answer)).is_ok() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn questions_leave_a_stalled_worker_room_for_commands() {
        let clock = Clock::start();
        let (handle, _mailbox) = Handle::stalled(clock);
        let questions: Vec<_> = (0..2 * COMMANDS_MAX).map(|_| handle.ask_gauges()).collect();
        assert_eq!(handle.commands.capacity(), COMMANDS_RESERVED);
        drop(questions);
        let told = Workers::of(clock, vec![handle]);
        told.tell(|| Command::Drain(Tick::ZERO)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn all_stalled_workers_together_hold_an_answer_up_once() {
        let clock = Clock::start();
        let (stalled, _mailboxes): (Vec<_>, Vec<_>) =
            (0..8).map(|_| Handle::stalled(clock)).unzip();
        let workers = Workers::of(clock, stalled);
        let answers = tokio::time::timeout(GAUGES_WAIT * 2, workers.gauges()).await;
        assert_eq!(answers.map(|answers| answers.len()), Ok(8));
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_without_room_does_not_keep_news_from_the_others() {
        let clock = Clock::start();
        let (full, _mailbox) = Handle::full(clock);
        let (roomy, mut mailbox) = Handle::stalled(clock);
        let workers = Workers::of(clock, vec![full, roomy]);
        let told = workers.tell(|| Command::Drain(Tick::ZERO));
        let told = tokio::time::timeout(Duration::from_secs(1), told).await;
        assert!(told.is_err(), "it waits for the full one");
        assert!(matches!(mailbox.try_recv(), Ok(Command::Drain(_))));
    }
}
