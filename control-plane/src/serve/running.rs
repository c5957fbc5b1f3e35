//! The two ways to run a control plane: as the process itself, or on a thread of another program.
//!
//! Both make a runtime and hand over the stop: signals here, [`Running::stop`] there. Knows
//! nothing of what a control plane does.

use std::thread;
use std::time::Duration;

use outrider_host::{Rereads, forward_signals, print_ready};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};

use crate::serve::descriptors;
use crate::serve::error::StartupError;
use crate::serve::options::Options;
use crate::serve::process::{Addresses, serve};

/// How long the end waits for work that blocks, such as a write to the store.
const LAST_WORK: Duration = Duration::from_millis(500);

/// A control plane that runs on threads of its own, for programs that embed one. Dropped, it
/// stops.
#[derive(Debug)]
pub struct Running {
    addresses: Addresses,
    stop: mpsc::Sender<()>,
    thread: thread::JoinHandle<Result<(), StartupError>>,
}

impl Running {
    /// The addresses in use.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Does what SIGTERM does.
    pub fn stop(&self) {
        // Fails if it is stopping already, or has ended.
        let _ = self.stop.try_send(());
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// [`StartupError::Ended`] when a part failed.
    pub fn join(self) -> Result<(), StartupError> {
        let ended = self.thread.join();
        ended.unwrap_or(Err(StartupError::Ended("the control plane's thread")))
    }
}

/// Starts a control plane on threads of its own and returns when it is ready. Takes no signals.
///
/// # Errors
/// [`StartupError`] when it could not start.
pub fn start(options: Options) -> Result<Running, StartupError> {
    let (stop, stops) = mpsc::channel(1);
    let (ready, readied) = oneshot::channel();
    let serve = move || {
        let ready = |addresses: &Addresses| {
            // Fails only when `start` itself was abandoned.
            let _ = ready.send(*addresses);
        };
        let runtime = runtime()?;
        let outcome = runtime.block_on(serve(options, stops, Rereads::never(), ready));
        runtime.shutdown_timeout(LAST_WORK);
        outcome
    };
    let thread = thread::Builder::new().name("control-plane".to_owned());
    let thread = thread.spawn(serve);
    let thread = thread.map_err(|error| StartupError::system("a thread", error))?;
    match readied.blocking_recv() {
        Ok(addresses) => Ok(Running {
            addresses,
            stop,
            thread,
        }),
        // It ended before it was ready: its result says why.
        Err(_) => match thread.join() {
            Ok(Err(error)) => Err(error),
            Ok(Ok(())) | Err(_) => Err(StartupError::Ended("the control plane's thread")),
        },
    }
}

/// Runs a control plane until SIGTERM or SIGINT; it ends within 2 s.
///
/// When everything is ready, one line of JSON with the addresses in use is written to standard
/// output.
///
/// # Errors
/// [`StartupError`] when it could not start, or when a part failed.
pub fn run(options: Options) -> Result<(), StartupError> {
    outrider_host::keep_memory_private();
    outrider_host::withhold_panics(|_| true);
    descriptors::raise();
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let (stop, stops) = mpsc::channel(1);
        let rereads = forward_signals(stop)
            .map_err(|error| StartupError::system("signal delivery", error))?;
        serve(options, stops, rereads, print_ready).await
    });
    runtime.shutdown_timeout(LAST_WORK);
    outcome
}

fn runtime() -> Result<Runtime, StartupError> {
    let runtime = Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| StartupError::system("the runtime", error))
}
