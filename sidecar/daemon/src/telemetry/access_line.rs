//! One line of the access log: which fields, in which units, from a call's record.
//!
//! Fields are always present, `null` when there is nothing to say, so that a reader can rely on
//! them. Described in `docs/METRICS.md`, section Access log.

use std::time::Duration;

use outrider_engine::{CallRecord, Outcome};
use outrider_policy::Decision;
use serde::Serialize;

use crate::clock::Clock;

/// The fields in the order of the docs.
#[derive(Serialize)]
pub struct Line<'a> {
    log: &'static str,
    time: f64,
    side: &'static str,
    trace_id: String,
    span_id: String,
    parent_span_id: Option<String>,
    request_id: &'a str,
    authority: &'a str,
    path: &'a str,
    route: Option<&'a str>,
    service: Option<&'a str>,
    endpoint: Option<String>,
    peer: Option<&'a str>,
    mtls: bool,
    code: &'static str,
    http_status: u16,
    outcome: &'static str,
    reason: Option<&'static str>,
    detail: Option<&'a str>,
    decisions: Vec<String>,
    attempts: u32,
    retries: u32,
    request_bytes: u64,
    response_bytes: u64,
    duration_ms: f64,
    first_byte_ms: Option<f64>,
    waited_ms: f64,
    deadline_ms: Option<f64>,
    overrun_ms: Option<f64>,
}

impl<'a> Line<'a> {
    /// The line of a call.
    pub fn of(clock: Clock, record: &'a CallRecord) -> Line<'a> {
        let (outcome, reason) = outcome(record.outcome);
        Line {
            log: "access",
            time: clock.unix(record.started).as_secs_f64(),
            side: record.side.name(),
            trace_id: hex(&record.trace.trace_id()),
            span_id: hex(&record.trace.span_id()),
            parent_span_id: record.parent_span.map(|span| hex(&span)),
            request_id: &record.request_id,
            authority: &record.authority,
            path: &record.path,
            route: record.route.as_deref(),
            service: record.cluster.as_deref(),
            endpoint: record.endpoint.map(|address| address.to_string()),
            peer: record.peer.as_deref().map(|peer| peer.as_str()),
            mtls: record.peer.is_some(),
            code: record.code.name(),
            http_status: record.http_status,
            outcome,
            reason,
            detail: record.detail.as_deref(),
            decisions: decisions(record),
            attempts: record.attempts,
            retries: record.retries,
            request_bytes: record.request_bytes,
            response_bytes: record.response_bytes,
            duration_ms: milliseconds(record.ended.since(record.started)),
            first_byte_ms: record.first_byte.map(milliseconds),
            waited_ms: milliseconds(record.waited),
            deadline_ms: record
                .deadline
                .map(|deadline| milliseconds(deadline.since(record.started))),
            overrun_ms: record
                .deadline
                .map(|deadline| milliseconds(record.ended.since(deadline))),
        }
    }
}

fn decisions(record: &CallRecord) -> Vec<String> {
    let decisions = record.trail.decisions().iter();
    decisions.map(Decision::to_string).collect()
}

fn outcome(outcome: Outcome) -> (&'static str, Option<&'static str>) {
    match outcome {
        Outcome::Answered => ("answered", None),
        Outcome::Refused(reason) => ("refused", Some(reason.name())),
        Outcome::Cancelled => ("cancelled", None),
    }
}

/// Milliseconds to the microsecond.
fn milliseconds(span: Duration) -> f64 {
    span.as_micros() as f64 / 1_000.0
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
