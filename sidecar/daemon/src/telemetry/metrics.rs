//! All metrics of the sidecar, each named once.
//!
//! Knows what is counted, not when: `recorder.rs` projects calls, `gauges.rs` what the engines hold, the control side
//! reports its own state. The ceilings add up to fewer than 5,000 series.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::AtomicU64;

use outrider_policy::Tick;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry};

use super::bounded_family::BoundedFamily;
use super::labels::{
    CallLabels, CauseLabels, DecisionLabels, EndLabels, EndedLabels, EndpointLabels, ForeignLabels,
    GivenUpLabels, HandshakeLabels, Labels, LimitLabels, MethodLabels, MissingLabels,
    RefusalLabels, ResultLabels, ServiceLabels, SideLabels, WaitLabels,
};
use crate::member::MemberStatus;

/// Label sets of `outrider_calls`, a series each.
pub(super) const CALL_SETS_MAX: usize = 2_400;

/// Label sets of the latency histogram, 19 series each.
const DURATION_SETS_MAX: usize = 80;

/// Label sets of the decisions. Some thirty are fixed, the others are rules that the configuration names.
const DECISION_SETS_MAX: usize = 150;

/// Label sets of a family by service, of which there are five.
const SERVICE_SETS_MAX: usize = 150;

/// First bucket of the latency histogram. Seconds; each next is twice as wide, 16 in all, so the
/// last finite one is 8.2 s.
const DURATION_FIRST_BUCKET: f64 = 0.000_25;
const DURATION_BUCKETS: u16 = 16;

type FloatGauge = Gauge<f64, AtomicU64>;
type FloatCounter = Counter<f64, AtomicU64>;

/// Handles to every metric, and the registry that prints them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub(super) calls: BoundedFamily<CallLabels, Counter>,
    pub(super) durations: BoundedFamily<MethodLabels, Histogram>,
    pub(super) attempts: BoundedFamily<ServiceLabels, Counter>,
    pub(super) retries: BoundedFamily<ServiceLabels, Counter>,
    pub(super) request_bytes: BoundedFamily<ServiceLabels, Counter>,
    pub(super) response_bytes: BoundedFamily<ServiceLabels, Counter>,
    pub(super) refusals: Family<RefusalLabels, Counter>,
    pub(super) decisions: BoundedFamily<DecisionLabels, Counter>,
    pub(super) decisions_dropped: Counter,
    pub(super) cancelled: Family<SideLabels, Counter>,
    pub(super) overrun_max: Family<SideLabels, FloatGauge>,
    pub(super) calls_active: Gauge,
    pub(super) waiting: Family<MissingLabels, Gauge>,
    pub(super) waits: Family<WaitLabels, Counter>,
    pub(super) wait_seconds: Family<SideLabels, FloatCounter>,
    pub(super) downstream: Family<SideLabels, Gauge>,
    pub(super) upstream: Gauge,
    pub(super) endpoints: BoundedFamily<EndpointLabels, Gauge>,
    pub(super) handshakes: Family<HandshakeLabels, Counter>,
    pub(super) plaintext: Family<SideLabels, Counter>,
    pub(super) connect_failures: Counter,
    pub(super) ejections: Counter,
    pub(super) recoveries: Counter,
    pub(super) panic_picks: Counter,
    pub(super) budget_denied: Counter,
    pub(super) protocol_errors: Counter,
    pub(super) http2_limits: Family<LimitLabels, Counter>,
    pub(super) connections_max: Gauge,
    pub(super) accept_pauses: Counter,
    pub(super) contained_panics: Family<EndedLabels, Counter>,
    pub(super) connections_ended: Family<CauseLabels, Counter>,
    pub(super) streams_stalled: Family<EndLabels, Counter>,
    pub(super) foreign: Family<ForeignLabels, Counter>,
    pub(super) values_stripped: Family<EndLabels, Counter>,
    pub(super) keepalive_pings: Counter,
    pub(super) keepalive_complaints: Counter,
    pub(super) memory_used: Gauge,
    pub(super) memory_limit: Gauge,
    pub(super) given_up: Family<GivenUpLabels, Counter>,
    pub(super) worker_silence: FloatGauge,
    pub(super) records_dropped: Counter,
    pub(super) access_lines_lost: Counter,
    pub(super) log_lines_lost: Counter,
    pub(super) spans_exported: Counter,
    pub(super) spans_dropped: Counter,
    configuration_changes: Family<ResultLabels, Counter>,
    configuration_age: FloatGauge,
    control_plane_connected: Gauge,
    control_plane_answer_age: FloatGauge,
    last_good_age: FloatGauge,
    resources_rejected: Gauge,
    identity_changes: Family<ResultLabels, Counter>,
    identity_left: FloatGauge,
    name_lookups: Family<ResultLabels, Counter>,
}

