//! Spans: what sampled calls look like in a tracing system, and their way there over OTLP/gRPC.
//!
//! `call_span` projects a call's record onto its span and those of its attempts, `attributes` names
//! what they say, `exporter` sends them in batches. The queue between is bounded: what finds no
//! room is dropped and counted, and no call ever waits for a collector.
//! Reference: OTLP 1.x, <https://opentelemetry.io/docs/specs/otlp/>.

mod attributes;
mod call_span;
mod exporter;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;
use outrider_engine::CallRecord;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinHandle;
use tonic::transport::Uri;

use super::metrics::Metrics;
use crate::clock::Clock;
use exporter::Exporter;
pub use exporter::Origin;

/// Spans that may wait for the collector, some 8 MiB.
const WAITING_MAX: usize = 8_192;

/// Longest time that the end of the process waits for the last spans to leave.
const LAST_EXPORT_WAIT: Duration = Duration::from_secs(2);

/// Takes records and sees to it that the spans of the sampled ones are exported.
#[derive(Debug)]
pub struct Spans {
    clock: Clock,
    metrics: Arc<Metrics>,
    queue: mpsc::Sender<Span>,
    exporter: JoinHandle<()>,
}

impl Spans {
    /// Starts the exporter on the runtime of the caller. It connects when there is something to
    /// send, and again whenever the connection was lost.
    pub fn export_to(collector: Uri, origin: Origin, clock: Clock, metrics: Arc<Metrics>) -> Spans {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let exporter = Exporter::new(collector, origin, waiting, Arc::clone(&metrics));
        Spans {
            clock,
            metrics,
            queue,
            exporter: tokio::spawn(exporter.run()),
        }
    }

    /// Queues the spans of a call whose trace is sampled.
    pub fn record(&self, record: &CallRecord) {
        if !record.trace.sampled() {
            return;
        }
        for span in call_span::spans(self.clock, record) {
            match self.queue.try_send(span) {
                Ok(()) => {}
                Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {
                    self.metrics.spans_dropped.inc();
                }
            }
        }
    }

    /// Lets what waits leave, as far as that takes no longer than two seconds.
    pub async fn close(self) {
        drop(self.queue);
        if tokio::time::timeout(LAST_EXPORT_WAIT, self.exporter)
            .await
            .is_err()
        {
            tracing::warn!("the last spans did not reach the collector in time");
        }
    }
}
