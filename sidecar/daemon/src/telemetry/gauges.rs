//! Projects what the engines hold and have counted onto metrics, when somebody asks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use outrider_engine::{ClusterGauge, Contained, EndCause, Foreign, Gauges, Side, WAITED_FOR};
use prometheus_client::metrics::counter::Counter;

use super::labels::{
    CauseLabels, EndLabels, EndedLabels, EndpointLabels, ForeignLabels, GivenUpLabels,
    HandshakeLabels, LimitLabels, MissingLabels, SideLabels, WaitLabels,
};
use super::metrics::Metrics;
use crate::log;
use crate::worker::Resources;

impl Metrics {
    /// Shows what the workers hold now. `silence_seconds` is the age of the oldest heartbeat.
    ///
    /// A worker that did not answer is missing in `gauges`; counters never go back for that.
    pub fn show(&self, gauges: &[Gauges], silence_seconds: f64) {
        let sum = |of: fn(&Gauges) -> usize| to_i64(gauges.iter().map(of).sum());
        self.worker_silence.set(silence_seconds);
        raise(&self.log_lines_lost, log::lines_lost());
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
        self.show_waits(gauges);
        self.show_counters(gauges);
        self.show_lives(gauges);
        self.show_foreign(gauges);
    }

    /// What ended connections and streams. The engine counts the downstream end first.
    fn show_lives(&self, gauges: &[Gauges]) {
        let sum = |of: &dyn Fn(&Gauges) -> u64| gauges.iter().map(of).sum::<u64>();
        for (index, end) in ["downstream", "upstream"].into_iter().enumerate() {
            for cause in EndCause::ALL {
                let total = sum(&|gauges| gauges.counters.ended[index][cause as usize]);
                let cause = cause.name();
                let labels = CauseLabels { end, cause };
                raise(&self.connections_ended.get_or_create_owned(&labels), total);
            }
            let stalled = self.streams_stalled.get_or_create_owned(&EndLabels { end });
            let total = sum(&|gauges| gauges.counters.streams_stalled[index]);
            raise(&stalled, total);
        }
        let pings = sum(&|gauges| gauges.counters.keepalive_pings);
        raise(&self.keepalive_pings, pings);
        let complaints = sum(&|gauges| gauges.counters.keepalive_complaints);
        raise(&self.keepalive_complaints, complaints);
    }

    /// Who came to the wrong listener.
    fn show_foreign(&self, gauges: &[Gauges]) {
        for side in [Side::Outbound, Side::Inbound] {
            for (index, protocol) in Foreign::KINDS.into_iter().enumerate() {
                let of = |gauges: &Gauges| gauges.counters.foreign[side as usize][index];
                let labels = ForeignLabels {
                    side: side.name(),
                    protocol,
                };
                let counter = self.foreign.get_or_create_owned(&labels);
                raise(&counter, gauges.iter().map(of).sum());
            }
        }
    }

    /// Shows what the process has left for traffic.
    pub fn show_resources(&self, resources: &Resources) {
        let Resources {
            descriptors,
            memory,
        } = resources;
        self.connections_max
            .set(descriptors.connections_max().into());
        raise(&self.accept_pauses, descriptors.pauses());
        let bytes = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.memory_used.set(bytes(memory.used_bytes()));
        self.memory_limit.set(bytes(memory.limit_bytes()));
    }

    fn show_waits(&self, gauges: &[Gauges]) {
        for (index, missing) in WAITED_FOR.into_iter().enumerate() {
            let waiting = gauges.iter().map(|gauges| gauges.waiting[index]).sum();
            self.waiting
                .get_or_create(&MissingLabels { missing })
                .set(to_i64(waiting));
            let ended = |result, of: fn(&Gauges) -> [u64; WAITED_FOR.len()]| {
                let labels = WaitLabels { missing, result };
                let total = gauges.iter().map(|gauges| of(gauges)[index]).sum();
                raise(&self.waits.get_or_create_owned(&labels), total);
            };
            ended("answered", |gauges| gauges.counters.waits_answered);
            ended("given_up", |gauges| gauges.counters.waits_given_up);
        }
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
        self.endpoints.of(&labels).inc_by(count);
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
        for ended in Contained::ALL {
            let labels = EndedLabels {
                ended: ended.name(),
            };
            let total = gauges
                .iter()
                .map(|gauges| gauges.counters.contained_panics[ended as usize])
                .sum();
            raise(&self.contained_panics.get_or_create_owned(&labels), total);
        }
        self.show_limits(gauges);
        let given_up = |what| self.given_up.get_or_create_owned(&GivenUpLabels { what });
        raise(
            &given_up("stream"),
            sum(|gauges| gauges.counters.relief_streams),
        );
        raise(
            &given_up("connection"),
            sum(|gauges| gauges.counters.relief_connections),
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

impl Metrics {
    /// The engine counts downstream first.
    fn show_limits(&self, gauges: &[Gauges]) {
        for (index, end) in ["downstream", "upstream"].into_iter().enumerate() {
            let mut all = outrider_http2::Counters::default();
            for gauges in gauges {
                all += &gauges.counters.http2_limits[index];
            }
            let labels = EndLabels { end };
            let stripped = self.values_stripped.get_or_create_owned(&labels);
            raise(&stripped, all.values_stripped);
            for (limit, total) in all.by_limit() {
                let labels = LimitLabels { end, limit };
                raise(&self.http2_limits.get_or_create_owned(&labels), total);
            }
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
    use outrider_engine::Counters;

    fn has(text: &str, line: &str) {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is missing in\n{text}"
        );
    }

    #[test]
    fn every_limit_that_is_counted_is_documented() {
        let page = include_str!("../../../../docs/METRICS.md");
        for (limit, _) in outrider_http2::Counters::default().by_limit() {
            assert!(page.contains(&format!("`{limit}`")), "{limit}");
        }
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
