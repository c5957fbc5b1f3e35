//! Our own answers: which status, which sentence, said by whom.
//!
//! The application's status is never altered; what we say names this hop and the reason, so that
//! nobody has to guess who refused. gRPC callers get a trailers-only answer, plain HTTP/2 callers a
//! status with a small JSON body. Status mapping: gRPC's `statuscodes.md` and `promises` of the docs.

use std::fmt::Write;

use outrider_http2::{Field, Fields};
use outrider_policy::{Class, Code, Origin, classify_grpc};

/// Why we answered instead of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// No route for this authority, service or method.
    NoRoute,
    /// The request is outside the grammar of gRPC or of this mesh.
    BadRequest,
    /// `grpc-timeout` is outside its grammar.
    BadTimeout,
    /// The header block is over the limit.
    HeadersTooLarge,
    /// Nobody has said whether there is such a service.
    NotDiscovered,
    /// The cluster has no endpoint.
    NoEndpoint,
    /// A ceiling on calls in flight or waiting.
    Overloaded,
    /// The process is near its memory limit.
    MemoryLimit,
    /// The deadline passed.
    DeadlineExceeded,
    /// The last attempt could not reach an endpoint, or lost it.
    UpstreamFailed,
    /// This sidecar could make no connection for the last attempt: file descriptors, ports.
    NoSocket,
    /// The attempt ran into its `perTryTimeout`.
    TryTimedOut,
    /// The endpoint broke HTTP/2 or gRPC.
    UpstreamProtocol,
    /// Somebody took nothing of what was held for them, for too long.
    Stalled,
    /// This sidecar is draining.
    Draining,
    /// This sidecar has a bug: a panic ended the call.
    SidecarFault,
}

impl Reason {
    /// All reasons, for the documentation's completeness test.
    pub const ALL: [Reason; 16] = [
        Reason::NoRoute,
        Reason::BadRequest,
        Reason::BadTimeout,
        Reason::HeadersTooLarge,
        Reason::NotDiscovered,
        Reason::NoEndpoint,
        Reason::Overloaded,
        Reason::MemoryLimit,
        Reason::DeadlineExceeded,
        Reason::UpstreamFailed,
        Reason::NoSocket,
        Reason::TryTimedOut,
        Reason::UpstreamProtocol,
        Reason::Stalled,
        Reason::Draining,
        Reason::SidecarFault,
    ];

    /// The stable name, in bodies, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Reason::NoRoute => "NO_ROUTE",
            Reason::BadRequest => "BAD_REQUEST",
            Reason::BadTimeout => "BAD_TIMEOUT",
            Reason::HeadersTooLarge => "HEADERS_TOO_LARGE",
            Reason::NotDiscovered => "NOT_DISCOVERED",
            Reason::NoEndpoint => "NO_ENDPOINT",
            Reason::Overloaded => "OVERLOADED",
            Reason::MemoryLimit => "MEMORY_LIMIT",
            Reason::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Reason::UpstreamFailed => "UPSTREAM_FAILED",
            Reason::NoSocket => "NO_SOCKET",
            Reason::TryTimedOut => "TRY_TIMED_OUT",
            Reason::UpstreamProtocol => "UPSTREAM_PROTOCOL",
            Reason::Stalled => "STALLED",
            Reason::Draining => "DRAINING",
            Reason::SidecarFault => "SIDECAR_FAULT",
        }
    }

    /// The gRPC status we answer with.
    pub fn code(self) -> Code {
        match self {
            Reason::NoRoute => Code::Unimplemented,
            Reason::BadRequest => Code::Unimplemented,
            Reason::BadTimeout => Code::InvalidArgument,
            Reason::HeadersTooLarge
            | Reason::Overloaded
            | Reason::MemoryLimit
            | Reason::Stalled => Code::ResourceExhausted,
            Reason::NotDiscovered
            | Reason::NoEndpoint
            | Reason::UpstreamFailed
            | Reason::NoSocket
            | Reason::TryTimedOut
            | Reason::Draining => Code::Unavailable,
            Reason::DeadlineExceeded => Code::DeadlineExceeded,
            Reason::UpstreamProtocol | Reason::SidecarFault => Code::Internal,
        }
    }

    /// Time or memory is up: the status does not wait behind data that the caller does not read.
    pub(crate) fn is_urgent(self) -> bool {
        match self {
            Reason::DeadlineExceeded | Reason::Stalled | Reason::MemoryLimit | Reason::Draining => {
                true
            }
            Reason::NoRoute
            | Reason::BadRequest
            | Reason::BadTimeout
            | Reason::HeadersTooLarge
            | Reason::NotDiscovered
            | Reason::NoEndpoint
            | Reason::Overloaded
            | Reason::UpstreamFailed
            | Reason::NoSocket
            | Reason::TryTimedOut
            | Reason::UpstreamProtocol
            | Reason::SidecarFault => false,
        }
    }

    /// What the refusal says of the endpoint side, where no attempt said more.
    fn class(self) -> Class {
        match self {
            Reason::NoRoute | Reason::BadRequest | Reason::BadTimeout | Reason::HeadersTooLarge => {
                Class::CallerFault
            }
            Reason::Overloaded | Reason::MemoryLimit => Class::Overload,
            // Ours, or of both; no word about the endpoint.
            Reason::NoSocket | Reason::Stalled | Reason::Draining | Reason::SidecarFault => {
                Class::Neutral
            }
            Reason::NotDiscovered
            | Reason::NoEndpoint
            | Reason::DeadlineExceeded
            | Reason::UpstreamFailed
            | Reason::TryTimedOut
            | Reason::UpstreamProtocol => classify_grpc(self.code(), Origin::Transport),
        }
    }

    /// The HTTP status we answer plain HTTP/2 with.
    pub fn http_status(self) -> u16 {
        match self {
            Reason::NoRoute => 404,
            Reason::BadRequest | Reason::BadTimeout => 400,
            Reason::HeadersTooLarge => 431,
            Reason::Overloaded => 429,
            Reason::MemoryLimit => 503,
            Reason::NotDiscovered
            | Reason::NoEndpoint
            | Reason::UpstreamFailed
            | Reason::NoSocket
            | Reason::TryTimedOut
            | Reason::Stalled
            | Reason::Draining => 503,
            Reason::DeadlineExceeded => 504,
            Reason::UpstreamProtocol => 502,
            Reason::SidecarFault => 500,
        }
    }
}

