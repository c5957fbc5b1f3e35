//! A refusal on the wire: gRPC trailers, or for plain HTTP/2 a status with a small JSON body.
//!
//! Decides nothing: which status stands for what is [`Reason`]'s. Source: gRPC over HTTP/2, "Responses".

use std::fmt::Write;
use std::time::Duration;

use outrider_http2::{Field, Fields};
use outrider_policy::Reason;

use super::status_details::status_details;
use super::{BLAMELESS, Refusal, UNPROCESSED};

/// What is said where nothing better is known.
const SECOND: Duration = Duration::from_secs(1);

/// The trailers-only answer for gRPC callers (gRPC over HTTP/2, "Responses").
pub(crate) fn grpc_answer(refusal: &Refusal, hop: &str, mark: bool) -> Fields {
    let mut fields = Fields::new();
    push(&mut fields, b":status", b"200");
    push(&mut fields, b"content-type", b"application/grpc");
    push_grpc_status(&mut fields, refusal, hop);
    if mark {
        push_marks(&mut fields, refusal);
    } else if let Some(after) = pushback(refusal) {
        let ms = after.as_nanos().div_ceil(1_000_000).to_string();
        push(&mut fields, b"grpc-retry-pushback-ms", ms.as_bytes());
    }
    if let Some(after) = refusal.retry_after {
        let details = status_details(refusal.reason.code(), &message(refusal, hop), after);
        push(&mut fields, b"grpc-status-details-bin", details.as_bytes());
    }
    fields
}

/// The trailers that end a response we had begun to pass on.
pub(crate) fn grpc_trailers(refusal: &Refusal, hop: &str, mark: bool) -> Fields {
    let mut fields = Fields::new();
    push_grpc_status(&mut fields, refusal, hop);
    if mark {
        push_marks(&mut fields, refusal);
    }
    fields
}

/// Head and JSON body for plain HTTP/2 callers.
pub(crate) fn plain_answer(refusal: &Refusal, hop: &str, mark: bool) -> (Fields, String) {
    let body = json_body(refusal, hop);
    let mut fields = Fields::new();
    push(
        &mut fields,
        b":status",
        refusal.reason.http_status().to_string().as_bytes(),
    );
    push(&mut fields, b"content-type", b"application/json");
    push(
        &mut fields,
        b"content-length",
        body.len().to_string().as_bytes(),
    );
    if let Some(seconds) = retry_after_seconds(refusal) {
        push(&mut fields, b"retry-after", seconds.to_string().as_bytes());
    }
    if mark {
        push_marks(&mut fields, refusal);
    }
    (fields, body)
}

/// When a gRPC caller may come again (gRFC A6). Near the memory limit another endpoint may be tried at
/// once; the same sidecar had better not.
fn pushback(refusal: &Refusal) -> Option<Duration> {
    let near_limit = refusal.unprocessed && refusal.reason == Reason::MemoryLimit;
    refusal.retry_after.or(near_limit.then_some(SECOND))
}

/// The same for plain HTTP/2. RFC 9110 10.2.3 counts in whole seconds.
fn retry_after_seconds(refusal: &Refusal) -> Option<u64> {
    let after = (refusal.retry_after).or(refusal.reason.is_limit().then_some(SECOND))?;
    let begun = u64::from(after.subsec_nanos() > 0);
    Some(after.as_secs() + begun)
}

/// Fields for the caller's sidecar.
fn push_marks(fields: &mut Fields, refusal: &Refusal) {
    if refusal.unprocessed {
        push(fields, UNPROCESSED, b"1");
    }
    if refusal.is_blameless() {
        push(fields, BLAMELESS, b"1");
    }
}

fn push(fields: &mut Fields, name: &[u8], value: &[u8]) {
    fields.push(Field {
        name,
        value,
        sensitive: false,
    });
}

fn push_grpc_status(fields: &mut Fields, refusal: &Refusal, hop: &str) {
    push(
        fields,
        b"grpc-status",
        (refusal.reason.code() as u32).to_string().as_bytes(),
    );
    let message = percent_encode(&message(refusal, hop));
    push(fields, b"grpc-message", message.as_bytes());
}

fn message(refusal: &Refusal, hop: &str) -> String {
    format!("{hop}: {} [{}]", refusal.sentence, refusal.reason.name())
}

fn json_body(refusal: &Refusal, hop: &str) -> String {
    let mut body = String::from("{\"error\":");
    push_json(&mut body, &refusal.sentence);
    body.push_str(",\"reason\":");
    push_json(&mut body, refusal.reason.name());
    body.push_str(",\"hop\":");
    push_json(&mut body, hop);
    body.push_str("}\n");
    body
}

fn push_json(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// `grpc-message` encoding: printable ASCII but `%` stays, all else as `%XX` (gRPC over HTTP/2).
fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for &octet in text.as_bytes() {
        if (0x20..=0x7e).contains(&octet) && octet != b'%' {
            out.push(octet as char);
        } else {
            let _ = write!(out, "%{octet:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overloaded() -> Refusal {
        Refusal::early(Reason::CallsLimit, "inventory has 1024 calls in flight")
    }

    #[test]
    fn a_grpc_caller_learns_hop_and_reason() {
        let fields = grpc_answer(&overloaded(), "orders/outbound", false);
        assert_eq!(fields.find(b"grpc-status"), Some(&b"8"[..]));
        let said = fields.find(b"grpc-message").unwrap_or_default();
        assert_eq!(
            said,
            b"orders/outbound: inventory has 1024 calls in flight [CALLS_LIMIT]"
        );
        assert_eq!(fields.find(UNPROCESSED), None);
    }

    #[test]
    fn a_plain_caller_gets_json_and_retry_after() {
        let (fields, body) = plain_answer(&overloaded(), "orders/outbound", true);
        assert_eq!(fields.find(b":status"), Some(&b"429"[..]));
        assert_eq!(fields.find(b"retry-after"), Some(&b"1"[..]));
        assert_eq!(fields.find(UNPROCESSED), Some(&b"1"[..]));
        assert_eq!(
            body,
            "{\"error\":\"inventory has 1024 calls in flight\",\"reason\":\"CALLS_LIMIT\",\"hop\":\"orders/outbound\"}\n"
        );
    }

    #[test]
    fn a_caller_over_a_rate_limit_learns_when_to_come_again() {
        let refusal = Refusal {
            retry_after: Some(Duration::from_micros(1_200_300)),
            ..Refusal::early(Reason::RateLimited, "used up")
        };
        let grpc = grpc_answer(&refusal, "orders/outbound", false);
        assert_eq!(grpc.find(b"grpc-retry-pushback-ms"), Some(&b"1201"[..]));
        assert!(grpc.find(b"grpc-status-details-bin").is_some());
        let (plain, _) = plain_answer(&refusal, "orders/outbound", false);
        assert_eq!(plain.find(b"retry-after"), Some(&b"2"[..]));
    }

    #[test]
    fn text_is_escaped_for_its_carrier() {
        assert_eq!(percent_encode("50 % über"), "50 %25 %C3%BCber");
        let mut out = String::new();
        push_json(&mut out, "a\"b\\c\n");
        assert_eq!(out, "\"a\\\"b\\\\c\\u000a\"");
    }
}
