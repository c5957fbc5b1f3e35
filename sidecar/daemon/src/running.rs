//! The two ways to run a sidecar: as the process itself, or on a thread of another program.
//!
//! Both make the control thread's runtime and hand over the stops: signals here, calls of
//! [`Running::stop`] there. Knows nothing of what a sidecar does.

use std::io;
use std::thread;

use outrider_host::{Rereads, forward_signals, print_ready};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};

use crate::error::StartupError;
use crate::options::Options;
use crate::panics;
use crate::process::{Addresses, serve};

/// A sidecar that runs on a thread of its own, for programs that embed one.
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

    /// Does what SIGTERM does: the first time drains, the second time ends at once.
    pub fn stop(&self) {
        // Fails when two stops wait already, or when the sidecar has ended.
        let _ = self.stop.try_send(());
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// [`StartupError::System`] when a worker failed.
    pub fn join(self) -> Result<(), StartupError> {
        let ended = self.thread.join();
        ended.unwrap_or_else(|_| {
            Err(StartupError::system(
                "the control thread",
                io::Error::other("it panicked"),
            ))
        })
    }
}

/// Starts a sidecar on a thread of its own and returns when it is ready. Takes no signals.
///
/// # Errors
/// [`StartupError`] when it could not start.
pub fn start(options: Options) -> Result<Running, StartupError> {
    panics::install();
    let (stop, stops) = mpsc::channel(2);
    let (ready, readied) = oneshot::channel();
    let serve = move || {
        let ready = |addresses: &Addresses| {
            // Fails only when `start` itself was abandoned.
            let _ = ready.send(*addresses);
        };
        runtime()?.block_on(serve(options, stops, Rereads::never(), ready))
    };
    let thread = thread::Builder::new()
        .name("control".to_owned())
        .spawn(serve);
    let thread = thread.map_err(|error| StartupError::system("the control thread", error))?;
    match readied.blocking_recv() {
        Ok(addresses) => Ok(Running {
            addresses,
            stop,
            thread,
        }),
        // It ended before it was ready: its result says why.
        Err(_) => match thread.join() {
            Ok(Err(error)) => Err(error),
            Ok(Ok(())) | Err(_) => Err(StartupError::system(
                "the control thread",
                io::Error::other("it ended early"),
            )),
        },
    }
}

/// Runs a sidecar on this thread until a signal has drained it.
pub fn run(options: Options) -> Result<(), StartupError> {
    runtime()?.block_on(async {
        let (stop, stops) = mpsc::channel(2);
        let rereads = forward_signals(stop)
            .map_err(|error| StartupError::system("signal delivery", error))?;
        serve(options, stops, rereads, print_ready).await
    })
}

fn runtime() -> Result<Runtime, StartupError> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| StartupError::system("the control runtime", error))
}
