//! The life of the process after its start: reports are recorded, stops obeyed, the end found.

use std::io;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::control::status::Phase;
use crate::error::StartupError;
use crate::telemetry::Recorder;
use crate::worker::{Command, Report, Workers};

/// Time past the drain's end for the last refusals to leave.
const DRAIN_GRACE: Duration = Duration::from_millis(500);

/// Everything the control thread needs between ready and exit.
pub struct Life {
    pub clock: Clock,
    pub drain: Duration,
    pub workers: Workers,
    pub recorder: Recorder,
    pub phase: watch::Sender<Phase>,
    pub reports: mpsc::Receiver<Report>,
    pub stops: mpsc::Receiver<()>,
}

impl Life {
    /// Serves until a stop, drains, and returns when the workers have ended or time is up.
    ///
    /// # Errors
    /// When a worker ended without being told to.
    pub async fn run(mut self) -> Result<(), StartupError> {
        loop {
            tokio::select! {
                // A program that dropped its `Running` can no longer stop us otherwise.
                _ = self.stops.recv() => break,
                report = self.reports.recv() => self.serving(report)?,
            }
        }
        self.drain().await;
        Ok(())
    }

    fn serving(&mut self, report: Option<Report>) -> Result<(), StartupError> {
        let failed = |error| Err(StartupError::system("or go on: a worker ended", error));
        let Some(report) = report else {
            return failed(io::Error::other("and nobody said why"));
        };
        match self.record(report) {
            None => Ok(()),
            Some(Ok(())) => failed(io::Error::other("without being told to")),
            Some(Err(error)) => failed(error),
        }
    }

    async fn drain(&mut self) {
        tracing::info!(seconds = self.drain.as_secs(), "draining");
        // Fails only when nobody asks for it.
        let _ = self.phase.send(Phase::Draining);
        let deadline = self.clock.now() + self.drain;
        self.workers.tell(|| Command::Drain(deadline)).await;
        match tokio::time::timeout(self.drain + DRAIN_GRACE, self.until_drained()).await {
            Ok(()) => tracing::info!("drained"),
            Err(_) => tracing::warn!("the drain's time is over"),
        }
    }

    /// Returns when all workers have ended or a second stop came.
    async fn until_drained(&mut self) {
        loop {
            tokio::select! {
                // A closed channel is no second stop.
                Some(()) = self.stops.recv() => return,
                report = self.reports.recv() => match report {
                    Some(report) => drop(self.record(report)),
                    None => return,
                },
            }
        }
    }

    /// Takes a report; returns how a worker ended if it is about that.
    fn record(&mut self, report: Report) -> Option<io::Result<()>> {
        match report {
            Report::Calls { records, dropped } => self.recorder.record(&records, dropped),
            // Fails when the asker has given up waiting.
            Report::Gauges(gauges, asked) => drop(asked.send(*gauges)),
            Report::Ended { worker, result } => {
                tracing::info!(worker, ?result, "a worker ended");
                return Some(result);
            }
        }
        None
    }
}
