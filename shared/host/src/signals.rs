//! Signals, as messages.
//!
//! SIGTERM, SIGINT and SIGQUIT stop the process in good order; SIGHUP makes it look at its files
//! again. Signals that mean nothing to it and would end it at once, with its calls, are ignored.
//! SIGPIPE is ignored by the Rust runtime already.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// SIGXFSZ: a file is over the limit of its size (`ulimit -f`). The write that hit it fails all
/// the same, which is how a log that cannot grow is noticed. tokio has no name for it.
const FILE_SIZE: i32 = 25;

/// Resolves when the process should read its files again.
#[derive(Clone, Debug)]
pub struct Rereads(watch::Receiver<()>);

impl Rereads {
    /// For a program that embeds a part of the mesh and keeps its signals to itself.
    pub fn never() -> Rereads {
        Rereads(watch::channel(()).1)
    }

    /// Returns after the next SIGHUP; several that come together count as one.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// From now on sends a message for each SIGTERM, SIGINT and SIGQUIT until the receiver is gone,
/// says each SIGHUP, and ignores the rest.
///
/// # Errors
/// The system delivers no signals.
pub fn forward_signals(stop: mpsc::Sender<()>) -> io::Result<Rereads> {
    // A handler stays when its receiver is dropped: the signal is then lost, which is the purpose.
    for kind in ignored() {
        drop(signal(kind)?);
    }
    let stops = [
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
        signal(SignalKind::quit())?,
    ];
    let (said, rereads) = watch::channel(());
    tokio::spawn(say_hangups(signal(SignalKind::hangup())?, said));
    tokio::spawn(forward_stops(stops, stop));
    Ok(Rereads(rereads))
}

/// What would end the process by default and has no meaning for it.
fn ignored() -> [SignalKind; 5] {
    [
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
        SignalKind::alarm(),
        SignalKind::io(),
        SignalKind::from_raw(FILE_SIZE),
    ]
}

async fn say_hangups(mut hangup: Signal, said: watch::Sender<()>) {
    while hangup.recv().await.is_some() {
        tracing::info!("SIGHUP: the files are looked at again");
        said.send_replace(());
    }
}

async fn forward_stops(stops: [Signal; 3], stop: mpsc::Sender<()>) {
    let [mut terminate, mut interrupt, mut quit] = stops;
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
        }
        if stop.send(()).await.is_err() {
            return;
        }
    }
}