/// An answer of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    /// What happened, one plain sentence without the hop's name.
    pub(crate) sentence: String,
    /// The request surely did nothing: no attempt of ours reached an application.
    pub(crate) unprocessed: bool,
    /// What it says of the endpoint side: the one classifier's verdict, for the record.
    pub(crate) class: Class,
}

impl Refusal {
    /// A refusal before any attempt: surely unprocessed.
    pub(crate) fn early(reason: Reason, sentence: impl Into<String>) -> Refusal {
        Refusal {
            unprocessed: true,
            ..Refusal::late(reason, sentence)
        }
    }

    /// A refusal after an attempt that an application may have seen.
    pub(crate) fn late(reason: Reason, sentence: impl Into<String>) -> Refusal {
        Refusal {
            reason,
            sentence: sentence.into(),
            unprocessed: false,
            class: reason.class(),
        }
    }
}

/// Name of the mark that says "no application saw this request". Believed only from a verified
/// endpoint and never shown to an application.
pub(crate) const UNPROCESSED: &[u8] = b"outrider-unprocessed";

/// The trailers-only answer for gRPC callers (gRPC over HTTP/2, "Responses").
pub(crate) fn grpc_answer(refusal: &Refusal, hop: &str, mark: bool) -> Fields {
    let mut fields = Fields::new();
    push(&mut fields, b":status", b"200");
    push(&mut fields, b"content-type", b"application/grpc");
    push_grpc_status(&mut fields, refusal, hop);
    if mark && refusal.unprocessed {
        push(&mut fields, UNPROCESSED, b"1");
    } else if refusal.unprocessed && refusal.reason == Reason::MemoryLimit {
        // Another endpoint may be tried at once; the same sidecar had better not (gRFC A6).
        push(&mut fields, b"grpc-retry-pushback-ms", b"1000");
    }
    fields
}

/// The trailers that end a response we had begun to pass on.
pub(crate) fn grpc_trailers(refusal: &Refusal, hop: &str) -> Fields {
    let mut fields = Fields::new();
    push_grpc_status(&mut fields, refusal, hop);
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
    if matches!(refusal.reason, Reason::Overloaded | Reason::MemoryLimit) {
        // RFC 9110 10.2.3 counts in whole seconds.
        push(&mut fields, b"retry-after", b"1");
    }
    if mark && refusal.unprocessed {
        push(&mut fields, UNPROCESSED, b"1");
    }
    (fields, body)
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
    let message = percent_encode(&format!(
        "{hop}: {} [{}]",
        refusal.sentence,
        refusal.reason.name()
    ));
    push(fields, b"grpc-message", message.as_bytes());
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
        Refusal::early(Reason::Overloaded, "inventory has 1024 calls in flight")
    }

    #[test]
    fn a_grpc_caller_learns_hop_and_reason() {
        let fields = grpc_answer(&overloaded(), "orders/outbound", false);
        assert_eq!(fields.find(b"grpc-status"), Some(&b"8"[..]));
        let said = fields.find(b"grpc-message").unwrap_or_default();
        assert_eq!(
            said,
            b"orders/outbound: inventory has 1024 calls in flight [OVERLOADED]"
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
            "{\"error\":\"inventory has 1024 calls in flight\",\"reason\":\"OVERLOADED\",\"hop\":\"orders/outbound\"}\n"
        );
    }

    #[test]
    fn every_reason_is_documented_as_it_is() {
        let documented = include_str!("../../../docs/ERRORS.md");
        for reason in Reason::ALL {
            let row = format!(
                "| `{}` | {} | {} |",
                reason.name(),
                reason.code().name(),
                reason.http_status()
            );
            assert!(documented.contains(&row), "docs/ERRORS.md lacks {row}");
        }
    }

    #[test]
    fn text_is_escaped_for_its_carrier() {
        assert_eq!(percent_encode("50 % über"), "50 %25 %C3%BCber");
        let mut out = String::new();
        push_json(&mut out, "a\"b\\c\n");
        assert_eq!(out, "\"a\\\"b\\\\c\\u000a\"");
    }
}
