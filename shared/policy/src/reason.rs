//! Why a sidecar answers instead of the application: one name for one reason, and what each means.
//!
//! The names are in bodies, logs and metrics, and `docs/ERRORS.md` says of each what to do. Status mapping:
//! gRPC's `statuscodes.md`.

use crate::order::Step;
use crate::{Class, Code, Origin, Policy, classify_grpc};

/// Why we answered instead of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// No route for this authority, service or method.
    NoRoute,
    /// The request is outside the grammar of gRPC or of this mesh.
    BadRequest,
    /// The request is no HTTP message: which field breaks which rule is in the sentence.
    Malformed,
    /// `grpc-timeout` is outside its grammar.
    BadTimeout,
    /// The header block is over the limit.
    HeadersTooLarge,
    /// It is not known in time whether there is such a service.
    NotDiscovered,
    /// The policies of the service do not allow this caller to make this call.
    Denied,
    /// The cluster has no endpoint.
    NoEndpoint,
    /// As many calls to the cluster are in flight as `limits.calls` allows.
    CallsLimit,
    /// A rate limit of the service is used up.
    RateLimited,
    /// As many calls of the cluster wait as `limits.waiting` allows.
    WaitingLimit,
    /// As many calls wait for the same unknown service as may wait for one.
    DiscoveryCallsLimit,
    /// As many unknown services were asked for as a worker asks for.
    DiscoveryNamesLimit,
    /// The process is near its memory limit.
    MemoryLimit,
    /// The deadline passed.
    DeadlineExceeded,
    /// The last attempt could not reach an endpoint, or lost it.
    UpstreamFailed,
    /// This sidecar could make no connection for the last attempt: file descriptors, ports.
    NoSocket,
    /// The endpoint reset the stream with a code that says no more than that it failed.
    UpstreamReset,
    /// The endpoint reset the stream with CANCEL.
    UpstreamCancelled,
    /// The endpoint reset the stream with ENHANCE_YOUR_CALM.
    UpstreamCalm,
    /// The endpoint reset the stream with INADEQUATE_SECURITY.
    UpstreamInsecure,
    /// The endpoint broke HTTP/2 or gRPC.
    UpstreamProtocol,
    /// The peer took nothing of what is buffered for it, for too long.
    Stalled,
    /// This sidecar is draining.
    Draining,
    /// This sidecar has a bug: a panic ended the call.
    SidecarFault,
}

impl Reason {
    /// All reasons, for the documentation's completeness test.
    pub const ALL: [Reason; 25] = [
        Reason::Denied,
        Reason::NoRoute,
        Reason::BadRequest,
        Reason::Malformed,
        Reason::BadTimeout,
        Reason::HeadersTooLarge,
        Reason::NotDiscovered,
        Reason::NoEndpoint,
        Reason::CallsLimit,
        Reason::RateLimited,
        Reason::WaitingLimit,
        Reason::DiscoveryCallsLimit,
        Reason::DiscoveryNamesLimit,
        Reason::MemoryLimit,
        Reason::DeadlineExceeded,
        Reason::UpstreamFailed,
        Reason::NoSocket,
        Reason::UpstreamReset,
        Reason::UpstreamCancelled,
        Reason::UpstreamCalm,
        Reason::UpstreamInsecure,
        Reason::UpstreamProtocol,
        Reason::Stalled,
        Reason::Draining,
        Reason::SidecarFault,
    ];

