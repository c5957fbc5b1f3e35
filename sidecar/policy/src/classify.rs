//! The one classifier: what the end of an attempt says about the endpoint.
//!
//! Metrics, breaker, ejection, retry and balancing all ask here, so that they agree. A gRPC
//! status counts the same wherever it arrives: trailers-only, after headers or after messages.

use crate::Code;

/// Whom the end of an attempt speaks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Answered well.
    Success,
    /// The endpoint failed.
    EndpointFault,
    /// May be the endpoint's failure; counts half of one.
    HalfFault,
    /// The endpoint works and has too much to do.
    Overload,
    /// The endpoint works and the caller asked for something wrong.
    CallerFault,
    /// Says nothing about the endpoint.
    Neutral,
}

impl Class {
    /// Name for records and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Class::Success => "success",
            Class::EndpointFault => "endpoint_fault",
            Class::HalfFault => "half_fault",
            Class::Overload => "overload",
            Class::CallerFault => "caller_fault",
            Class::Neutral => "neutral",
        }
    }
}

/// Who ended the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The application behind the endpoint sent this status.
    Application,
    /// Our own deadline ended the attempt.
    OurDeadline {
        /// The attempt had run for at least the endpoint's usual latency. If not, the caller
        /// gave it too little time, and the endpoint is not to blame.
        had_usual_latency: bool,
    },
    /// The connection or the stream failed below the application.
    Transport,
}

/// Classifies a gRPC status (the table in `docs/`, "status classes").
pub const fn classify_grpc(code: Code, origin: Origin) -> Class {
    match code {
        Code::Ok => Class::Success,
        Code::Unavailable | Code::Internal | Code::DataLoss => Class::EndpointFault,
        Code::Unknown => Class::HalfFault,
        Code::DeadlineExceeded => classify_deadline(origin),
        Code::ResourceExhausted => Class::Overload,
        Code::Cancelled => Class::Neutral,
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Aborted => Class::CallerFault,
    }
}

/// An application that answers DEADLINE_EXCEEDED speaks of a deadline it was given or of one
/// deeper in the chain; only a wait that we measured ourselves is evidence.
const fn classify_deadline(origin: Origin) -> Class {
    match origin {
        Origin::OurDeadline {
            had_usual_latency: true,
        }
        | Origin::Transport => Class::EndpointFault,
        Origin::OurDeadline {
            had_usual_latency: false,
        }
        | Origin::Application => Class::Neutral,
    }
}

/// Classifies the HTTP status of a plain HTTP/2 answer, in the same spirit: 501 and 505 are
/// UNIMPLEMENTED's kin, 499 is nginx's word for a caller that went away, and a number that is
/// no HTTP status is as telling as UNKNOWN.
pub const fn classify_http(status: u16) -> Class {
    match status {
        100..=399 => Class::Success,
        429 => Class::Overload,
        499 => Class::Neutral,
        400..=498 | 501 | 505 => Class::CallerFault,
        500..=599 => Class::EndpointFault,
        _ => Class::HalfFault,
    }
}
