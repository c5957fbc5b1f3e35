//! A call: one request and its answer, over as many attempts as it takes.
//!
//! The happy path, in order (each name is a function; see `docs/LIFE_OF_A_CALL.md`):
//!
//! ```text
//! arrived -> admit (check, memory, route, deadline, limit) -> start
//!         -> attempt (pick, connect, send) -> request_data ... request_end
//!         -> response_head -> response_data ... -> response_end -> finish
//! ```
//!
//! What is missing is waited for in `wait/`: by a step of admission, for an endpoint or for a stream.
//! A call leaves this path in one of four ways, each in its own file: a retry (`retry.rs`), a
//! refusal of ours (`answer.rs`), a cancellation and the deadline (`finish.rs`). How an attempt fails is
//! in `failed.rs` and `reset.rs`, what each means for its endpoint in `judge.rs`. Whatever happens, a call
//! ends in `finish` exactly once and leaves one record.

mod admit;
mod answer;
mod attempt;
mod body;
mod context;
mod discover;
mod failed;
mod finish;
mod forward;
mod grammar;
mod judge;
mod last;
mod malformed;
mod reset;
mod respond;
mod retry;
mod slab;
mod steps;
mod wait;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use outrider_http2::{Fields, StreamId};
use outrider_identity::SpiffeId;
use outrider_policy::{
    Admission, Decision, Policy, PolicyVerdict, Rule, Tick, TraceContext, Trail,
};

use crate::cluster::lines::Ticket;
use crate::cluster::{ClusterState, EndpointState};
use crate::configuration::RouteState;
use crate::ids::{ConnectionId, Side};
use crate::record::AttemptRecord;
use crate::timers::TimerKey;

pub(crate) use body::RequestBody;
pub(crate) use failed::AttemptError;
pub(crate) use reset::believed;
pub(crate) use respond::Response;
pub(crate) use slab::Calls;
pub(crate) use wait::{Wait, WaitKind, Waited};

/// One call from its head to its record.
pub(crate) struct Call {
    pub(crate) side: Side,
    pub(crate) downstream: ConnectionId,
    pub(crate) stream: StreamId,
    /// Where the caller's connection comes from.
    pub(crate) caller_address: Option<SocketAddr>,
    /// Identity of the caller's sidecar (inbound).
    pub(crate) caller: Option<Arc<SpiffeId>>,
    /// The request head as it came; each attempt's head is made from it.
    pub(crate) request: Fields,
    pub(crate) is_grpc: bool,
    /// The authority of an outbound call is a loopback address, so its gRPC service was routed by.
    pub(crate) is_to_loopback: bool,
    pub(crate) started: Tick,
    pub(crate) deadline: Option<Tick>,
    pub(crate) deadline_timer: Option<TimerKey>,
    pub(crate) trace: TraceContext,
    pub(crate) parent_span: Option<[u8; 8]>,
    /// `x-request-id`, made here because the caller brought none.
    pub(crate) made_request_id: Option<[u8; 36]>,
    pub(crate) route: Option<Rc<RouteState>>,
    pub(crate) cluster: Option<Rc<ClusterState>>,
    /// Steps of admission that it has passed: its place in the list of its direction.
    pub(crate) steps_passed: u8,
    pub(crate) phase: Phase,
    /// Its place among those that wait, drawn by its first wait.
    pub(crate) ticket: Option<Ticket>,
    /// How long it waited so far.
    pub(crate) waited: Duration,
    /// Attempts decided on so far, and how many were retries (a free replay counts as neither
    /// towards the policy's ceiling, but as a retry here).
    pub(crate) attempts: u32,
    pub(crate) retries: u32,
    pub(crate) free_replay_used: bool,
    /// Heads put on the wire.
    pub(crate) sent: u32,
    /// Attempts that ended without proof that no application saw them.
    pub(crate) maybe_processed: u32,
    pub(crate) last_endpoint: Option<SocketAddr>,
    pub(crate) last_peer: Option<Arc<SpiffeId>>,
    pub(crate) first_byte: Option<Duration>,
    pub(crate) body: RequestBody,
    pub(crate) response: Response,
    /// What most calls never have.
    pub(crate) history: Option<Box<CallHistory>>,
}

/// What a call has behind it that a policy touched, that failed somewhere or is traced. Boxed, because an application
/// may hold thousands of calls.
#[derive(Default)]
pub(crate) struct CallHistory {
    /// Before that moment no attempt begins, because the caller takes back what it opens.
    pub(crate) held_until: Option<Tick>,
    /// When the call waits no longer for what is not known, set by its first such wait.
    pub(crate) discovery_until: Option<Tick>,
    /// When it waits no longer for an endpoint to be reached, set by its first such wait.
    pub(crate) ready_until: Option<Tick>,
    /// Endpoints that failed this call.
    pub(crate) tried: Vec<SocketAddr>,
    /// The field `ratelimit` of the response, where a limit asks for it.
    pub(crate) rate_limits: Option<String>,
    /// Attempts that are over, for the record.
    pub(crate) attempt_records: Vec<AttemptRecord>,
    /// What policies decided about the call, for the record.
    pub(crate) trail: Trail,
}

