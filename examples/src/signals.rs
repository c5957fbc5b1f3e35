//! What the shop's processes do with signals: SIGTERM, SIGINT and SIGQUIT stop them in good order;
//! SIGHUP, SIGUSR1 and SIGUSR2 mean nothing to them, and do not end them with their calls.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Ends at the first signal that stops a process; needs a runtime.
///
/// # Errors
/// The system delivers no signals.
pub fn stopped() -> io::Result<impl Future<Output = ()>> {
    let ignored = [
        SignalKind::hangup(),
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
    ];
    for kind in ignored {
        // The handler stays, and the signal is lost.
        drop(signal(kind)?);
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
        }
    })
}
