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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_an_application_has_its_class() {
        let cases = [
            (Code::Ok, Class::Success),
            (Code::Cancelled, Class::Neutral),
            (Code::Unknown, Class::HalfFault),
            (Code::InvalidArgument, Class::CallerFault),
            (Code::DeadlineExceeded, Class::Neutral),
            (Code::NotFound, Class::CallerFault),
            (Code::AlreadyExists, Class::CallerFault),
            (Code::PermissionDenied, Class::CallerFault),
            (Code::ResourceExhausted, Class::Overload),
            (Code::FailedPrecondition, Class::CallerFault),
            (Code::Aborted, Class::CallerFault),
            (Code::OutOfRange, Class::CallerFault),
            (Code::Unimplemented, Class::CallerFault),
            (Code::Internal, Class::EndpointFault),
            (Code::Unavailable, Class::EndpointFault),
            (Code::DataLoss, Class::EndpointFault),
            (Code::Unauthenticated, Class::CallerFault),
        ];
        assert_eq!(cases.len(), Code::ALL.len());
        for (code, class) in cases {
            assert_eq!(
                classify_grpc(code, Origin::Application),
                class,
                "{}",
                code.name()
            );
        }
    }

    #[test]
    fn only_the_deadline_depends_on_who_ended_the_attempt() {
        let origins = [
            Origin::Transport,
            Origin::OurDeadline {
                had_usual_latency: true,
            },
            Origin::OurDeadline {
                had_usual_latency: false,
            },
        ];
        for code in Code::ALL {
            let of_application = classify_grpc(code, Origin::Application);
            let differs = origins.map(|origin| classify_grpc(code, origin) != of_application);
            let expected = [
                code == Code::DeadlineExceeded,
                code == Code::DeadlineExceeded,
                false,
            ];
            assert_eq!(differs, expected, "{}", code.name());
        }
    }

    #[test]
    fn an_endpoint_is_blamed_for_a_deadline_only_if_it_had_its_usual_time() {
        let class = |had_usual_latency| {
            classify_grpc(
                Code::DeadlineExceeded,
                Origin::OurDeadline { had_usual_latency },
            )
        };
        assert_eq!(class(true), Class::EndpointFault);
        assert_eq!(class(false), Class::Neutral);
    }

    #[test]
    fn http_statuses_have_their_classes() {
        let cases = [
            (200, Class::Success),
            (204, Class::Success),
            (304, Class::Success),
            (400, Class::CallerFault),
            (404, Class::CallerFault),
            (408, Class::CallerFault),
            (429, Class::Overload),
            (499, Class::Neutral),
            (500, Class::EndpointFault),
            (501, Class::CallerFault),
            (502, Class::EndpointFault),
            (503, Class::EndpointFault),
            (504, Class::EndpointFault),
            (505, Class::CallerFault),
            (599, Class::EndpointFault),
            (0, Class::HalfFault),
            (600, Class::HalfFault),
        ];
        for (status, class) in cases {
            assert_eq!(classify_http(status), class, "{status}");
        }
    }
}
