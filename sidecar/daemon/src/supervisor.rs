//! Runs the process between ready and exit: records reports, obeys stops, drains, ends.

use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use crate::clock::Clock;
use crate::config_source::MeshHandle;
use crate::control::status::Phase;
use crate::error::StartupError;
use crate::member::WithdrawalHandle;
use crate::telemetry::Recorder;
use crate::worker::{Command, Report, Workers};

/// Time past the drain's end for the last refusals to be sent.
const DRAIN_GRACE: Duration = Duration::from_millis(500);

/// Everything the control thread needs between ready and exit.
pub struct Supervisor {
    pub clock: Clock,
    pub drain: Duration,
    pub workers: Workers,
    pub recorder: Recorder,
    pub phase: watch::Sender<Phase>,
    /// Background tasks; if one ends, the process ends with an error.
    pub tasks: JoinSet<()>,
    pub reports: mpsc::Receiver<Report>,
    pub stops: mpsc::Receiver<()>,
    /// To the control plane, if there is one.
    pub mesh: Option<MeshHandle>,
}

impl Supervisor {
    /// Serves until a stop, drains, and returns when the workers have ended or time is up.
    ///
    /// # Errors
    /// When a worker ended without being told to, or one of the tasks did.
    pub async fn run(mut self) -> Result<(), StartupError> {
        loop {
            tokio::select! {
                // A program that dropped its `Running` can no longer stop us otherwise.
                _ = self.stops.recv() => break,
                report = self.reports.recv() => self.serving(report)?,
                Some(ended) = self.tasks.join_next() => return Err(task_ended(ended)),
            }
        }
        self.drain().await;
        self.recorder.close().await;
        Ok(())
    }

    fn serving(&mut self, report: Option<Report>) -> Result<(), StartupError> {
        let failed = |error| Err(StartupError::Worker(error));
        let Some(report) = report else {
            return failed(io::Error::other("all are gone"));
        };
        match self.record(report) {
            None => Ok(()),
            Some(Ok(())) => failed(io::Error::other("it was not told to")),
            Some(Err(error)) => failed(error),
        }
    }

    async fn drain(&mut self) {
        tracing::info!(seconds = self.drain.as_secs(), "draining");
        // Fails only when there is no receiver.
        let _ = self.phase.send(Phase::Draining);
        match tokio::time::timeout(self.drain + DRAIN_GRACE, self.until_drained()).await {
            Ok(()) => tracing::info!("drained"),
            Err(_) => tracing::warn!("the drain's time is over"),
        }
    }

    /// Withdraws, tells the workers, and returns when all have ended or a second stop came.
    async fn until_drained(&mut self) {
        let deadline = self.clock.now() + self.drain;
        let (workers, withdrawal) = (self.workers.clone(), self.withdrawal());
        // The calls in flight have the other half.
        let longest = self.drain / 2;
        // The mesh may not answer, a stalled worker have no room: neither the time nor the second
        // stop waits for them.
        let mut tell = pin!(async move {
            if let Some(withdrawal) = withdrawal {
                withdrawal.withdraw(longest).await;
            }
            workers.tell(|| Command::Drain(deadline)).await;
        });
        let mut sent = false;
        loop {
            tokio::select! {
                () = &mut tell, if !sent => sent = true,
                // A closed channel is no second stop.
                Some(()) = self.stops.recv() => return,
                report = self.reports.recv() => match report {
                    Some(report) => drop(self.record(report)),
                    None => return,
                },
            }
        }
    }

    fn withdrawal(&self) -> Option<WithdrawalHandle> {
        self.mesh.as_ref().map(|mesh| mesh.withdrawal.clone())
    }

    /// Takes a report; returns how a worker ended if it is about that.
    fn record(&mut self, report: Report) -> Option<io::Result<()>> {
        match report {
            Report::Calls { records, dropped } => self.recorder.record(&records, dropped),
            Report::Wanted(name) => self.want(name),
            // Fails when the asker has given up waiting.
            Report::Gauges(gauges, asked) => drop(asked.send(*gauges)),
            Report::Ended { worker, result } => {
                match &result {
                    Ok(()) => tracing::info!(worker, "a worker ended"),
                    Err(error) => tracing::error!(worker, %error, "a worker failed"),
                }
                return Some(result);
            }
        }
        None
    }