impl Metrics {
    /// Names and registers all metrics. The table in `docs/METRICS.md` has the same order.
    #[rustfmt::skip] // A table: one metric a line.
    pub fn new() -> Metrics {
        let mut registry = Registry::with_prefix("outrider");
        let r = &mut registry;
        let durations = || Histogram::new(exponential_buckets(DURATION_FIRST_BUCKET, 2.0, DURATION_BUCKETS));
        Metrics {
            calls: bounded(r, "calls", "Calls that ended", CALL_SETS_MAX),
            durations: {
                let family = register(r, "call_duration_seconds", "Time from a call's header block to its end", Family::new_with_constructor(durations as fn() -> Histogram));
                BoundedFamily::new(family, DURATION_SETS_MAX)
            },
            attempts: bounded(r, "attempts", "Request heads sent upstream", SERVICE_SETS_MAX),
            retries: bounded(r, "retries", "Further tries decided on", SERVICE_SETS_MAX),
            request_bytes: bounded(r, "request_bytes", "Request body octets received from callers", SERVICE_SETS_MAX),
            response_bytes: bounded(r, "response_bytes", "Response body octets passed to callers", SERVICE_SETS_MAX),
            refusals: register(r, "refusals", "Calls answered by this sidecar instead of the application", Family::default()),
            decisions: bounded(r, "policy_decisions", "What policies decided about calls that ended", DECISION_SETS_MAX),
            decisions_dropped: register(r, "policy_decisions_dropped", "Decisions beyond the first eight of a call", Counter::default()),
            cancelled: register(r, "cancelled_calls", "Calls their caller gave up", Family::default()),
            overrun_max: register(r, "deadline_overrun_max_seconds", "Longest time a call lived past its deadline, since the start", Family::default()),
            calls_active: register(r, "calls_active", "Calls alive", Gauge::default()),
            waiting: register(r, "calls_waiting", "Calls that wait for what they need to be sent", Family::default()),
            waits: register(r, "waits", "Such waits that are over", Family::default()),
            wait_seconds: register(r, "wait_seconds", "Time that ended calls waited", Family::default()),
            downstream: register(r, "downstream_connections", "Connections from callers", Family::default()),
            upstream: register(r, "upstream_connections", "Connections to endpoints", Gauge::default()),
            endpoints: BoundedFamily::new(register(r, "endpoints", "Endpoints by whether they are in rotation, summed over workers", Family::default()), SERVICE_SETS_MAX),
            handshakes: register(r, "mtls_handshakes", "Mutual TLS handshakes", Family::default()),
            plaintext: register(r, "plaintext_connections", "Connections between sidecars without mutual TLS", Family::default()),
            connect_failures: register(r, "connect_failures", "Connections to endpoints that could not be made", Counter::default()),
            ejections: register(r, "ejections", "Endpoints taken out of rotation by a breaker or by ejection", Counter::default()),
            recoveries: register(r, "recoveries", "Endpoints back in rotation", Counter::default()),
            panic_picks: register(r, "panic_picks", "Picks among endpoints that were all out", Counter::default()),
            budget_denied: register(r, "retry_budget_denied", "Retries denied by the budget", Counter::default()),
            protocol_errors: register(r, "protocol_errors", "Connections ended for an HTTP/2 error of the peer", Counter::default()),
            http2_limits: register(r, "http2_limits", "Times that a limit of HTTP/2 tripped", Family::default()),
            connections_max: register(r, "connections_max", "Connections that there are file descriptors for", Gauge::default()),
            accept_pauses: register(r, "accept_pauses", "Times that a listener stopped accepting for want of descriptors or memory", Counter::default()),
            contained_panics: register(r, "contained_panics", "What panics of this sidecar ended instead of the process", Family::default()),
            connections_ended: register(r, "connections_ended", "Connections that this sidecar ended", Family::default()),
            foreign: register(r, "foreign_connections", "Connections whose peer spoke another protocol than the listener", Family::default()),
            values_stripped: register(r, "http2_values_stripped", "Values of fields that had white space at an end, which was stripped", Family::default()),
            streams_stalled: register(r, "streams_stalled", "Streams reset because their peer took nothing of what was held for it", Family::default()),
            keepalive_pings: register(r, "keepalive_pings", "Pings sent to silent peers", Counter::default()),
            keepalive_complaints: register(r, "keepalive_complaints", "Times a server called our pings too many", Counter::default()),
            memory_used: register(r, "memory_used_bytes", "Anonymous resident memory of the process", Gauge::default()),
            memory_limit: register(r, "memory_limit_bytes", "What the process may use", Gauge::default()),
            given_up: register(r, "memory_given_up", "Calls and connections ended for want of memory", Family::default()),
            worker_silence: register(r, "worker_silence_seconds", "Time since the slowest worker began a turn", FloatGauge::default()),
            records_dropped: register(r, "records_dropped", "Call records dropped because the queue was full", Counter::default()),
            access_lines_lost: register(r, "access_log_lines_lost", "Access log lines that could not be written", Counter::default()),
            log_lines_lost: register(r, "log_lines_lost", "Lines of the sidecar's own log that could not be written", Counter::default()),
            spans_exported: register(r, "spans_exported", "Spans that the collector took", Counter::default()),
            spans_dropped: register(r, "spans_dropped", "Spans that did not reach the collector", Counter::default()),
            configuration_changes: register(r, "configuration_changes", "Changes of the documents", Family::default()),
            configuration_age: register(r, "configuration_age_seconds", "Time since the configuration in force was accepted", FloatGauge::default()),
            control_plane_connected: register(r, "control_plane_connected", "Is there a stream of configuration?", Gauge::default()),
            control_plane_answer_age: register(r, "control_plane_answer_age_seconds", "Time since the control plane last said something of the configuration", FloatGauge::default()),
            last_good_age: register(r, "last_good_age_seconds", "Time since the configuration that a start without a control plane found was saved", FloatGauge::default()),
            resources_rejected: register(r, "resources_rejected", "Resources whose last version is refused", Gauge::default()),
            identity_changes: register(r, "identity_changes", "Changes of certificate, key or trust bundle", Family::default()),
            identity_left: register(r, "identity_left_seconds", "Time until this sidecar's certificate expires", FloatGauge::default()),
            name_lookups: register(r, "name_lookups", "DNS lookups of endpoint names", Family::default()),
            registry,
        }
    }