    /// The stable name, in bodies, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Denied => "DENIED",
            Reason::NoRoute => "NO_ROUTE",
            Reason::BadRequest => "BAD_REQUEST",
            Reason::Malformed => "MALFORMED",
            Reason::BadTimeout => "BAD_TIMEOUT",
            Reason::HeadersTooLarge => "HEADERS_TOO_LARGE",
            Reason::NotDiscovered => "NOT_DISCOVERED",
            Reason::NoEndpoint => "NO_ENDPOINT",
            Reason::CallsLimit => "CALLS_LIMIT",
            Reason::RateLimited => "RATE_LIMITED",
            Reason::WaitingLimit => "WAITING_LIMIT",
            Reason::DiscoveryCallsLimit => "DISCOVERY_CALLS_LIMIT",
            Reason::DiscoveryNamesLimit => "DISCOVERY_NAMES_LIMIT",
            Reason::MemoryLimit => "MEMORY_LIMIT",
            Reason::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Reason::UpstreamFailed => "UPSTREAM_FAILED",
            Reason::NoSocket => "NO_SOCKET",
            Reason::UpstreamReset => "UPSTREAM_RESET",
            Reason::UpstreamCancelled => "UPSTREAM_CANCELLED",
            Reason::UpstreamCalm => "UPSTREAM_CALM",
            Reason::UpstreamInsecure => "UPSTREAM_INSECURE",
            Reason::UpstreamProtocol => "UPSTREAM_PROTOCOL",
            Reason::Stalled => "STALLED",
            Reason::Draining => "DRAINING",
            Reason::SidecarFault => "SIDECAR_FAULT",
        }
    }

    /// The policy that refuses for this reason. `None`: an accident, which no policy decides.
    pub fn policy(self) -> Option<Policy> {
        let step = match self {
            Reason::NoRoute
            | Reason::NotDiscovered
            | Reason::DiscoveryCallsLimit
            | Reason::DiscoveryNamesLimit => Step::Route,
            Reason::BadRequest | Reason::Malformed | Reason::HeadersTooLarge => Step::Grammar,
            Reason::BadTimeout | Reason::DeadlineExceeded => Step::Deadline,
            Reason::CallsLimit | Reason::WaitingLimit => Step::Limits,
            Reason::RateLimited => Step::RateLimit,
            Reason::MemoryLimit => Step::Memory,
            Reason::Denied => Step::Authorization,
            Reason::NoEndpoint
            | Reason::UpstreamFailed
            | Reason::NoSocket
            | Reason::UpstreamReset
            | Reason::UpstreamCancelled
            | Reason::UpstreamCalm
            | Reason::UpstreamInsecure
            | Reason::UpstreamProtocol
            | Reason::Stalled
            | Reason::Draining
            | Reason::SidecarFault => return None,
        };
        Some(Policy::Step(step))
    }

    /// The gRPC status we answer with.
    pub fn code(self) -> Code {
        match self {
            Reason::Denied => Code::PermissionDenied,
            Reason::NoRoute => Code::Unimplemented,
            Reason::BadRequest => Code::Unimplemented,
            Reason::BadTimeout => Code::InvalidArgument,
            Reason::HeadersTooLarge
            | Reason::CallsLimit
            | Reason::RateLimited
            | Reason::WaitingLimit
            | Reason::DiscoveryCallsLimit
            | Reason::DiscoveryNamesLimit
            | Reason::MemoryLimit
            | Reason::UpstreamCalm
            | Reason::Stalled => Code::ResourceExhausted,
            Reason::NotDiscovered
            | Reason::NoEndpoint
            | Reason::UpstreamFailed
            | Reason::NoSocket
            | Reason::Draining => Code::Unavailable,
            Reason::DeadlineExceeded => Code::DeadlineExceeded,
            Reason::UpstreamCancelled => Code::Cancelled,
            Reason::UpstreamInsecure => Code::PermissionDenied,
            // What gRPC makes of the HTTP status 400 (`http-grpc-status-mapping.md`).
            Reason::Malformed => Code::Internal,
            Reason::UpstreamReset | Reason::UpstreamProtocol | Reason::SidecarFault => {
                Code::Internal
            }
        }
    }

    /// Time or memory is up: the status does not wait behind data that the caller does not read.
    pub fn is_urgent(self) -> bool {
        match self {
            Reason::DeadlineExceeded | Reason::Stalled | Reason::MemoryLimit | Reason::Draining => {
                true
            }
            Reason::Denied
            | Reason::NoRoute
            | Reason::BadRequest
            | Reason::Malformed
            | Reason::BadTimeout
            | Reason::HeadersTooLarge
            | Reason::NotDiscovered
            | Reason::NoEndpoint
            | Reason::CallsLimit
            | Reason::RateLimited
            | Reason::WaitingLimit
            | Reason::DiscoveryCallsLimit
            | Reason::DiscoveryNamesLimit
            | Reason::UpstreamFailed
            | Reason::NoSocket
            | Reason::UpstreamReset
            | Reason::UpstreamCancelled
            | Reason::UpstreamCalm
            | Reason::UpstreamInsecure
            | Reason::UpstreamProtocol
            | Reason::SidecarFault => false,
        }
    }

    /// What the refusal says of the endpoint side, where no attempt said more.
    pub fn class(self) -> Class {
        match self {
            Reason::Denied
            | Reason::NoRoute
            | Reason::BadRequest
            | Reason::Malformed
            | Reason::BadTimeout
            | Reason::HeadersTooLarge => Class::CallerFault,
            Reason::CallsLimit
            | Reason::RateLimited
            | Reason::WaitingLimit
            | Reason::DiscoveryCallsLimit
            | Reason::DiscoveryNamesLimit
            | Reason::MemoryLimit => Class::Overload,
            // A status would have told what the caller did wrong; an endpoint that resets has failed.
            Reason::UpstreamCancelled | Reason::UpstreamInsecure => Class::EndpointFault,
            // Ours, or of both; no word about the endpoint.
            Reason::NoSocket | Reason::Stalled | Reason::Draining | Reason::SidecarFault => {
                Class::Neutral
            }
            Reason::NotDiscovered
            | Reason::NoEndpoint
            | Reason::DeadlineExceeded
            | Reason::UpstreamFailed
            | Reason::UpstreamReset
            | Reason::UpstreamCalm
            | Reason::UpstreamProtocol => classify_grpc(self.code(), Origin::Transport),
        }
    }

    /// Is a limit of this sidecar reached, so that a call had better come again later?
    pub fn is_limit(self) -> bool {
        matches!(
            self,
            Reason::CallsLimit
                | Reason::RateLimited
                | Reason::WaitingLimit
                | Reason::DiscoveryCallsLimit
                | Reason::DiscoveryNamesLimit
                | Reason::MemoryLimit
        )
    }

    /// As which status a failure counts for the retry rules: a reset leaves the call as unanswered as
    /// a lost connection does, whatever status its code stands for.
    pub fn retried_as(self) -> Code {
        match self {
            Reason::UpstreamReset | Reason::UpstreamCancelled => Code::Unavailable,
            reason => reason.code(),
        }
    }

    /// The HTTP status we answer plain HTTP/2 with.
    pub fn http_status(self) -> u16 {
        match self {
            Reason::Denied => 403,
            Reason::NoRoute => 404,
            Reason::BadRequest | Reason::Malformed | Reason::BadTimeout => 400,
            Reason::HeadersTooLarge => 431,
            Reason::CallsLimit
            | Reason::RateLimited
            | Reason::WaitingLimit
            | Reason::DiscoveryCallsLimit
            | Reason::DiscoveryNamesLimit => 429,
            Reason::MemoryLimit => 503,
            Reason::NotDiscovered
            | Reason::NoEndpoint
            | Reason::UpstreamFailed
            | Reason::NoSocket
            | Reason::UpstreamCalm
            | Reason::Stalled
            | Reason::Draining => 503,
            Reason::DeadlineExceeded => 504,
            Reason::UpstreamReset
            | Reason::UpstreamCancelled
            | Reason::UpstreamInsecure
            | Reason::UpstreamProtocol => 502,
            Reason::SidecarFault => 500,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
