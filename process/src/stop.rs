//! SIGTERM and SIGINT, as messages.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// Sends a message for each SIGTERM and SIGINT from now on, until the receiver is gone.
///
/// # Errors
/// The system delivers no signals.
pub fn forward_signals(stop: mpsc::Sender<()>) -> io::Result<()> {
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(forward(terminate, interrupt, stop));
    Ok(())
}

async fn forward(mut terminate: Signal, mut interrupt: Signal, stop: mpsc::Sender<()>) {
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if stop.send(()).await.is_err() {
            return;
        }
    }
}