    /// Documents are complete: with them nothing is wanted.
    fn want(&self, name: String) {
        if let Some(mesh) = &self.mesh {
            // Fails when the member's task has ended, which ends the process.
            let _ = mesh.wants.send(name);
        }
    }
}

fn task_ended(ended: Result<(), JoinError>) -> StartupError {
    StartupError::Control(match ended {
        Ok(()) => "a task ended".to_owned(),
        Err(error) => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::AccessLog;
    use crate::telemetry::{AccessLogWriter, Metrics};
    use crate::worker::Handle;
    use std::path::Path;
    use std::sync::Arc;

    /// A supervisor without workers, and the senders of its reports and stops.
    fn supervisor() -> (Supervisor, mpsc::Sender<Report>, mpsc::Sender<()>) {
        let clock = Clock::start();
        let (tell, reports) = mpsc::channel(4);
        let (stop, stops) = mpsc::channel(2);
        let (_, known) = watch::channel(Arc::default());
        let log = AccessLogWriter::open(clock, AccessLog::Errors, Some(Path::new("/dev/null")));
        let log = log.expect("it opens");
        let supervisor = Supervisor {
            clock,
            drain: Duration::from_secs(3_600),
            workers: Workers::none(clock),
            recorder: Recorder::new("orders", Arc::new(Metrics::new()), known, log, None),
            phase: watch::channel(Phase::Serving).0,
            tasks: JoinSet::new(),
            reports,
            stops,
            mesh: None,
        };
        (supervisor, tell, stop)
    }

    fn ended(result: io::Result<()>) -> Report {
        Report::Ended { worker: 0, result }
    }

    #[tokio::test]
    async fn a_worker_that_ends_by_itself_ends_the_process_with_an_error() {
        for result in [Ok(()), Err(io::Error::other("a worker panicked"))] {
            let (supervisor, tell, _stop) = supervisor();
            tell.send(ended(result)).await.expect("it is heard");
            assert!(matches!(
                supervisor.run().await,
                Err(StartupError::Worker(_))
            ));
        }
    }

    #[tokio::test]
    async fn a_task_that_ends_ends_the_process_with_an_error() {
        for panics in [false, true] {
            let (mut supervisor, _tell, _stop) = supervisor();
            supervisor
                .tasks
                .spawn(async move { assert!(!panics, "on purpose") });
            assert!(matches!(
                supervisor.run().await,
                Err(StartupError::Control(_))
            ));
        }
    }

    #[tokio::test]
    async fn a_second_stop_does_not_wait_for_room_at_a_stalled_worker() {
        let (mut supervisor, _tell, stop) = supervisor();
        let (handle, _mailbox) = Handle::full(supervisor.clock);
        supervisor.workers = Workers::of(supervisor.clock, vec![handle]);
        stop.send(()).await.expect("it is heard");
        stop.send(()).await.expect("it is heard");
        assert!(supervisor.run().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_drain_ends_in_time_with_a_stalled_worker() {
        let (mut supervisor, _tell, stop) = supervisor();
        let (handle, _mailbox) = Handle::full(supervisor.clock);
        supervisor.workers = Workers::of(supervisor.clock, vec![handle]);
        stop.send(()).await.expect("it is heard");
        assert!(supervisor.run().await.is_ok());
    }

    #[tokio::test]
    async fn a_stop_ends_when_the_last_worker_has() {
        let (supervisor, tell, stop) = supervisor();
        let mut phase = supervisor.phase.subscribe();
        let running = tokio::spawn(supervisor.run());
        stop.send(()).await.expect("it is heard");
        let draining = phase.wait_for(|phase| *phase == Phase::Draining).await;
        assert!(draining.is_ok());
        drop(draining);
        tell.send(ended(Ok(()))).await.expect("it is heard");
        drop(tell);
        assert!(running.await.expect("no panic").is_ok());
    }

    #[tokio::test]
    async fn a_second_stop_does_not_wait_for_workers() {
        let (supervisor, _tell, stop) = supervisor();
        stop.send(()).await.expect("it is heard");
        stop.send(()).await.expect("it is heard");
        assert!(supervisor.run().await.is_ok());
    }
}
