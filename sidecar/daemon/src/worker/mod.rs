//! A worker: one thread, one poll loop, one engine.
//!
//! The only part of the sidecar that touches the traffic's sockets. Decides nothing about calls:
//! it tells the engine what happened on its sockets and does what the engine asks. Reading order:
//! `turn` (the loop), `sockets` (one connection), `doors` (listeners), `mailbox` (what the control
//! thread says), `outbox` (what it hears).

mod doors;
mod mailbox;
mod outbox;
mod sockets;
mod turn;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use mio::{Events, Poll, Waker};
use outrider_engine::Engine;
use outrider_engine::config::Settings;
use tokio::sync::mpsc;

use crate::clock::{self, Clock};

pub use doors::open;
pub use mailbox::{Command, Workers};
pub use outbox::{BATCHES_MAX, Report};

use doors::Doors;
use mailbox::{COMMANDS_MAX, Handle, Heartbeat};
use outbox::Outbox;
use sockets::Sockets;
use turn::Worker;

/// Bytes read from a socket at once, into one buffer per worker.
const READ_BYTES: usize = 64 << 10;

/// Events taken from the system in one turn.
const EVENTS_PER_TURN: usize = 1_024;

/// Starts a worker for each set of listeners.
///
/// # Errors
/// When the system gives no poll instance or thread.
pub fn start(
    clock: Clock,
    settings: &Settings,
    listeners: Vec<Doors>,
    reports: &mpsc::Sender<Report>,
) -> io::Result<Workers> {
    let mut handles = Vec::with_capacity(listeners.len());
    for (number, doors) in listeners.into_iter().enumerate() {
        handles.push(start_one(
            clock,
            settings.clone(),
            number,
            doors,
            reports.clone(),
        )?);
    }
    Ok(Workers::new(clock, handles))
}

fn start_one(
    clock: Clock,
    settings: Settings,
    number: usize,
    mut doors: Doors,
    reports: mpsc::Sender<Report>,
) -> io::Result<Handle> {
    let poll = Poll::new()?;
    let waker = Arc::new(Waker::new(poll.registry(), sockets::WAKER)?);
    doors.register(poll.registry())?;
    let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
    let ended = reports.clone();
    let heartbeat = Heartbeat::new(clock.now());
    let handle = Handle {
        commands,
        waker,
        heartbeat: heartbeat.clone(),
    };
    // The engine is not `Send`: it is made on the thread that it never leaves.
    let worker = move || Worker {
        clock,
        engine: Engine::new(settings, clock::seed()),
        poll,
        events: Events::with_capacity(EVENTS_PER_TURN),
        doors,
        sockets: Sockets::default(),
        inbox,
        outbox: Outbox::new(number, reports.clone()),
        heartbeat,
        buffer: vec![0; READ_BYTES].into_boxed_slice(),
    };
    thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(move || {
            let result = run(worker);
            // Only fails when the control side is gone, and then nobody is left to tell.
            let _ = ended.blocking_send(Report::Ended {
                worker: number,
                result,
            });
        })?;
    Ok(handle)
}

/// Makes and runs the worker and says how it ended: a dead worker must not look like an idle one.
fn run(worker: impl FnOnce() -> Worker) -> io::Result<()> {
    // The worker does not outlive the closure, so nobody sees what a panic left half-done.
    let result = catch_unwind(AssertUnwindSafe(|| worker().run()));
    result.unwrap_or_else(|_| Err(io::Error::other("a worker panicked")))
}
