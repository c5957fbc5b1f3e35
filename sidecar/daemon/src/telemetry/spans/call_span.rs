//! From the record of a call to its spans.
//!
//! Inbound a call is one server span. Outbound it is a client span, and each of its attempts is a
//! client span below that, because the server span of the next hop hangs below the attempt that
//! reached it. Decides nothing about sampling.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, SpanFlags, Status};
use outrider_engine::{AttemptRecord, CallRecord, Side};
use outrider_policy::{Code, Tick};

use super::attributes::{Attributes, method_name};
use crate::clock::Clock;

/// Flags of a span: its trace is sampled, and whether its parent is in another process is known.
const SAMPLED: u32 = 1 | SpanFlags::ContextHasIsRemoteMask as u32;

/// Flag of a span whose parent is in another process.
const REMOTE_PARENT: u32 = SpanFlags::ContextIsRemoteMask as u32;

/// The name of a span whose call is not gRPC (the conventions' word when the method is unknown).
const HTTP: &str = "HTTP";

/// The spans of one call: its own, then its attempts.
pub fn spans(clock: Clock, record: &CallRecord) -> impl Iterator<Item = Span> {
    let attempts = (1..).zip(&record.attempt_records);
    std::iter::once(call_span(clock, record))
        .chain(attempts.map(move |(number, attempt)| attempt_span(clock, record, number, attempt)))
}

fn call_span(clock: Clock, record: &CallRecord) -> Span {
    let mut attributes = Attributes::of_call(record);
    let status = error_of(record).map(|kind| {
        attributes.error(&kind);
        failed(record.detail.clone().unwrap_or_default())
    });
    let kind = match record.side {
        Side::Outbound => SpanKind::Client,
        Side::Inbound => SpanKind::Server,
    };
    Span {
        trace_id: record.trace.trace_id().to_vec(),
        span_id: record.trace.span_id().to_vec(),
        parent_span_id: record.parent_span.map(Vec::from).unwrap_or_default(),
        flags: SAMPLED | REMOTE_PARENT,
        name: name(record).to_owned(),
        kind: kind.into(),
        start_time_unix_nano: nanoseconds(clock, record.started),
        end_time_unix_nano: nanoseconds(clock, record.ended),
        attributes: attributes.into_vec(),
        status,
        ..Span::default()
    }
}

fn attempt_span(clock: Clock, record: &CallRecord, number: i64, attempt: &AttemptRecord) -> Span {
    let AttemptRecord {
        span_id,
        endpoint,
        started,
        ended,
        code,
        sent,
    } = *attempt;
    let mut attributes = Attributes::of_attempt(record, number, endpoint, code, sent);
    let status = (code != Code::Ok).then(|| {
        attributes.error(code.name());
        failed(String::new())
    });
    Span {
        trace_id: record.trace.trace_id().to_vec(),
        span_id: span_id.to_vec(),
        parent_span_id: record.trace.span_id().to_vec(),
        flags: SAMPLED,
        name: format!("{} attempt", name(record)),
        kind: SpanKind::Client.into(),
        start_time_unix_nano: nanoseconds(clock, started),
        end_time_unix_nano: nanoseconds(clock, ended),
        attributes: attributes.into_vec(),
        status,
        ..Span::default()
    }
}

fn name(record: &CallRecord) -> &str {
    match record.is_grpc {
        true => method_name(record),
        false => HTTP,
    }
}

/// What kind of error the call is, seen from its side. A server is not at fault for what its caller
/// did wrong; a caller that got no OK has failed.
fn error_of(record: &CallRecord) -> Option<String> {
    let failed = match (record.is_grpc, record.side) {
        (true, Side::Outbound) => record.code != Code::Ok,
        (true, Side::Inbound) => is_server_error(record.code),
        (false, Side::Outbound) => record.http_status == 0 || record.http_status >= 400,
        (false, Side::Inbound) => record.http_status >= 500,
    };
    let kind = || match record.is_grpc || record.http_status == 0 {
        true => record.code.name().to_owned(),
        false => record.http_status.to_string(),
    };
    failed.then(kind)
}

