//! The access log: which calls get a line of JSON.
//!
//! By default only those that did not end well. What a line says is in `access_line.rs`, where it
//! goes in `log_sink.rs`. Escaping is serde_json's.

use std::io;
use std::path::Path;

use outrider_engine::CallRecord;

use super::access_line::Line;
use super::log_sink::{Batch, LogSink, LogWatch};
use super::recorder::ended_well;
use crate::clock::Clock;
use crate::options::AccessLog;

/// Collects the lines of a batch of records.
#[derive(Debug)]
pub struct AccessLogWriter {
    clock: Clock,
    which: AccessLog,
    batch: Batch,
    sink: LogSink,
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
        let sink = LogSink::open(file)?;
        Ok(AccessLogWriter {
            clock,
            which,
            batch: Batch::default(),
            sink,
        })
    }

    /// What makes it look at its file.
    pub fn watch(&self) -> LogWatch {
        self.sink.watch()
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
        self.batch.lines += 1;
        let written = serde_json::to_writer(&mut self.batch.text, &Line::of(self.clock, record));
        debug_assert!(
            written.is_ok(),
            "a line has only strings and finite numbers"
        );
        self.batch.text.push(b'\n');
    }

    /// Hands the batch over; returns how many lines were lost meanwhile.
    pub fn flush(&mut self) -> u64 {
        if self.batch.lines > 0 {
            self.sink.send(std::mem::take(&mut self.batch));
        }
        self.sink.take_lost()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;
    use outrider_engine::{Outcome, Reason};
    use outrider_policy::Class;

    fn lines(which: AccessLog, records: &[CallRecord]) -> Vec<serde_json::Value> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("access.log");
        let mut log = AccessLogWriter::open(Clock::start(), which, Some(&path)).expect("it opens");
        records.iter().for_each(|record| log.write(record));
        assert_eq!(log.flush(), 0);
        drop(log);
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
