//! The one record of a call, made when it ends, however it ends.
//!
//! Metrics, spans and the access log are projections of it, made off the worker.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use outrider_identity::SpiffeId;
use outrider_policy::{Class, Code, Reason, Tick, TraceContext, Trail};

use crate::config::Endpoint;
use crate::ids::Side;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The application's answer was passed on, whatever it said.
    Answered,
    /// We answered, for this reason.
    Refused(Reason),
    /// The caller gave up: reset the stream or closed its connection.
    Cancelled,
}

/// One attempt of a recorded outbound call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    /// Its span, child of the call's; what it sent upstream names this as the parent.
    pub span_id: [u8; 8],
    /// The endpoint picked.
    pub endpoint: SocketAddr,
    /// When the endpoint was picked; connecting is part of an attempt.
    pub started: Tick,
    /// When it was answered, failed or given up.
    pub ended: Tick,
    /// How it ended: the endpoint's status, or what we make of its failure.
    pub code: Code,
    /// Did its head go on the wire?
    pub sent: bool,
}

/// One call as seen from one sidecar. Every call makes exactly one.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// The listener it came through.
    pub side: Side,
    /// Where the caller's connection comes from.
    pub caller: Option<SocketAddr>,
    /// When its header block was complete.
    pub started: Tick,
    /// When its last octet was passed on, or it was refused or cancelled.
    pub ended: Tick,
    /// When it had to be over, if it had a deadline.
    pub deadline: Option<Tick>,
    /// `:authority` as the caller sent it, cut at 256 octets.
    pub authority: String,
    /// `:path` as the caller sent it, cut at 256 octets.
    pub path: String,
    /// Name of the route taken.
    pub route: Option<Arc<str>>,
    /// Name of the cluster chosen.
    pub cluster: Option<Arc<str>>,
    /// Was the method declared idempotent?
    pub idempotent: bool,
    /// Endpoint of the last attempt.
    pub endpoint: Option<SocketAddr>,
    /// The verified identity of the caller (inbound) or of the endpoint (outbound).
    pub peer: Option<Arc<SpiffeId>>,
    /// Is this a gRPC call, or plain HTTP/2?
    pub is_grpc: bool,
    /// The gRPC status the caller saw; for plain HTTP/2 the one its HTTP status maps to.
    pub code: Code,
    /// The HTTP status the caller saw; 0 when none was sent.
    pub http_status: u16,
    /// The one classifier's verdict.
    pub class: Class,
    /// How it ended.
    pub outcome: Outcome,
    /// Request heads sent upstream for it. A try whose connection failed sent none.
    pub attempts: u32,
    /// Further tries decided on, free replays of refused streams included, whether or not their head was
    /// sent.
    pub retries: u32,
    /// Request body octets received from the caller.
    pub request_bytes: u64,
    /// Response body octets passed to the caller.
    pub response_bytes: u64,
    /// Time to response headers of the last attempt.
    pub first_byte: Option<Duration>,
    /// Time it waited for a service, an endpoint, a connection or a stream, all waits together.
    pub waited: Duration,
    /// The trace this call belongs to and this hop's own span.
    pub trace: TraceContext,
    /// The caller's span, when it brought one.
    pub parent_span: Option<[u8; 8]>,
    /// Its attempts in order, the first eight at most. Empty unless the trace is sampled and the
    /// call outbound: inbound there is one, and it is the call.
    pub attempt_records: Vec<AttemptRecord>,
    /// `x-request-id`, as received or made here.
    pub request_id: String,
    /// What policies decided about it.
    pub trail: Trail,
    /// The sentence of our refusal, for the log.
    pub detail: Option<String>,
}

/// State of one endpoint as `/clusters` and the metrics show it.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointGauge {
    /// Its address.
    pub address: SocketAddr,
    /// What its source says of it.
    pub listed: Endpoint,
    /// How long this sidecar has known it.
    pub known_for: Duration,
    /// Calls in flight.
    pub in_flight: u32,
    /// Peak EWMA of the time to response headers, now.
    pub latency: Duration,
    /// Is it out of rotation (breaker or ejection)?
    pub out: bool,
    /// The breaker's state: `closed`, `open`, `half_open`.
    pub breaker: &'static str,
    /// Open connections to it.
    pub connections: u32,
    /// Streams that may be opened on them now.
    pub room: usize,
}

/// State of one cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterGauge {
    /// Its name.
    pub name: Arc<str>,
    /// Its endpoints that may be picked, the best priority first.
    pub endpoints: Vec<EndpointGauge>,
    /// Calls in line for a stream or for a first endpoint.
    pub in_line: usize,
}

/// What calls wait for, as metrics call it: a service that is not known yet, its first endpoint, a
/// connection that is being made, a stream, an endpoint that can be reached, and a time that a step of
/// admission has set.
pub const WAITED_FOR: [&str; 6] = [
    "service",
    "endpoint",
    "connection",
    "stream",
    "ready",
    "time",
];