    /// All metrics in the OpenMetrics text format.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` does not fail, and our own label sets encode.
        if let Err(error) = prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            tracing::error!(%error, "metrics could not be encoded");
        }
        text
    }

    /// The documents changed, or the control plane said something new, and it was accepted or
    /// refused.
    pub fn configuration_changed(&self, accepted: bool) {
        self.configuration_changes
            .get_or_create(&accepted_or_refused(accepted))
            .inc();
    }

    /// The identity's files changed, or it was renewed, and that was accepted or refused.
    pub fn identity_changed(&self, accepted: bool) {
        self.identity_changes
            .get_or_create(&accepted_or_refused(accepted))
            .inc();
    }

    /// Age of the configuration and life left of the certificate, both as of now; without a
    /// certificate the latter is 0.
    pub fn ages(&self, configuration_seconds: f64, identity_left_seconds: f64) {
        self.configuration_age.set(configuration_seconds);
        self.identity_left.set(identity_left_seconds);
    }

    /// How it goes with the control plane as of `now`; before its first answer its age is that of
    /// the process.
    pub fn membership(&self, now: Tick, now_unix: i64, member: &MemberStatus) {
        let answered_at = member.answered_at.unwrap_or(Tick::ZERO);
        let restored = member
            .restored_unix
            .filter(|_| member.answered_at.is_none());
        let last_good_age = restored.map_or(0, |saved| (now_unix - saved).max(0)) as f64;
        self.control_plane_connected.set(member.connected.into());
        self.control_plane_answer_age
            .set(now.since(answered_at).as_secs_f64());
        self.last_good_age.set(last_good_age);
        let rejected = i64::try_from(member.rejected_count);
        self.resources_rejected.set(rejected.unwrap_or(i64::MAX));
    }

    /// A DNS lookup ended: `found`, `nothing` or `failed`.
    pub fn name_looked_up(&self, result: &'static str) {
        self.name_lookups
            .get_or_create(&ResultLabels { result })
            .inc();
    }
}

