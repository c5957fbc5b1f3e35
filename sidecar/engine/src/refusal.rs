//! Our own answers: their status, their sentence, and the hop that refused.
//!
//! The application's status is never altered; what we say names this hop and the reason, so that
//! nobody has to guess who refused. gRPC callers get a trailers-only answer, plain HTTP/2 callers a
//! status with a small JSON body. What each reason stands for is `outrider_policy`'s [`Reason`].

mod fields;
mod status_details;

use std::time::Duration;

use outrider_http2::ErrorCode;
use outrider_policy::{Class, Reason, Rule};

pub(crate) use fields::{grpc_answer, grpc_trailers, plain_answer};

/// An answer of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    /// What happened, one plain sentence without the hop's name.
    pub(crate) sentence: String,
    /// For the record instead of the sentence: what the caller must not read.
    pub(crate) detail: Option<String>,
    /// The request surely did nothing: no attempt of ours reached an application.
    pub(crate) unprocessed: bool,
    /// What it says of the endpoint side: the one classifier's verdict, for the record.
    pub(crate) class: Class,
    /// The code with which the endpoint reset the stream, where that is what happened.
    pub(crate) reset: Option<ErrorCode>,
    /// Which rule of a policy refused.
    pub(crate) rule: Rule,
    /// When the caller may come again, if we know.
    pub(crate) retry_after: Option<Duration>,
}

impl Refusal {
    /// The answer could not be passed on, which says nothing of who gave it.
    pub(crate) fn is_blameless(&self) -> bool {
        self.reason == Reason::UpstreamProtocol && self.class == Class::Neutral
    }

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
            detail: None,
            unprocessed: false,
            class: reason.class(),
            reset: None,
            rule: Rule::Fixed(reason.name()),
            retry_after: None,
        }
    }
}

/// Name of the mark that says "no application saw this request". Like the other one it is believed only
/// from a verified endpoint: whose sidecar takes marks off what its application says. None is ever shown
/// to an application.
pub(crate) const UNPROCESSED: &[u8] = b"outrider-unprocessed";

/// Name of the mark that says "the endpoint is well, what it said could not be passed on": its
/// application's own words, for one.
pub(crate) const BLAMELESS: &[u8] = b"outrider-blameless";

/// Whether only sidecars may say a field of this name.
pub(crate) fn is_mark(name: &[u8]) -> bool {
    name == UNPROCESSED || name == BLAMELESS
}
