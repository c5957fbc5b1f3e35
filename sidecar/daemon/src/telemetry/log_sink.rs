//! Where access log lines end up: a file or standard error, written by a thread of its own.
//!
//! Whoever reads our standard error may stop reading; that must not stop the control thread, which
//! answers `/livez`. So batches wait in a bounded queue, and what does not fit is counted as lost.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Batches that may wait for the writer. A batch holds the lines of at most 128 calls.
const BATCHES_MAX: usize = 64;

/// Longest wait at the end of the process for the last lines.
const LAST_LINES_WAIT: Duration = Duration::from_secs(1);

/// Some lines.
#[derive(Debug, Default)]
pub struct Batch {
    pub text: Vec<u8>,
    pub lines: u64,
}

/// The near end of the queue.
#[derive(Debug)]
pub struct LogSink {
    batches: Option<SyncSender<Batch>>,
    /// Closed when the writer has written everything.
    ended: Receiver<()>,
    lost: Arc<AtomicU64>,
}

impl LogSink {
    /// Writes to the end of `file`, or to standard error.
    ///
    /// # Errors
    /// When the file cannot be opened for appending, or the thread cannot be started.
    pub fn open(file: Option<&Path>) -> io::Result<LogSink> {
        match file {
            Some(path) => LogSink::start(OpenOptions::new().create(true).append(true).open(path)?),
            None => LogSink::start(io::stderr()),
        }
    }

    fn start(output: impl Write + Send + 'static) -> io::Result<LogSink> {
        let (batches, waiting) = sync_channel(BATCHES_MAX);
        let (end, ended) = sync_channel(0);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || {
                write_all(&waiting, output, &counter);
                drop(end);
            })?;
        Ok(LogSink {
            batches: Some(batches),
            ended,
            lost,
        })
    }

    /// Hands a batch over, or counts its lines as lost when the queue is full.
    pub fn send(&self, batch: Batch) {
        let Some(batches) = &self.batches else { return };
        if let Err(refused) = batches.try_send(batch) {
            let (std::sync::mpsc::TrySendError::Full(batch)
            | std::sync::mpsc::TrySendError::Disconnected(batch)) = refused;
            self.lost.fetch_add(batch.lines, Ordering::Relaxed);
        }
    }

    /// Lines lost since the last call of this.
    pub fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}

impl Drop for LogSink {
    fn drop(&mut self) {
        self.batches = None;
        // Either the end of the writer or the end of our patience.
        let _ = self.ended.recv_timeout(LAST_LINES_WAIT);
    }
}

fn write_all(batches: &Receiver<Batch>, mut output: impl Write, lost: &AtomicU64) {
    for batch in batches {
        if output.write_all(&batch.text).is_err() {
            lost.fetch_add(batch.lines, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that never reads: a write waits for the test's end.
    struct Stuck(Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Err(io::Error::from(io::ErrorKind::BrokenPipe))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_reader_costs_lines_and_no_time() {
        let (unstick, stuck) = sync_channel(0);
        let sink = LogSink::start(Stuck(stuck)).expect("a thread");
        let batches = BATCHES_MAX as u64 + 10;
        for _ in 0..batches {
            sink.send(Batch {
                text: vec![b'x'],
                lines: 2,
            });
        }
        // One may be in the writer's hands, the queue holds its share, the rest is lost.
        let lost = sink.take_lost();
        assert!((18..=20).contains(&lost), "{lost}");
        drop(unstick);
    }
}
