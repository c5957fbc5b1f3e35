//! The way to the collector: batches over one gRPC connection.
//!
//! A batch that the collector does not take is dropped and counted, not sent again: the collector
//! may have it already, and what waits meanwhile is worth more. After a failure the next batch
//! waits longer and longer, while the queue in front of this task fills.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use opentelemetry_semantic_conventions::SCHEMA_URL;
use tokio::sync::mpsc;
use tonic::Status;
use tonic::transport::{Channel, Uri};

use super::attributes::Attributes;
use crate::grpc_error::describe;
use crate::telemetry::metrics::Metrics;

/// Spans in a batch: some 500 KiB, well under the 4 MiB that gRPC servers take by default.
const BATCH_SPANS: usize = 512;

/// Longest time a span waits for its batch to fill.
const BATCH_WAIT: Duration = Duration::from_secs(1);

/// Longest wait for a connection to the collector.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest wait for the collector's answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// A silent connection is asked for a sign of life this often, and given up after as long again.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Pause after a failed export; doubles with each further one up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Which process the spans come from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Name of the service.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
    /// Tells instances of the service apart; differs at every start.
    pub instance: String,
}

/// The task that sends.
pub struct Exporter {
    client: TraceServiceClient<Channel>,
    resource: Resource,
    waiting: mpsc::Receiver<Span>,
    metrics: Arc<Metrics>,
    /// Exports that failed since the last that did not.
    failures: u32,
}

impl Exporter {
    pub fn new(
        collector: Uri,
        origin: Origin,
        waiting: mpsc::Receiver<Span>,
        metrics: Arc<Metrics>,
    ) -> Exporter {
        let channel = Channel::builder(collector)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .connect_lazy();
        let Origin {
            service,
            namespace,
            instance,
        } = origin;
        Exporter {
            client: TraceServiceClient::new(channel),
            resource: Resource {
                attributes: Attributes::of_process(&service, &namespace, &instance).into_vec(),
                ..Resource::default()
            },
            waiting,
            metrics,
            failures: 0,
        }
    }

    /// Sends until the queue is closed and empty.
    pub async fn run(mut self) {
        while let Some(batch) = self.next_batch().await {
            self.export(batch).await;
        }
    }

    /// Full, or as many as came within [`BATCH_WAIT`] of the first; `None`: there will be no more.
    async fn next_batch(&mut self) -> Option<Vec<Span>> {
        let mut batch = vec![self.waiting.recv().await?];
        let fill = async {
            while batch.len() < BATCH_SPANS {
                let room = BATCH_SPANS - batch.len();
                if self.waiting.recv_many(&mut batch, room).await == 0 {
                    return;
                }
            }
        };
        // Not full in time: what there is goes.
        let _ = tokio::time::timeout(BATCH_WAIT, fill).await;
        Some(batch)
    }

    async fn export(&mut self, batch: Vec<Span>) {
        let count = batch.len() as u64;
        let answer = self.client.export(self.request(batch)).await;
        match answer {
            Ok(answer) => {
                let partial = answer.into_inner().partial_success.unwrap_or_default();
                let rejected = u64::try_from(partial.rejected_spans)
                    .unwrap_or(0)
                    .min(count);
                self.metrics.spans_dropped.inc_by(rejected);
                self.metrics.spans_exported.inc_by(count - rejected);
                self.succeeded();
            }
            Err(status) => {
                self.metrics.spans_dropped.inc_by(count);
                self.failed(&status).await;
            }
        }
    }

    fn request(&self, spans: Vec<Span>) -> ExportTraceServiceRequest {
        let scope = InstrumentationScope {
            name: "outrider".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let spans = ScopeSpans {
            scope: Some(scope),
            spans,
            schema_url: SCHEMA_URL.to_owned(),
        };
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(self.resource.clone()),
                scope_spans: vec![spans],
                schema_url: SCHEMA_URL.to_owned(),
            }],
        }
    }

    fn succeeded(&mut self) {
        if mem::take(&mut self.failures) > 0 {
            tracing::info!("the collector takes spans again");
        }
    }

    async fn failed(&mut self, status: &Status) {
        if self.failures == 0 {
            tracing::warn!(
                problem = describe(status, None),
                "the collector took no spans; they are dropped"
            );
        }
        let pause = PAUSE_FIRST
            .saturating_mul(1 << self.failures.min(8))
            .min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        // Who closed the queue waits for the end, not for the collector.
        if !self.waiting.is_closed() {
            tokio::time::sleep(pause).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exporter() -> (Exporter, mpsc::Sender<Span>, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new());
        let (queue, waiting) = mpsc::channel(2 * BATCH_SPANS);
        let origin = Origin {
            service: "orders".to_owned(),
            namespace: "default".to_owned(),
            instance: "1".to_owned(),
        };
        // Nobody listens on port 0.
        let nowhere = Uri::from_static("http://127.0.0.1:0");
        let exporter = Exporter::new(nowhere, origin, waiting, Arc::clone(&metrics));
        (exporter, queue, metrics)
    }

    #[tokio::test]
    async fn a_batch_goes_when_it_is_full() {
        let (mut exporter, queue, _) = exporter();
        for _ in 0..BATCH_SPANS + 1 {
            queue.try_send(Span::default()).expect("there is room");
        }
        let batch = exporter.next_batch().await.expect("there are spans");
        assert_eq!(batch.len(), BATCH_SPANS);
        drop(queue);
        let rest = exporter.next_batch().await.expect("one is left");
        assert_eq!(rest.len(), 1, "a closed queue is not waited for");
        assert!(exporter.next_batch().await.is_none());
    }

    #[tokio::test]
    async fn what_the_collector_does_not_take_is_counted() {
        let (exporter, queue, metrics) = exporter();
        for _ in 0..3 {
            queue.try_send(Span::default()).expect("there is room");
        }
        drop(queue);
        exporter.run().await;
        assert_eq!(metrics.spans_dropped.get(), 3);
        assert_eq!(metrics.spans_exported.get(), 0);
    }
}
