//! The access log: one line of JSON for a call, from its record.
//!
//! By default only calls that did not end well get a line. Fields are always present, `null` when
//! there is nothing to say, so that a reader can rely on them. Escaping is serde_json's.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use outrider_engine::{CallRecord, Outcome};
use serde::Serialize;

use super::recorder::ended_well;
use crate::clock::Clock;
use crate::options::AccessLog;

/// Where lines go. A batch is written at once.
pub struct AccessLogWriter {
    clock: Clock,
    which: AccessLog,
    sink: Box<dyn Write + Send>,
    batch: Vec<u8>,
    lines: u64,
}

impl std::fmt::Debug for AccessLogWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessLogWriter")
            .field("which", &self.which)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Line<'a> {
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
    attempts: u32,
    retries: u32,
    request_bytes: u64,
    response_bytes: u64,
    duration_ms: f64,
    first_byte_ms: Option<f64>,
    deadline_ms: Option<f64>,
    overrun_ms: Option<f64>,
}

impl AccessLogWriter {
    /// Writes to the end of `file`, or to standard error.
    ///
    /// # Errors
    /// When the file cannot be opened for appending.
    pub fn open(
        clock: Clock,
        which: AccessLog,
        file: Option<&Path>,
    ) -> io::Result<AccessLogWriter> {
        let sink: Box<dyn Write + Send> = match file {
            Some(path) => Box::new(OpenOptions::new().create(true).append(true).open(path)?),
            None => Box::new(io::stderr()),
        };
        Ok(AccessLogWriter {
            clock,
            which,
            sink,
            batch: Vec::new(),
            lines: 0,
        })
    }

    /// Adds the line of a call, if its kind is wanted.
    pub fn write(&mut self, record: &CallRecord) {
        let wanted = match self.which {
            AccessLog::All => true,
            AccessLog::Errors => !ended_well(record),
        };
        if !wanted {
            return;
        }
        self.lines += 1;
        let written = serde_json::to_writer(&mut self.batch, &Line::of(self.clock, record));
        debug_assert!(
            written.is_ok(),
            "a line has only strings and finite numbers"
        );
        self.batch.push(b'\n');
    }

    /// Writes the batch; returns how many lines were lost because that failed.
    pub fn flush(&mut self) -> u64 {
        let lines = std::mem::take(&mut self.lines);
        if lines == 0 {
            return 0;
        }
        let written = self.sink.write_all(&self.batch);
        self.batch.clear();
        if written.is_ok() { 0 } else { lines }
    }
}

impl<'a> Line<'a> {
    fn of(clock: Clock, record: &'a CallRecord) -> Line<'a> {
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
            attempts: record.attempts,
            retries: record.retries,
            request_bytes: record.request_bytes,
            response_bytes: record.response_bytes,
            duration_ms: milliseconds(record.ended.since(record.started)),
            first_byte_ms: record.first_byte.map(milliseconds),
            deadline_ms: record
                .deadline
                .map(|deadline| milliseconds(deadline.since(record.started))),
            overrun_ms: record
                .deadline
                .map(|deadline| milliseconds(record.ended.since(deadline))),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;
    use outrider_engine::Reason;
    use outrider_policy::Class;

    fn lines(which: AccessLog, records: &[CallRecord]) -> Vec<serde_json::Value> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("access.log");
        let mut log = AccessLogWriter::open(Clock::start(), which, Some(&path)).expect("it opens");
        records.iter().for_each(|record| log.write(record));
        assert_eq!(log.flush(), 0);
        let text = std::fs::read_to_string(&path).expect("the log is readable");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("a line is JSON"))
            .collect()
    }

    #[test]
    fn only_calls_that_did_not_end_well_get_a_line_by_default() {
        let refused = CallRecord {
            outcome: Outcome::Refused(Reason::NoRoute),
            ..record()
        };
        let cases = [
            ("a success", record(), 0),
            ("a refusal", refused, 1),
            (
                "a cancelled call",
                CallRecord {
                    outcome: Outcome::Cancelled,
                    ..record()
                },
                1,
            ),
            (
                "the caller's fault",
                CallRecord {
                    class: Class::CallerFault,
                    ..record()
                },
                1,
            ),
        ];
        for (rule, record, expected) in cases {
            assert_eq!(
                lines(AccessLog::Errors, std::slice::from_ref(&record)).len(),
                expected,
                "{rule}"
            );
            assert_eq!(lines(AccessLog::All, &[record]).len(), 1, "{rule}");
        }
    }

    #[test]
    fn what_a_caller_sends_cannot_break_a_line() {
        let path = "/a\n{\"log\":\"forged\"}\u{7f}\"".to_owned();
        let lines = lines(
            AccessLog::All,
            &[CallRecord {
                path: path.clone(),
                ..record()
            }],
        );
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["path"], path);
    }

    #[test]
    fn a_line_says_who_refused_and_why() {
        let detail = Some("no service answers to nobody".to_owned());
        let refused = CallRecord {
            outcome: Outcome::Refused(Reason::NoRoute),
            detail,
            ..record()
        };
        let line = &lines(AccessLog::Errors, &[refused])[0];
        assert_eq!(line["outcome"], "refused");
        assert_eq!(line["reason"], "NO_ROUTE");
        assert_eq!(line["detail"], "no service answers to nobody");
        assert_eq!(line["trace_id"], "00000000000000000000000000000001");
        assert_eq!(line["span_id"], "0000000000000002");
    }
}