fn accepted_or_refused(accepted: bool) -> ResultLabels {
    ResultLabels {
        result: if accepted { "accepted" } else { "refused" },
    }
}

fn register<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

fn bounded<L>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    sets_max: usize,
) -> BoundedFamily<L, Counter>
where
    L: Labels + EncodeLabelSet + Debug + Clone + Eq + Hash + Send + Sync + 'static,
{
    BoundedFamily::new(register(registry, name, help, Family::default()), sets_max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const PAGE: &str = include_str!("../../../../docs/METRICS.md");

    /// The part of the page that is about sidecars.
    fn page() -> &'static str {
        PAGE.split("\n# Control plane\n").next().unwrap_or(PAGE)
    }

    /// Names in the table of the docs, without the `_total` that scraping adds to counters.
    fn documented() -> BTreeSet<String> {
        let rows = page()
            .lines()
            .filter(|line| line.starts_with("| `outrider_"));
        let names = rows.filter_map(|row| row.split('`').nth(1));
        names
            .map(|name| name.trim_end_matches("_total").to_owned())
            .collect()
    }

    /// Names of all registered metrics, also of families that are still empty and not encoded.
    fn registered() -> BTreeSet<String> {
        let printed = format!("{:?}", Metrics::new().registry);
        let names = printed
            .split("Descriptor { name: \"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        names.map(|name| format!("outrider_{name}")).collect()
    }

    #[test]
    fn every_metric_is_documented_and_every_documented_metric_exists() {
        assert_eq!(registered(), documented());
    }

    #[test]
    fn the_docs_call_a_counter_what_is_scraped_as_one() {
        for row in page()
            .lines()
            .filter(|line| line.starts_with("| `outrider_"))
        {
            let counter = row.contains("_total` | counter |");
            assert!(
                counter || row.contains("` | gauge |") || row.contains("` | histogram |"),
                "{row}"
            );
        }
    }

    #[test]
    fn the_ceilings_add_up_to_fewer_than_5000_series() {
        let by_service = 5 * SERVICE_SETS_MAX;
        let durations = DURATION_SETS_MAX * (usize::from(DURATION_BUCKETS) + 3);
        let closed_lists = 190;
        assert!(CALL_SETS_MAX + durations + by_service + closed_lists < 5_000);
    }
}