/// What the engine holds at this moment, and what it counted since its start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gauges {
    /// Calls alive.
    pub calls: usize,
    /// Downstream connections by side: outbound, inbound.
    pub downstream: [usize; 2],
    /// Of the calls, those that wait, in the order of [`WAITED_FOR`].
    pub waiting: [usize; WAITED_FOR.len()],
    /// Upstream connections alive.
    pub upstream: usize,
    /// Timers armed.
    pub timers: usize,
    /// Every cluster with state.
    pub clusters: Vec<ClusterGauge>,
    /// The local application, if there is one.
    pub app: Option<ClusterGauge>,
    /// Counted since the start.
    pub counters: Counters,
    /// Draining, and nothing is left.
    pub drained: bool,
}

/// Why we ended a connection, other than for an error of HTTP/2 or TLS or a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// TLS, preface and SETTINGS took too long.
    Handshake,
    /// Too many handshakes were under way, and this one gave way.
    HandshakeEvicted,
    /// A header block, or another frame, was begun and not ended in time.
    HeaderBlock,
    /// It took nothing of what was held for it.
    Stalled,
    /// It had no streams for too long.
    Idle,
    /// The peer was silent and did not answer a ping.
    Silent,
    /// It reached its age; replaced in good order.
    Age,
    /// A certificate was about to end, or its root was withdrawn; replaced in good order.
    Certificate,
    /// The peer's certificate ended, or its root was withdrawn, and what still ran was cut off.
    Distrusted,
}

impl EndCause {
    /// All causes, in the order of [`Counters::ended`].
    pub const ALL: [EndCause; 9] = [
        EndCause::Handshake,
        EndCause::HandshakeEvicted,
        EndCause::HeaderBlock,
        EndCause::Stalled,
        EndCause::Idle,
        EndCause::Silent,
        EndCause::Age,
        EndCause::Certificate,
        EndCause::Distrusted,
    ];

    /// The word used in metrics.
    pub fn name(self) -> &'static str {
        match self {
            EndCause::Handshake => "handshake",
            EndCause::HandshakeEvicted => "handshake_evicted",
            EndCause::HeaderBlock => "header_block",
            EndCause::Stalled => "stalled",
            EndCause::Idle => "idle",
            EndCause::Silent => "silent",
            EndCause::Age => "age",
            EndCause::Certificate => "certificate",
            EndCause::Distrusted => "distrusted",
        }
    }
}

/// What happened since the engine's start. Only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections between sidecars whose mutual TLS handshake succeeded, inbound then outbound.
    pub mtls_handshakes: [u64; 2],
    /// Handshakes that failed, inbound then outbound.
    pub handshake_failures: [u64; 2],
    /// Connections between sidecars without mutual TLS: inbound that served a call without a
    /// verified peer, which the listener rules out; outbound to a cluster configured without TLS.
    pub plaintext_connections: [u64; 2],
    /// Upstream connections that could not be made.
    pub connect_failures: u64,
    /// Endpoints taken out of rotation by a breaker or by ejection.
    pub ejections: u64,
    /// Endpoints back in rotation.
    pub recoveries: u64,
    /// Picks made among endpoints that were all out ("the least bad").
    pub panic_picks: u64,
    /// Retries denied by the budget.
    pub budget_denied: u64,
    /// Connections ended for an HTTP/2 error of the peer.
    pub protocol_errors: u64,
    /// Peers that spoke another protocol, by listener (outbound, inbound) and by
    /// [`Foreign::index`](outrider_http2::Foreign::index).
    pub foreign: [[u64; outrider_http2::Foreign::KINDS.len()]; 2],
    /// How often each limit of HTTP/2 tripped: on connections from callers, and to endpoints.
    pub http2_limits: [outrider_http2::Counters; 2],
    /// What panics of this engine ended: calls, connections, nothing. One inside HTTP/2 while a
    /// call's event is handled ends the call and the connection.
    pub contained_panics: [u64; 3],
    /// Connections that we ended, by end (downstream, upstream) and by [`EndCause`].
    pub ended: [[u64; EndCause::ALL.len()]; 2],
    /// Streams reset because their peer took nothing of what was held for it, downstream then
    /// upstream.
    pub streams_stalled: [u64; 2],
    /// Pings sent to see whether a silent peer is there.
    pub keepalive_pings: u64,
    /// Servers that called them too many, and were pinged half as often from then on.
    pub keepalive_complaints: u64,
    /// Waits that are over because what was missing is there, or because there is none; in the order
    /// of [`WAITED_FOR`]. Each try to reach an endpoint ends a wait for that.
    pub waits_answered: [u64; WAITED_FOR.len()],
    /// The same for waits whose call ended first: too late, cancelled, shutting down.
    pub waits_given_up: [u64; WAITED_FOR.len()],
    /// Calls ended because the process was near its memory limit.
    pub relief_streams: u64,
    /// Connections closed for the same reason.
    pub relief_connections: u64,
}
