//! Projects call records and engine gauges onto metrics and the access log.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use outrider_engine::{CallRecord, ClusterGauge, Gauges, Outcome, Side};
use outrider_policy::Class;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::watch;

use super::access_log::AccessLogWriter;
use super::known::{HTTP, Known};
use super::labels::{
    CallLabels, EndpointLabels, HandshakeLabels, MethodLabels, RefusalLabels, ServiceLabels,
    SideLabels,
};
use super::metrics::Metrics;

/// Takes records, in the order in which calls ended.
#[derive(Debug)]
pub struct Recorder {
    service: Arc<str>,
    metrics: Arc<Metrics>,
    known: watch::Receiver<Arc<Known>>,
    log: AccessLogWriter,
}

impl Recorder {
    /// A recorder for the sidecar of `service`, whose configuration is told through `known`.
    pub fn new(
        service: &str,
        metrics: Arc<Metrics>,
        known: watch::Receiver<Arc<Known>>,
        log: AccessLogWriter,
    ) -> Recorder {
        Recorder {
            service: Arc::from(service),
            metrics,
            known,
            log,
        }
    }

    /// Takes a batch; `dropped` records before it were lost.
    pub fn record(&mut self, records: &[CallRecord], dropped: u64) {
        self.metrics.records_dropped.inc_by(dropped);
        let known = Arc::clone(&self.known.borrow());
        for record in records {
            self.count(&known, record);
            self.log.write(record);
        }
        let lost = self.log.flush();
        self.metrics.log_lines_lost.inc_by(lost);
    }

    fn count(&self, known: &Known, record: &CallRecord) {
        let labels = self.labels(known, record);
        let method = MethodLabels {
            side: labels.side,
            service: Arc::clone(&labels.service),
            method: Arc::clone(&labels.method),
        };
        let service = ServiceLabels {
            side: labels.side,
            service: Arc::clone(&labels.service),
        };
        let metrics = &self.metrics;
        let duration = record.ended.since(record.started);
        metrics.durations.with(&method, |histogram| {
            histogram.observe(duration.as_secs_f64())
        });
        metrics.calls.with(&labels, add(1));
        metrics
            .attempts
            .with(&service, add(u64::from(record.attempts)));
        metrics
            .retries
            .with(&service, add(u64::from(record.retries)));
        metrics
            .request_bytes
            .with(&service, add(record.request_bytes));
        metrics
            .response_bytes
            .with(&service, add(record.response_bytes));
        self.count_end(record);
    }

    fn count_end(&self, record: &CallRecord) {
        let side = record.side.name();
        match record.outcome {
            Outcome::Answered => {}
            Outcome::Refused(reason) => {
                let labels = RefusalLabels {
                    side,
                    reason: reason.name(),
                };
                self.metrics.refusals.get_or_create(&labels).inc();
            }
            Outcome::Cancelled => {
                self.metrics
                    .cancelled
                    .get_or_create(&SideLabels { side })
                    .inc();
            }
        }
        if let Some(deadline) = record.deadline {
            let overrun = record.ended.since(deadline).as_secs_f64();
            let longest = self.metrics.overrun_max.get_or_create(&SideLabels { side });
            longest.set(longest.get().max(overrun));
        }
    }

    fn labels(&self, known: &Known, record: &CallRecord) -> CallLabels {
        let service = match record.side {
            Side::Outbound => known.service(record.cluster.as_deref()),
            Side::Inbound => Arc::clone(&self.service),
        };
        let method = if record.is_grpc {
            known.method(&record.path)
        } else {
            Arc::from(HTTP)
        };
        let peer = known.service(record.peer.as_deref().and_then(|peer| peer.service_name()));
        CallLabels {
            side: record.side.name(),
            service,
            method,
            code: code(record),
            peer,
        }
    }
}

/// Is this the end that everybody hoped for?
pub(super) fn ended_well(record: &CallRecord) -> bool {
    record.outcome == Outcome::Answered && record.class == Class::Success
}

/// A gRPC status by name; an HTTP status by its hundred.
fn code(record: &CallRecord) -> &'static str {
    if record.is_grpc {
        return record.code.name();
    }
    match record.http_status / 100 {
        1 => "HTTP_1XX",
        2 => "HTTP_2XX",
        3 => "HTTP_3XX",
        4 => "HTTP_4XX",
        5 => "HTTP_5XX",
        _ => "HTTP_NONE",
    }
}

fn add(count: u64) -> impl FnOnce(&Counter) {
    move |counter| {
        counter.inc_by(count);
    }
}

impl Metrics {
    /// Shows what the workers hold now. `silence_seconds` is the age of the oldest heartbeat.
    ///
    /// A worker that did not answer is missing in `gauges`; counters never go back for that.
    pub fn show(&self, gauges: &[Gauges], silence_seconds: f64) {
        let sum = |of: fn(&Gauges) -> usize| to_i64(gauges.iter().map(of).sum());
        self.worker_silence.set(silence_seconds);
        self.calls_active.set(sum(|gauges| gauges.calls));
        self.upstream.set(sum(|gauges| gauges.upstream));
        for (side, count) in [
            (Side::Outbound, sum(|gauges| gauges.downstream[0])),
            (Side::Inbound, sum(|gauges| gauges.downstream[1])),
        ] {
            self.downstream
                .get_or_create(&SideLabels { side: side.name() })
                .set(count);
        }
        self.show_endpoints(gauges);
        self.show_counters(gauges);
    }

