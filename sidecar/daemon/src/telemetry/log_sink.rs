//! Where log lines end up: a file or standard error, written by a thread of its own.
//!
//! The reader of our standard error may stop reading; that must stop neither the control thread,
//! which answers `/livez` and obeys SIGTERM, nor a worker. So batches wait in a bounded queue, and
//! what does not fit is counted as lost. The access log and the process's own log have one each.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tracing_subscriber::fmt::MakeWriter;

use outrider_host::Rereads;

use super::log_file::{LogFile, write_counted};
use super::metrics::Metrics;

/// Batches of the access log that may wait. A batch holds the lines of at most 128 calls.
const BATCHES_MAX: usize = 64;

/// Lines of the process's own log that may wait, a batch each.
const OWN_LINES_MAX: usize = 1_024;

/// Longest wait at the end of the process for the last lines.
const LAST_LINES_WAIT: Duration = Duration::from_secs(1);

/// Longest time until a file that was renamed away is noticed although nothing is written. 1 s.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Some lines.
#[derive(Debug, Default)]
pub struct Batch {
    pub text: Vec<u8>,
    pub lines: u64,
}

/// What the writer is given.
#[derive(Debug)]
enum Work {
    Lines(Batch),
    /// See whether the file is still the one at its path.
    Look,
}

/// Where a writer puts lines.
pub trait Output: Send + 'static {
    /// Writes lines, or says how many of their octets it has written.
    fn append(&mut self, lines: &[u8]) -> Result<(), usize>;

    /// See whether the file is still the one at its path.
    fn look(&mut self) {}
}

impl<W: Write + Send + 'static> Output for W {
    fn append(&mut self, lines: &[u8]) -> Result<(), usize> {
        write_counted(self, lines).map_err(|(_, written)| written)
    }
}

/// The near end of the queue. Dropped, it waits a moment for the last lines to be written.
#[derive(Debug)]
pub struct LogSink {
    // Fields are dropped in this order: the queue closes, then its end is waited for.
    work: mpsc::Sender<Work>,
    _end: End,
    lost: Arc<AtomicU64>,
}

/// Closed when the writer has written everything.
#[derive(Debug)]
struct End(Receiver<()>);

impl LogSink {
    /// An access log that goes to the end of `file`, or to standard error.
    ///
    /// # Errors
    /// When the file cannot be opened for appending, or the thread cannot be started.
    pub fn open(file: Option<&Path>) -> io::Result<LogSink> {
        match file {
            Some(path) => LogSink::start("access-log", BATCHES_MAX, LogFile::open(path)?),
            None => LogSink::start("access-log", BATCHES_MAX, io::stderr()),
        }
    }

    /// The process's own log, on standard error.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn of_process() -> io::Result<LogSink> {
        LogSink::start("log", OWN_LINES_MAX, io::stderr())
    }

    fn start(name: &str, batches_max: usize, output: impl Output) -> io::Result<LogSink> {
        let (work, waiting) = mpsc::channel(batches_max);
        let (end, ended) = sync_channel(0);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                write_all(waiting, output, &counter);
                drop(end);
            })?;
        Ok(LogSink {
            work,
            _end: End(ended),
            lost,
        })
    }

    /// Hands a batch over, or counts its lines as lost when the queue is full.
    pub fn send(&self, batch: Batch) {
        hand_over(&self.work, batch, &self.lost);
    }

    /// Lines lost since the last call of this.
    pub fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    /// What makes the writer look at its file.
    pub fn watch(&self) -> LogWatch {
        LogWatch {
            work: self.work.downgrade(),
            lost: Arc::clone(&self.lost),
        }
    }

    /// A writer that may outlive the sink; what it writes after the sink's end is lost.
    pub fn lines(&self) -> Lines {
        Lines {
            work: self.work.downgrade(),
            lost: Arc::clone(&self.lost),
        }
    }
}

/// Makes the writer of an access log look at its file, and counts the lines it has lost. May
/// outlive the sink.
#[derive(Debug)]
pub struct LogWatch {
    work: mpsc::WeakSender<Work>,
    lost: Arc<AtomicU64>,
}

