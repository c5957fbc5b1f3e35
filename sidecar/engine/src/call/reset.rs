//! What it means that a stream to an endpoint was reset: which reason, and what is surely not processed.
//!
//! gRPC gives each code of RST_STREAM a status (gRPC over HTTP/2, "Errors"); [`Reason::code`] says the
//! same of ours. Whose fault it is and what may be tried again are other questions, with their own
//! rules: an application that resets has said no status, so to both it is a call that was lost.

use outrider_http2::{ErrorCode, ResetCause};

use outrider_policy::Reason;

use super::AttemptError;

impl AttemptError {
    /// The stream is gone. `is_going`: the endpoint has said GOAWAY. `cause` is [`believed`].
    pub(crate) fn reset(cause: ResetCause, is_going: bool) -> AttemptError {
        match cause {
            // Who goes may refuse what crossed its notice instead of leaving it out of the last step.
            ResetCause::Peer(ErrorCode::RefusedStream) => AttemptError {
                refused: true,
                is_going,
                ..AttemptError::lost("the endpoint refused the stream".to_owned()).unprocessed()
            },
            // Not to be passed on: to the caller it is a sidecar's word to another.
            ResetCause::Peer(ErrorCode::Blameless) => AttemptError {
                is_blameless: true,
                ..AttemptError::protocol("the rest of the answer could not be passed on".to_owned())
            },
            ResetCause::Peer(code) => AttemptError {
                reason: reason(code),
                reset: Some(code),
                ..AttemptError::lost(format!(
                    "the endpoint reset the stream with {}",
                    code.name()
                ))
            },
            ResetCause::AboveGoaway => AttemptError {
                refused: true,
                is_going: true,
                ..AttemptError::lost("the endpoint is going away".to_owned()).unprocessed()
            },
            ResetCause::Malformed(why) => AttemptError {
                is_blameless: why.may_be_metadata(),
                ..AttemptError::protocol(format!("the endpoint's answer is malformed: {why}"))
            },
            // Its application's metadata, as long as only the limits of others stand against it.
            ResetCause::TooLarge => AttemptError {
                is_blameless: true,
                ..AttemptError::protocol("the endpoint's header list is over the limits".to_owned())
            },
            ResetCause::Violation(code, rule) => AttemptError::protocol(format!(
                "the endpoint broke HTTP/2 on this stream: {rule} ({})",
                code.name()
            )),
        }
    }
}

/// What a reset means from who sent it: that an endpoint is well is believed only of a verified one, whose
/// sidecar says no such thing for its application. From others it is a number like any unknown one.
pub(crate) fn believed(cause: ResetCause, is_verified: bool) -> ResetCause {
    match cause {
        ResetCause::Peer(ErrorCode::Blameless) if !is_verified => {
            ResetCause::Peer(ErrorCode::InternalError)
        }
        cause => cause,
    }
}

/// The page has no line for STREAM_CLOSED and HTTP_1_1_REQUIRED; like most of gRPC's libraries we take
/// them, and numbers that RFC 9113 does not know, for INTERNAL.
fn reason(code: ErrorCode) -> Reason {
    match code {
        ErrorCode::NoError
        | ErrorCode::ProtocolError
        | ErrorCode::InternalError
        | ErrorCode::FlowControlError
        | ErrorCode::SettingsTimeout
        | ErrorCode::StreamClosed
        | ErrorCode::FrameSizeError
        | ErrorCode::CompressionError
        | ErrorCode::ConnectError
        | ErrorCode::Http11Required => Reason::UpstreamReset,
        ErrorCode::Blameless => Reason::UpstreamProtocol,
        ErrorCode::RefusedStream => Reason::UpstreamFailed,
        ErrorCode::Cancel => Reason::UpstreamCancelled,
        ErrorCode::EnhanceYourCalm => Reason::UpstreamCalm,
        ErrorCode::InadequateSecurity => Reason::UpstreamInsecure,
    }
}

#[cfg(test)]
mod tests {
    use outrider_policy::{Class, Code, Processed};

    use super::*;

    #[test]
    fn every_code_has_its_status_and_its_blame() {
        use Class::{EndpointFault, Overload};
        let lost = (Code::Internal, EndpointFault, Code::Unavailable);
        let cancelled = (Code::Cancelled, EndpointFault, Code::Unavailable);
        let calm = (Code::ResourceExhausted, Overload, Code::ResourceExhausted);
        let insecure = (
            Code::PermissionDenied,
            EndpointFault,
            Code::PermissionDenied,
        );
        for number in (0..=14).chain([u32::MAX]) {
            let code = ErrorCode::from_u32(number);
            let error = AttemptError::reset(ResetCause::Peer(code), false);
            let expected = match number {
                7 => continue,
                8 => cancelled,
                11 => calm,
                12 => insecure,
                _ => lost,
            };
            let found = (
                error.reason.code(),
                error.reason.class(),
                error.reason.retried_as(),
            );
            assert_eq!(found, expected, "{code:?}");
            assert_eq!(
                (error.processed, error.reset, error.refused),
                (Processed::Unknown, Some(code), false),
                "{code:?}"
            );
        }
    }

    #[test]
    fn only_a_refused_stream_was_surely_not_processed() {
        let refused = AttemptError::reset(ResetCause::Peer(ErrorCode::RefusedStream), false);
        assert_eq!(
            (refused.reason.code(), refused.processed, refused.refused),
            (Code::Unavailable, Processed::No, true)
        );
    }
}