/// The codes that the conventions count as a server's errors.
fn is_server_error(code: Code) -> bool {
    match code {
        Code::Unknown
        | Code::DeadlineExceeded
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => true,
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unauthenticated => false,
    }
}

fn failed(message: String) -> Status {
    Status {
        message,
        code: StatusCode::Error.into(),
    }
}

fn nanoseconds(clock: Clock, tick: Tick) -> u64 {
    u64::try_from(clock.unix(tick).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;
    use std::net::SocketAddr;
    use std::time::Duration;

    fn made(record: &CallRecord) -> Vec<Span> {
        spans(Clock::start(), record).collect()
    }

    fn attempt(span: u8, code: Code) -> AttemptRecord {
        AttemptRecord {
            span_id: [span; 8],
            endpoint: SocketAddr::from(([10, 0, 0, span], 1)),
            started: Tick::ZERO,
            ended: Tick::ZERO + Duration::from_millis(3),
            code,
            sent: true,
        }
    }

    #[test]
    fn each_attempt_hangs_below_its_call_and_the_call_below_its_caller() {
        let spans = made(&CallRecord {
            parent_span: Some([7; 8]),
            attempt_records: vec![attempt(1, Code::Unavailable), attempt(2, Code::Ok)],
            ..record()
        });
        let [call, first, second] = &spans[..] else {
            panic!("{spans:?}");
        };
        assert_eq!(call.parent_span_id, [7; 8]);
        assert_eq!(call.flags, 0x301, "its parent is in another process");
        for (attempt, span_id) in [(first, [1; 8]), (second, [2; 8])] {
            assert_eq!(attempt.trace_id, call.trace_id);
            assert_eq!(attempt.parent_span_id, call.span_id);
            assert_eq!(attempt.span_id, span_id);
            assert_eq!(attempt.flags, 0x101, "its parent is here");
            assert_eq!(
                attempt.end_time_unix_nano - attempt.start_time_unix_nano,
                3_000_000
            );
        }
        let failed = |span: &Span| span.status.is_some();
        assert_eq!(
            [failed(call), failed(first), failed(second)],
            [false, true, false]
        );
    }

    #[test]
    fn a_call_that_began_its_trace_has_no_parent() {
        let spans = made(&record());
        assert_eq!(spans.len(), 1);
        assert!(spans[0].parent_span_id.is_empty());
    }

    #[test]
    fn the_callers_side_is_a_client_and_the_callees_a_server() {
        let kind = |side| made(&CallRecord { side, ..record() })[0].kind();
        assert_eq!(kind(Side::Outbound), SpanKind::Client);
        assert_eq!(kind(Side::Inbound), SpanKind::Server);
    }

    #[test]
    fn an_error_is_whatever_its_side_has_to_answer_for() {
        let grpc = |side, code| CallRecord {
            side,
            code,
            ..record()
        };
        let plain = |side, http_status| CallRecord {
            side,
            http_status,
            is_grpc: false,
            ..record()
        };
        let (out, inn) = (Side::Outbound, Side::Inbound);
        let cases = [
            ("success", grpc(out, Code::Ok), None),
            (
                "a client that did not find",
                grpc(out, Code::NotFound),
                Some("NOT_FOUND"),
            ),
            ("a server that said so", grpc(inn, Code::NotFound), None),
            (
                "a server that broke",
                grpc(inn, Code::Internal),
                Some("INTERNAL"),
            ),
            ("a client's 404", plain(out, 404), Some("404")),
            ("a server's 404", plain(inn, 404), None),
            ("a server's 503", plain(inn, 503), Some("503")),
        ];
        for (rule, record, expected) in cases {
            assert_eq!(error_of(&record).as_deref(), expected, "{rule}");
        }
    }
}