impl LogWatch {
    /// Looks every second and at each SIGHUP, for as long as the process lives.
    pub async fn run(self, mut rereads: Rereads, metrics: Arc<Metrics>) {
        let mut ticks = interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = rereads.next() => {}
            }
            if let Some(work) = self.work.upgrade() {
                // A full queue: the writer looks before it writes what waits there.
                let _ = work.try_send(Work::Look);
            }
            metrics
                .access_lines_lost
                .inc_by(self.lost.swap(0, Ordering::Relaxed));
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // Either the end of the writer or the end of our patience.
        let _ = self.0.recv_timeout(LAST_LINES_WAIT);
    }
}

/// Writes the lines of `tracing` to a sink. Never waits and never fails.
#[derive(Clone, Debug)]
pub struct Lines {
    work: mpsc::WeakSender<Work>,
    lost: Arc<AtomicU64>,
}

impl Lines {
    /// Lines lost since the start.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Write for &Lines {
    /// Takes one whole line, which is what `tracing_subscriber` writes at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let batch = Batch {
            text: line.to_vec(),
            lines: 1,
        };
        match self.work.upgrade() {
            Some(work) => hand_over(&work, batch, &self.lost),
            None => count_lost(&self.lost, batch.lines),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Lines;

    fn make_writer(&'a self) -> &'a Lines {
        self
    }
}

fn hand_over(work: &mpsc::Sender<Work>, batch: Batch, lost: &AtomicU64) {
    let lines = batch.lines;
    if work.try_send(Work::Lines(batch)).is_err() {
        count_lost(lost, lines);
    }
}

fn count_lost(lost: &AtomicU64, lines: u64) {
    lost.fetch_add(lines, Ordering::Relaxed);
}

fn write_all(mut work: mpsc::Receiver<Work>, mut output: impl Output, lost: &AtomicU64) {
    while let Some(work) = work.blocking_recv() {
        match work {
            Work::Look => output.look(),
            Work::Lines(batch) => {
                if let Err(written) = output.append(&batch.text) {
                    count_lost(lost, lines_after(&batch, written));
                }
            }
        }
    }
}

/// How many lines do not end within the first `written` octets.
fn lines_after(batch: &Batch, written: usize) -> u64 {
    let ends = batch.text[..written]
        .iter()
        .filter(|octet| **octet == b'\n');
    batch.lines.saturating_sub(ends.count() as u64)
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
        let sink = LogSink::start("log", BATCHES_MAX, Stuck(stuck)).expect("a thread");
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

    /// Logs `count` lines to `sink`.
    fn log(sink: &LogSink, count: usize) {
        let lines = tracing_subscriber::fmt().json().with_writer(sink.lines());
        tracing::subscriber::with_default(lines.finish(), || {
            (0..count).for_each(|number| tracing::info!(number, "a line"));
        });
    }

    #[test]
    fn a_stuck_reader_of_the_log_stops_nobody_who_logs() {
        let (unstick, stuck) = sync_channel(0);
        let sink = LogSink::start("log", BATCHES_MAX, Stuck(stuck)).expect("a thread");
        log(&sink, BATCHES_MAX + 10);
        let lost = sink.lines().lost();
        assert!((9..=10).contains(&lost), "{lost}");
        drop(unstick);
    }

    #[test]
    fn the_last_lines_are_written_and_later_ones_counted_as_lost() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("log");
        let sink = LogSink::open(Some(&path)).expect("it opens");
        log(&sink, 3);
        let late = sink.lines();
        drop(sink);
        let text = std::fs::read_to_string(&path).expect("the log is readable");
        let numbers: Vec<_> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
            .map(|line| line["fields"]["number"].as_u64())
            .collect();
        assert_eq!(numbers, [Some(0), Some(1), Some(2)]);
        assert_eq!(late.lost(), 0);
        (&late).write_all(b"too late").expect("it never fails");
        assert_eq!(late.lost(), 1);
    }
}