/// Where a call is between two events.
pub(crate) enum Phase {
    /// Admitted, nothing chosen yet; only within one event.
    Admitted,
    /// Waiting for what an attempt needs.
    Waiting(Wait),
    /// Waiting for its next attempt.
    BackingOff(TimerKey),
    /// An attempt is under way.
    Trying(Attempt),
}

impl Phase {
    /// The timer that ends it, besides the call's deadline.
    pub(crate) fn timer(&self) -> Option<TimerKey> {
        match self {
            Phase::Admitted => None,
            Phase::Waiting(wait) => wait.timer(),
            Phase::BackingOff(timer) => Some(*timer),
            Phase::Trying(attempt) => attempt.per_try_timer,
        }
    }

    /// Does `limits.waiting` of its cluster count it?
    pub(crate) fn is_limited(&self) -> bool {
        match self {
            Phase::Admitted | Phase::BackingOff(_) => false,
            Phase::Waiting(wait) => wait.is_limited(),
            Phase::Trying(attempt) => attempt.stream.is_none(),
        }
    }

    /// What it waits for, if it does.
    pub(crate) fn waits_for(&self) -> Option<WaitKind> {
        match self {
            Phase::Admitted | Phase::BackingOff(_) => None,
            Phase::Waiting(wait) => Some(wait.kind()),
            Phase::Trying(attempt) => attempt.stream.is_none().then_some(WaitKind::Connection),
        }
    }
}

/// One try of a call at one endpoint.
pub(crate) struct Attempt {
    pub(crate) endpoint: Rc<EndpointState>,
    pub(crate) admission: Admission,
    pub(crate) connection: ConnectionId,
    /// `None` while the connection is being made.
    pub(crate) stream: Option<StreamId>,
    /// Where it stands in the trace: its own span if that is recorded, else the call's.
    pub(crate) trace: TraceContext,
    /// When its endpoint was picked.
    pub(crate) picked: Tick,
    /// When the attempt began (its head was sent, once it was).
    pub(crate) started: Tick,
    pub(crate) per_try_timer: Option<TimerKey>,
    /// Request bytes its connection took.
    pub(crate) taken: usize,
}

impl Call {
    pub(crate) fn history_mut(&mut self) -> &mut CallHistory {
        self.history.get_or_insert_default()
    }

    /// A policy has decided something about the call.
    pub(crate) fn note(&mut self, policy: Policy, verdict: PolicyVerdict, rule: Rule) {
        self.history_mut().trail.note(Decision {
            policy,
            verdict,
            rule,
        });
    }

    /// Endpoints that failed this call.
    pub(crate) fn tried(&self) -> &[SocketAddr] {
        self.history.as_ref().map_or(&[], |history| &history.tried)
    }

    /// When it waits no longer for what is not known: `first`, if that is its first such wait.
    pub(crate) fn discovery_until(&mut self, first: Tick) -> Tick {
        *self.history_mut().discovery_until.get_or_insert(first)
    }

    pub(crate) fn ready_until(&self) -> Option<Tick> {
        self.history
            .as_ref()
            .and_then(|history| history.ready_until)
    }

    /// The field `ratelimit` of its response, once.
    pub(crate) fn take_rate_limits(&mut self) -> Option<String> {
        self.history.as_mut()?.rate_limits.take()
    }

    /// The attempt that holds an upstream stream, if any.
    pub(crate) fn attempt_mut(&mut self) -> Option<&mut Attempt> {
        match &mut self.phase {
            Phase::Trying(attempt) => Some(attempt),
            Phase::Admitted | Phase::Waiting(_) | Phase::BackingOff(_) => None,
        }
    }

    /// The trace context for the next hop.
    pub(crate) fn upstream_trace(&self) -> TraceContext {
        match &self.phase {
            Phase::Trying(attempt) => attempt.trace,
            Phase::Admitted | Phase::Waiting(_) | Phase::BackingOff(_) => self.trace,
        }
    }

    /// Only outbound is an attempt more than the call itself, and only a sampled trace is looked at.
    pub(crate) fn records_attempts(&self) -> bool {
        self.side == Side::Outbound && self.trace.sampled()
    }

    /// Connection and stream of the running attempt.
    pub(crate) fn upstream(&self) -> Option<(ConnectionId, StreamId)> {
        match &self.phase {
            Phase::Trying(attempt) => attempt.stream.map(|stream| (attempt.connection, stream)),
            Phase::Admitted | Phase::Waiting(_) | Phase::BackingOff(_) => None,
        }
    }

    /// It has passed every step of admission, and counts among its cluster's calls in flight.
    pub(crate) fn is_admitted(&self) -> bool {
        usize::from(self.steps_passed) == admit::order(self.side).len()
    }

    /// Committed calls are never retried: the caller has seen part of the answer, or the request
    /// can no longer be repeated.
    pub(crate) fn is_committed(&self) -> bool {
        self.response.head_passed || !self.body.kept
    }

    pub(crate) fn is_idempotent(&self) -> bool {
        self.route
            .as_ref()
            .is_some_and(|route| route.route.policy.idempotent)
    }
}

#[cfg(test)]
mod tests {
    use super::Call;

    #[test]
    fn a_call_is_small() {
        // An application may hold thousands; the allocator's next size is 640.
        assert!(size_of::<Call>() <= 512, "{}", size_of::<Call>());
    }
}
