//! A worker: one thread, one poll loop, one engine.
//!
//! The only part of the sidecar that touches the traffic's sockets. Decides nothing about calls:
//! it tells the engine what happened on its sockets and does what the engine asks. Reading order:
//! `turn` (the loop), `sockets` (one connection), `listeners`, `descriptors` and `memory` (how
//! much there may be), `mailbox` (what the control thread says), `outbox` (what it hears).

mod descriptors;
mod foreign_log;
mod lingering_close;
mod listeners;
mod mailbox;
mod memory;
mod outbox;
mod sockets;
mod turn;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use mio::{Events, Poll, Waker};
use outrider_engine::config::{Settings, Snapshot};
use outrider_engine::{Engine, TlsMaterial};
use tokio::sync::mpsc;

use crate::clock::{self, Clock};

pub use descriptors::Descriptors;
pub use listeners::open;
pub use mailbox::{Command, Handle, Workers};
pub use memory::Memory;
pub use outbox::{BATCHES_MAX, Report};

use listeners::Listeners;
use mailbox::{COMMANDS_MAX, Heartbeat};
use memory::MemoryWatch;
use outbox::Outbox;
use sockets::Sockets;
use turn::Worker;

/// Bytes read from a socket at once, into one buffer per worker.
const READ_BYTES: usize = 64 << 10;

/// Events taken from the system in one turn.
const EVENTS_PER_TURN: usize = 1_024;

/// Descriptors that a worker opens for itself: a poll instance and a waker.
const DESCRIPTORS_OF_ONE: usize = 2;

/// How the names of the workers' threads begin; a number follows.
pub const THREAD: &str = "worker-";

/// What a worker knows before it accepts its first connection.
#[derive(Clone, Debug)]
pub struct InitialState {
    /// The configuration to start with.
    pub snapshot: Arc<Snapshot>,
    /// The identity to start with; `None` when TLS is not used.
    pub identity: Option<Arc<TlsMaterial>>,
    /// What the process may use.
    pub memory: Memory,
}

/// What all workers share of the machine. Copies are the same.
#[derive(Clone, Debug)]
pub struct Resources {
    /// What they may open.
    pub descriptors: Descriptors,
    /// What they may hold.
    pub memory: Memory,
}

/// Starts a worker for each set of listeners.
///
/// # Errors
/// When the system gives no poll instance or thread.
pub fn start(
    clock: Clock,
    settings: &Settings,
    initial: &InitialState,
    listeners: Vec<Listeners>,
    reports: &mpsc::Sender<Report>,
) -> io::Result<Workers> {
    let mut handles = Vec::with_capacity(listeners.len());
    let resources = Resources {
        descriptors: Descriptors::measured(DESCRIPTORS_OF_ONE * listeners.len()),
        memory: initial.memory.clone(),
    };
    for (number, listeners) in listeners.into_iter().enumerate() {
        handles.push(start_one(
            clock,
            settings.clone(),
            initial.clone(),
            number,
            (listeners, resources.clone()),
            reports.clone(),
        )?);
    }
    Ok(Workers::new(clock, handles, resources))
}

fn start_one(
    clock: Clock,
    settings: Settings,
    initial: InitialState,
    number: usize,
    (mut listeners, resources): (Listeners, Resources),
    reports: mpsc::Sender<Report>,
) -> io::Result<Handle> {
    let poll = Poll::new()?;
    let waker = Arc::new(Waker::new(poll.registry(), sockets::WAKER)?);
    listeners.register(poll.registry())?;
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
        engine: engine(clock, settings, initial),
        poll,
        events: Events::with_capacity(EVENTS_PER_TURN),
        listeners,
        descriptors: resources.descriptors,
        memory: MemoryWatch::new(resources.memory),
        sockets: Sockets::default(),
        foreign: foreign_log::ForeignLog::default(),
        inbox,
        outbox: Outbox::new(number, reports.clone()),
        heartbeat,
        buffer: vec![0; READ_BYTES].into_boxed_slice(),
    };
    thread::Builder::new()
        .name(format!("{THREAD}{number}"))
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

/// An engine that knows what it needs for its first connection.
fn engine(clock: Clock, settings: Settings, initial: InitialState) -> Engine {
    let mut engine = Engine::new(settings, clock::seed());
    let now = clock.now();
    engine.configure(now, initial.snapshot);
    if let Some(identity) = initial.identity {
        engine.identity(now, identity);
    }
    engine
}

/// Makes and runs the worker and says how it ended: a dead worker must not look like an idle one.
fn run(worker: impl FnOnce() -> Worker) -> io::Result<()> {
    // The worker does not outlive the closure, so nobody sees what a panic left half-done.
    let result = catch_unwind(AssertUnwindSafe(|| worker().run()));
    result.unwrap_or_else(|_| Err(io::Error::other("a worker panicked")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::identity::{self, Expected};
    use crate::options::{IdentityFiles, Options};
    use crate::testing::Authority;
    use rustls::{ClientConfig, ClientConnection, RootCertStore};
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, SocketAddr, TcpStream};
    use std::path::Path;

    /// The content type of a handshake record (RFC 8446, 5.1).
    const HANDSHAKE: u8 = 22;

    /// How a TLS client begins.
    fn hello() -> Vec<u8> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS 1.3")
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let name = "orders".try_into().expect("a DNS label");
        let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut hello = Vec::new();
        client.write_tls(&mut hello).expect("a vector takes all");
        hello
    }

    fn identity(options: &Options, files: &IdentityFiles) -> Arc<TlsMaterial> {
        let contents = identity::read(files).expect("the files are readable");
        let expected = Expected::new(options, "outrider.local");
        let identity = contents.check(files, &expected).expect("they fit");
        identity.material
    }

    #[test]
    fn who_called_before_the_start_finds_an_identity() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = Authority::new("outrider.local").issue(folder.path(), "orders");
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let options = Options {
            app: Some(free),
            outbound: free,
            inbound: free,
            ..Options::new("orders", Path::new("unused"))
        };
        let (addresses, listeners) = open(&options).expect("free ports");
        let inbound = addresses.inbound.expect("there is an application");
        let mut early = TcpStream::connect(inbound).expect("the backlog takes it");
        early.write_all(&hello()).expect("the kernel takes it");
        let initial = InitialState {
            snapshot: Arc::default(),
            identity: Some(identity(&options, &files)),
            memory: Memory::default(),
        };
        let settings = Settings::new("orders");
        let (reports, _received) = mpsc::channel(BATCHES_MAX);
        let _workers =
            start(Clock::start(), &settings, &initial, listeners, &reports).expect("it starts");
        let mut answer = [0];
        early.read_exact(&mut answer).expect("a handshake begins");
        assert_eq!(answer, [HANDSHAKE]);
    }
}
