//! Projects call records onto metrics, the access log and spans.

use std::borrow::Borrow;
use std::sync::Arc;

use outrider_engine::{CallRecord, Outcome, Side};
use outrider_policy::Class;
use tokio::sync::watch;

use super::access_log::AccessLogWriter;
use super::known_labels::KnownLabels;
use super::labels::{CallLabels, DecisionLabels, RefusalLabels, SideLabels};
use super::metrics::Metrics;
use super::peers::Peers;
use super::series::SeriesCache;
use super::spans::Spans;

/// Takes records, in the order in which calls ended.
#[derive(Debug)]
pub struct Recorder {
    service: Arc<str>,
    metrics: Arc<Metrics>,
    series: SeriesCache,
    known: watch::Receiver<Arc<KnownLabels>>,
    peers: Peers,
    log: AccessLogWriter,
    spans: Option<Spans>,
}

impl Recorder {
    /// A recorder for the sidecar of `service`, whose configuration is told through `known`.
    /// Without `spans` none are made.
    pub fn new(
        service: &str,
        metrics: Arc<Metrics>,
        known: watch::Receiver<Arc<KnownLabels>>,
        log: AccessLogWriter,
        spans: Option<Spans>,
    ) -> Recorder {
        Recorder {
            service: Arc::from(service),
            series: SeriesCache::new(Arc::clone(&metrics)),
            metrics,
            known,
            peers: Peers::new(),
            log,
            spans,
        }
    }

    /// Takes a batch; `dropped` records before it were lost.
    pub fn record(&mut self, records: &[impl Borrow<CallRecord>], dropped: u64) {
        self.metrics.records_dropped.inc_by(dropped);
        let known = Arc::clone(&self.known.borrow());
        for record in records {
            let record = record.borrow();
            self.count(&known, record);
            self.log.write(record);
            if let Some(spans) = &self.spans {
                spans.record(record);
            }
        }
        let lost = self.log.flush();
        self.metrics.access_lines_lost.inc_by(lost);
    }

    /// Takes no more records; what waits to be exported leaves.
    pub async fn close(self) {
        if let Some(spans) = self.spans {
            spans.close().await;
        }
    }

    fn count(&mut self, known: &KnownLabels, record: &CallRecord) {
        let labels = self.labels(known, record);
        let series = self.series.of(labels);
        let duration = record.ended.since(record.started);
        series.durations.observe(duration.as_secs_f64());
        series.calls.inc();
        series.attempts.inc_by(u64::from(record.attempts));
        series.retries.inc_by(u64::from(record.retries));
        series.request_bytes.inc_by(record.request_bytes);
        series.response_bytes.inc_by(record.response_bytes);
        self.count_end(record);
        self.count_decisions(record);
    }

    fn count_decisions(&self, record: &CallRecord) {
        for decision in record.trail.decisions() {
            let labels = DecisionLabels {
                side: record.side.name(),
                policy: decision.policy.name(),
                verdict: decision.verdict.name(),
                rule: Arc::from(decision.rule.as_str()),
            };
            self.metrics.decisions.of(&labels).inc();
        }
        let dropped = u64::from(record.trail.dropped());
        self.metrics.decisions_dropped.inc_by(dropped);
    }

    fn count_end(&self, record: &CallRecord) {
        let side = record.side.name();
        match record.outcome {
            Outcome::Answered => {}
            Outcome::Refused(reason) => {
                let reason = reason.name();
                let labels = RefusalLabels { side, reason };
                self.metrics.refusals.get_or_create(&labels).inc();
            }
            Outcome::Cancelled => {
                let labels = SideLabels { side };
                self.metrics.cancelled.get_or_create(&labels).inc();
            }
        }
        if !record.waited.is_zero() {
            let seconds = self
                .metrics
                .wait_seconds
                .get_or_create(&SideLabels { side });
            seconds.inc_by(record.waited.as_secs_f64());
        }
        if let Some(deadline) = record.deadline {
            let overrun = record.ended.since(deadline).as_secs_f64();
            let longest = self.metrics.overrun_max.get_or_create(&SideLabels { side });
            longest.set(longest.get().max(overrun));
        }
    }

    fn labels(&mut self, known: &KnownLabels, record: &CallRecord) -> CallLabels {
        let service = match record.side {
            Side::Outbound => known.service(record.cluster.as_deref()),
            Side::Inbound => Arc::clone(&self.service),
        };
        let method = match record.is_grpc {
            true => known.method(&record.path),
            false => known.http(),
        };
        CallLabels {
            side: record.side.name(),
            service,
            method,
            code: code(record),
            peer: self.peers.label(record.peer.as_ref()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::options::AccessLog;
    use crate::testing::record;
    use outrider_engine::Reason;
    use outrider_identity::SpiffeId;
    use outrider_policy::order::Step;
    use outrider_policy::{Code, Decision, Policy, PolicyVerdict, Rule, Tick, Trail};
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
            None,
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
    fn a_caller_that_no_document_names_is_called_by_its_identity() {
        let peer = SpiffeId::parse(b"spiffe://outrider.local/ns/shop/svc/frontend");
        let text = metrics_after(&[CallRecord {
            side: Side::Inbound,
            peer: Some(Arc::new(peer.expect("an id"))),
            ..record()
        }]);
        has(
            &text,
            r#"outrider_calls_total{side="inbound",service="orders",method="other",code="OK",peer="shop/frontend"} 1"#,
        );
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
    fn decisions_are_counted_by_policy_verdict_and_rule() {
        let decision = Decision {
            policy: Policy::Step(Step::Limits),
            verdict: PolicyVerdict::Refused,
            rule: Rule::Fixed("CALLS_LIMIT"),
        };
        let mut trail = Trail::default();
        for _ in 0..10 {
            trail.note(decision.clone());
        }
        let text = metrics_after(&[CallRecord { trail, ..record() }]);
        has(
            &text,
            r#"outrider_policy_decisions_total{side="outbound",policy="limits",verdict="refused",rule="CALLS_LIMIT"} 8"#,
        );
        has(&text, "outrider_policy_decisions_dropped_total 2");
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
}