    fn show_endpoints(&self, gauges: &[Gauges]) {
        self.endpoints.clear();
        for cluster in gauges.iter().flat_map(|gauges| &gauges.clusters) {
            let out = cluster
                .endpoints
                .iter()
                .filter(|endpoint| endpoint.out)
                .count();
            for (state, count) in [("in", cluster.endpoints.len() - out), ("out", out)] {
                self.show_endpoint_count(cluster, state, to_i64(count));
            }
        }
    }

    fn show_endpoint_count(&self, cluster: &ClusterGauge, state: &'static str, count: i64) {
        let labels = EndpointLabels {
            service: Arc::clone(&cluster.name),
            state,
        };
        self.endpoints.with(&labels, |gauge| {
            gauge.inc_by(count);
        });
    }

    fn show_counters(&self, gauges: &[Gauges]) {
        let sum = |of: fn(&Gauges) -> u64| gauges.iter().map(of).sum::<u64>();
        raise(
            &self.connect_failures,
            sum(|gauges| gauges.counters.connect_failures),
        );
        raise(&self.ejections, sum(|gauges| gauges.counters.ejections));
        raise(&self.recoveries, sum(|gauges| gauges.counters.recoveries));
        raise(&self.panic_picks, sum(|gauges| gauges.counters.panic_picks));
        raise(
            &self.budget_denied,
            sum(|gauges| gauges.counters.budget_denied),
        );
        raise(
            &self.protocol_errors,
            sum(|gauges| gauges.counters.protocol_errors),
        );
        // The engine counts inbound first.
        for (index, side) in [Side::Inbound, Side::Outbound].into_iter().enumerate() {
            let side = side.name();
            let total = |of: fn(&Gauges) -> [u64; 2]| {
                gauges.iter().map(|gauges| of(gauges)[index]).sum::<u64>()
            };
            let handshakes = |result| {
                self.handshakes
                    .get_or_create_owned(&HandshakeLabels { side, result })
            };
            raise(
                &handshakes("ok"),
                total(|gauges| gauges.counters.mtls_handshakes),
            );
            raise(
                &handshakes("failed"),
                total(|gauges| gauges.counters.handshake_failures),
            );
            let plaintext = self.plaintext.get_or_create_owned(&SideLabels { side });
            raise(
                &plaintext,
                total(|gauges| gauges.counters.plaintext_connections),
            );
        }
    }
}

/// Raises a counter to what the engines have counted themselves. Never lowers it.
fn raise(counter: &Counter, total: u64) {
    counter.inner().fetch_max(total, Ordering::Relaxed);
}

fn to_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::options::AccessLog;
    use crate::testing::record;
    use outrider_engine::{Counters, Reason};
    use outrider_policy::{Code, Tick};
    use std::time::Duration;

    fn metrics_after(records: &[CallRecord]) -> String {
        let metrics = Arc::new(Metrics::new());
        let (_configuration, known) = watch::channel(Arc::default());
        let log = AccessLogWriter::open(
            Clock::start(),
            AccessLog::Errors,
            Some(std::path::Path::new("/dev/null")),
        );
        let mut recorder = Recorder::new(
            "orders",
            Arc::clone(&metrics),
            known,
            log.expect("it opens"),
        );
        recorder.record(records, 3);
        metrics.encode()
    }

    fn has(text: &str, line: &str) {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is missing in\n{text}"
        );
    }

    #[test]
    fn a_call_is_counted_by_what_configuration_knows() {
        let text = metrics_after(&[CallRecord {
            attempts: 2,
            retries: 1,
            ..record()
        }]);
        has(
            &text,
            r#"outrider_calls_total{side="outbound",service="other",method="other",code="OK",peer="none"} 1"#,
        );
        has(
            &text,
            r#"outrider_attempts_total{side="outbound",service="other"} 2"#,
        );
        has(
            &text,
            r#"outrider_retries_total{side="outbound",service="other"} 1"#,
        );
        has(&text, "outrider_records_dropped_total 3");
    }

    #[test]
    fn a_plain_http_call_is_counted_by_the_hundred_of_its_status() {
        let text = metrics_after(&[CallRecord {
            is_grpc: false,
            http_status: 503,
            ..record()
        }]);
        has(
            &text,
            r#"outrider_calls_total{side="outbound",service="other",method="http",code="HTTP_5XX",peer="none"} 1"#,
        );
    }

    #[test]
    fn a_refusal_is_counted_by_its_reason_and_the_overrun_by_its_longest() {
        let second = |count| Tick::ZERO + Duration::from_secs(count);
        let late = |ended| CallRecord {
            code: Code::DeadlineExceeded,
            outcome: Outcome::Refused(Reason::DeadlineExceeded),
            deadline: Some(second(1)),
            ended: second(ended),
            ..record()
        };
        let text = metrics_after(&[late(3), late(2)]);
        has(
            &text,
            r#"outrider_refusals_total{side="outbound",reason="DEADLINE_EXCEEDED"} 2"#,
        );
        has(
            &text,
            r#"outrider_deadline_overrun_max_seconds{side="outbound"} 2.0"#,
        );
    }

    #[test]
    fn counters_do_not_go_back_when_a_worker_does_not_answer() {
        let metrics = Metrics::new();
        let counters = Counters {
            mtls_handshakes: [2, 3],
            ..Counters::default()
        };
        let worker = Gauges {
            counters,
            calls: 1,
            ..Gauges::default()
        };
        metrics.show(&[worker.clone(), worker.clone()], 0.0);
        metrics.show(&[worker], 0.0);
        let text = metrics.encode();
        has(
            &text,
            r#"outrider_mtls_handshakes_total{side="inbound",result="ok"} 4"#,
        );
        has(
            &text,
            r#"outrider_mtls_handshakes_total{side="outbound",result="ok"} 6"#,
        );
        has(&text, "outrider_calls_active 1");
    }
}
