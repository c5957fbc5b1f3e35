//! Reopens a file that has failed, again and again until the disk takes a write.
//!
//! Runs on its own thread, because opening blocks for the disk. The thread ends when the file is open
//! or the store is dropped.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use super::Shared;
use super::file::{self, Probe};
use crate::clock;

/// Shortest time between two tries. 500 ms.
const PAUSE_MIN: Duration = Duration::from_millis(500);

/// Longest one. 4 s: within 5 s after the disk has room, the store is written again.
const PAUSE_MAX: Duration = Duration::from_secs(4);

/// Dropped, the tries to reopen the file end.
#[derive(Debug)]
pub struct Reopening {
    _wanted: Sender<()>,
}

/// Begins to try; `None`: the system gives no thread for it, which is logged.
pub fn start(shared: &Arc<Shared>) -> Option<Reopening> {
    let (wanted, unwanted) = mpsc::channel();
    let weak = Arc::downgrade(shared);
    let thread = thread::Builder::new().name("store".to_owned());
    match thread.spawn(move || run(&weak, &unwanted)) {
        Ok(_) => Some(Reopening { _wanted: wanted }),
        Err(error) => {
            tracing::error!(%error, "the store is not opened again: start the control plane again");
            None
        }
    }
}

fn run(shared: &Weak<Shared>, unwanted: &Receiver<()>) {
    let mut pause = PAUSE_MIN;
    while unwanted.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let began = clock::now();
        match file::open(&shared.folder, Probe::Always) {
            Ok(database) => return shared.mended(database),
            Err(error) => tracing::debug!(%error, "the store is not written yet"),
        }
        // A large file is checked as a whole at each try: a tenth of a processor at most.
        let took = clock::now().duration_since(began);
        pause = (took * 10).clamp(PAUSE_MIN, PAUSE_MAX);
    }
}
