//! What must hold: after every step, when a call ends, and when everything is over.
//!
//! The judge knows the wire's view of both ends and each call's records, never the engine's inside.
//! Each check says its rule in the message that it fails with.

use std::time::Duration;

use outrider_engine::config::DISCOVERY_WAIT_DEFAULT;
use outrider_engine::{CallRecord, Outcome, Reason, Side};
use outrider_http2::Fields;
use outrider_policy::{Code, timeout};

use super::call::{Call, CallEnd, Delivery, DeliveryEnd};
use super::oddity::Oddity;
use super::panics::faults_of;
use super::plan::Reader;
use super::verdict::{missed_retry, wrong_answer, wrong_head, wrong_records};
use super::world::{CALLERS_SIDECAR, World};

/// What the engine keeps of a request for a retry, or holds back of an answer. Octets.
const KEPT_OCTETS: usize = 64 * 1024;
/// A stream window never grows beyond this. Octets.
const WINDOW_MAX: usize = 1 << 20;

impl World {
    /// A server sees the head of a call, perhaps not for the first time.
    pub(super) fn check_delivery(&mut self, call: usize, head: &Fields) {
        let shadow = &self.calls[call];
        let wrong = wrong_head(call, shadow, head)
            .or_else(|| self.wrong_deadline(shadow, head))
            .or_else(|| self.wrong_repetition(shadow));
        if let Some(wrong) = wrong {
            self.broken(format!("call {call}: {wrong}"));
        }
    }

    /// Deadlines only shrink, and no attempt starts after its own.
    fn wrong_deadline(&self, call: &Call, head: &Fields) -> Option<String> {
        let said = head.find(b"grpc-timeout").map(timeout::parse);
        let allowed = self.allowed(call);
        match (said, allowed) {
            (None, None) => None,
            (Some(Ok(left)), Some(allowed)) => {
                let late = self.now.since(call.begun?) + left > allowed + self.transit();
                (left > allowed || late)
                    .then(|| format!("delivered with {left:?} left of {allowed:?}"))
            }
            (said, allowed) => Some(format!("delivered with {said:?} of {allowed:?}")),
        }
    }

    /// The whole time of a call: what its client gave it or the operator, whichever is less.
    fn allowed(&self, call: &Call) -> Option<Duration> {
        let route = self.route_timeout(call);
        [call.plan.timeout, route].into_iter().flatten().min()
    }

    fn route_timeout(&self, call: &Call) -> Option<Duration> {
        let has_route = call.plan.oddity != Oddity::Nowhere;
        let timeout = self.plan.rules.timeout;
        timeout.filter(|_| has_route && call.plan.method.is_unary())
    }

    /// More than a head needs from end to end, with everything before it in the way; in a crowd
    /// each call has only its share of the pipes.
    fn transit(&self) -> Duration {
        let plan = self.plan.network;
        let crossings = 6 + 3 * 300_000 / plan.room;
        let share = 1 + self.calls.len() / 100;
        Duration::from_micros((plan.latency_micros_max * crossings * share) as u64)
    }

    /// Nothing is delivered twice unless the retry rules allow it.
    fn wrong_repetition(&self, call: &Call) -> Option<String> {
        let (_, earlier) = call.deliveries.split_last()?;
        let attempts_max = usize::from(self.plan.rules.attempts_max);
        // What a leaving application refused is replayed for free, once by each of the two sidecars.
        let refused = earlier.iter().filter(|it| it.is_refused()).count();
        let free = match self.patience().is_zero() {
            true => refused.min(attempts_max + 1 + self.left_links),
            false => refused,
        };
        let counted = call.deliveries.len() - free;
        if counted > attempts_max {
            return Some(format!("delivered more than {attempts_max} times"));
        }
        // After perTryTimeout an older attempt may arrive behind a newer one.
        if call.answer.delivery.is_some() && !self.may_time_out(call) {
            return Some("delivered again after its answer began".to_owned());
        }
        let unforgiven = earlier.iter().find(|delivery| {
            let may_repeat =
                call.plan.method.is_idempotent() && self.may_have_failed(call, delivery);
            !delivery.is_refused() && !may_repeat
        })?;
        Some(format!(
            "delivered again though it was processed: {unforgiven:?}"
        ))
    }

    /// Is there a reason why the caller's sidecar may hold this delivery for failed?
    fn may_have_failed(&self, call: &Call, delivery: &Delivery) -> bool {
        // A connection that was made before the delivery may break after it.
        let disturbed = self
            .disturbed
            .is_some_and(|at| at + self.transit() >= delivery.at);
        let reset = matches!(delivery.end, Some(DeliveryEnd::Reset(_)));
        delivery.code == Some(Code::Unavailable) || reset || self.may_time_out(call) || disturbed
    }

    /// May an attempt of this call run into its `perTryTimeout`?
    fn may_time_out(&self, call: &Call) -> bool {
        call.plan.method.is_unary() && self.plan.rules.per_try_timeout.is_some()
    }

    /// A request is whole when its server sees its end.
    pub(super) fn check_request_end(&mut self, call: usize, delivery: usize, trailers: bool) {
        let shadow = &self.calls[call];
        let (got, sent) = (
            shadow.deliveries[delivery].received,
            shadow.plan.request_octets(),
        );
        if got != sent || trailers != shadow.plan.trailers {
            self.broken(format!(
                "call {call}: the server saw the end after {got} of {sent} octets, trailers {trailers}"
            ));
        }
    }

    /// What a call's client has got when it is over.
    pub(super) fn check_call_end(&mut self, call: usize) {
        let wrong = wrong_answer(&self.calls[call])
            .or_else(|| self.wrong_refusal(&self.calls[call]))
            .or_else(|| self.late_end(&self.calls[call]));
        if let Some(wrong) = wrong {
            self.broken(format!("call {call}: {wrong}"));
        }
    }

    /// A client that named a deadline, and reads, sees the end by then.
    fn late_end(&self, call: &Call) -> Option<String> {
        let begun = call.begun?;
        let own = call.plan.timeout.map(|timeout| begun + timeout);
        let route = self.route_timeout(call);
        let route = route.and_then(|timeout| self.route_due(begun, timeout));
        let due = own.into_iter().chain(route).min()?;
        let was_narrow = self.clients[call.plan.client].was_narrow;
        let reads = call.plan.reader == Reader::Prompt && !was_narrow;
        let late = reads && self.now > due + self.transit();
        let (took, allowed) = (self.now.since(begun), due.since(begun));
        late.then(|| format!("ended after {took:?}, its deadline was {allowed:?}"))
    }

    /// A sidecar refuses only for a reason that there is.
    fn wrong_refusal(&self, call: &Call) -> Option<String> {
        let required = call.plan.oddity.reason();
        let Some(name) = call.answer.refusal.as_deref() else {
            let missing = required.filter(|_| call.end == Some(CallEnd::Answered));
            return missing.map(|reason| format!("not refused for {}", reason.name()));
        };
        let rules = self.plan.rules;
        // Few streams are no reason: a call waits for one.
        let is_below_calls = |limit: u32| limit < self.calls.len() as u32;
        let ended = |end: &dyn Fn(DeliveryEnd) -> bool| {
            call.deliveries
                .iter()
                .any(|delivery| delivery.end.is_some_and(end))
        };
        let was_reset = ended(&|end| matches!(end, DeliveryEnd::Reset(_)));
        let may_be_reset = was_reset || self.hostility.any_mad;
        let had_fault = faults_of(call) > 0;
        let excuses = [
            (Reason::DeadlineExceeded, self.allowed(call).is_some()),
            // A bug at one hop is a reset to the next.
            (Reason::UpstreamReset, may_be_reset || had_fault),
            (Reason::UpstreamCancelled, may_be_reset),
            (Reason::UpstreamCalm, self.hostility.any_mad),
            (Reason::UpstreamInsecure, self.hostility.any_mad),
            (Reason::CallsLimit, is_below_calls(rules.calls)),
            (Reason::WaitingLimit, is_below_calls(rules.waiting)),
            (Reason::Draining, self.disturbed.is_some()),
            (
                Reason::UpstreamProtocol,
                ended(&|end| end == DeliveryEnd::Broken) || self.hostility.any_mad,
            ),
            (
                Reason::UpstreamFailed,
                self.disturbed.is_some() || was_reset || self.was_left(call),
            ),
        ];
        let excused = match required {
            Some(reason) => reason.name() == name || self.may_be_lost(call, name),
            None => excuses
                .iter()
                .any(|(reason, excuse)| reason.name() == name && *excuse),
        };
        let is_ours = name == Reason::SidecarFault.name() && had_fault;
        let excused = excused || is_ours || self.is_excused(name);
        (!excused).then(|| format!("refused without a reason: {:?}", call.answer))
    }

    /// Octets under way are bounded by the windows and by what may be kept for a retry.
    pub(super) fn check_request_bound(&mut self, call: usize) {
        let shadow = &self.calls[call];
        let discards = !shadow.outbound.is_empty() || !shadow.inbound.is_empty();
        let under_way = shadow.framed.saturating_sub(shadow.received_max());
        let bound = self.windows() + KEPT_OCTETS;
        if under_way > bound && !discards {
            self.broken(format!(
                "call {call}: {under_way} request octets under way, windows allow {bound}"
            ));
        }
    }

    pub(super) fn check_answer_bound(&mut self, call: usize, delivery: usize) {
        let shadow = &self.calls[call];
        let passed = if shadow.answer.delivery == Some(delivery) {
            shadow.answer.octets
        } else {
            0
        };
        let under_way = shadow.deliveries[delivery].framed.saturating_sub(passed);
        let bound = self.windows() + KEPT_OCTETS;
        if under_way > bound {
            self.broken(format!(
                "call {call}: {under_way} answer octets under way, windows allow {bound}"
            ));
        }
    }

    /// Stream windows on a call's way: of two sidecars, and of the client or the server.
    fn windows(&self) -> usize {
        let window = |first: u32, growth: usize| {
            let first = first as usize;
            (first + growth).min(WINDOW_MAX.max(first))
        };
        let sidecar = window(65_535, self.plan.limits.window_growth_bytes);
        let servers = self.plan.servers;
        2 * sidecar + window(servers.window, servers.growth)
    }

    /// A record is made by the deadline, and says what is true.
    pub(super) fn check_record(&mut self, call: usize, record: &CallRecord) {
        let attempts_max = match record.side {
            Side::Outbound => u32::from(self.plan.rules.attempts_max) + 1,
            Side::Inbound => 2,
        };
        let late = record.deadline.is_some_and(|at| record.ended > at);
        let is_undiscovered = record.endpoint.is_none()
            && matches!(
                record.outcome,
                Outcome::Refused(Reason::NotDiscovered | Reason::NoEndpoint)
            );
        let wrong = if late {
            "ended after its deadline"
        } else if is_undiscovered && record.waited > DISCOVERY_WAIT_DEFAULT + self.patience() {
            "waited too long for discovery"
        } else if record.attempts > attempts_max + self.tries_while_waiting(record) {
            "has more attempts than any rule allows"
        } else if record.side == Side::Outbound && !self.calls[call].outbound.is_empty() {
            "is the second of its call"
        } else if self.calls[call].begun.is_none() {
            "is of a call that never began"
        } else {
            return;
        };
        self.broken(format!("call {call}: its record {wrong}: {record:?}"));
    }

    /// After each turn of a sidecar: what it holds is bounded by what there is.
    pub(super) fn check_turn(&mut self, sidecar: usize) {
        let gauges = self.sidecars[sidecar].engine.gauges();
        let connections = gauges.downstream[0] + gauges.downstream[1] + gauges.upstream;
        // Besides: the end of the drain, the application's pause in it, and the look at the lines.
        let timers_max = 2 * gauges.calls + 3 * connections + 3;
        let in_flight: u32 = gauges
            .clusters
            .iter()
            .flat_map(|cluster| &cluster.endpoints)
            .map(|endpoint| endpoint.in_flight)
            .sum();
        let left_behind = self.left_behind(&gauges);
        let wrong = if let Some(service) = left_behind {
            format!("calls wait for a stream of {service} while one is free")
        } else if gauges.timers > timers_max {
            format!("{} timers, {timers_max} allowed", gauges.timers)
        } else if in_flight as usize > gauges.calls {
            format!("{in_flight} in flight of {} calls", gauges.calls)
        } else if gauges.calls > self.calls.len() + self.hostile_calls_max() {
            format!("{} calls of {}", gauges.calls, self.calls.len())
        } else if let Some(wrong) = self.wrong_wait(sidecar, gauges.waiting) {
            wrong
        } else if gauges.counters.protocol_errors > 0 && !self.may_see_protocol_errors() {
            "a sidecar or an application broke HTTP/2".to_owned()
        } else {
            return;
        };
        self.broken(format!("sidecar {sidecar}: {wrong}"));
    }

    /// Nothing more will happen by itself: every call is over and everything came back.
    pub(super) fn check_rest(&mut self) {
        for (call, shadow) in self.calls.iter().enumerate() {
            if shadow.begun.is_none() || shadow.end.is_none() {
                return self.broken(format!("call {call} never ends"));
            }
        }
        for sidecar in 0..self.sidecars.len() {
            self.check_idle(sidecar);
        }
    }

    fn check_idle(&mut self, sidecar: usize) {
        let gauges = self.sidecars[sidecar].engine.gauges();
        let in_flight = gauges
            .clusters
            .iter()
            .flat_map(|cluster| &cluster.endpoints)
            .any(|endpoint| endpoint.in_flight > 0);
        let waits = gauges.waiting.iter().any(|waiting| *waiting > 0);
        if gauges.calls > 0 || gauges.timers > 0 || in_flight || waits {
            self.broken(format!("sidecar {sidecar}: not idle at rest: {gauges:?}"));
        }
    }

    /// The call after all troubles went well: nothing stays broken.
    pub(super) fn check_epilogue(&mut self) {
        let Some(last) = self.calls.last() else {
            return;
        };
        if last.answer.code != Some(Code::Ok) || last.answer.delivery.is_none() {
            let what = format!("the call after all troubles failed: {:?}", last.answer);
            self.broken(what);
        }
    }

    /// All sidecars were told to stop, and did; and the records of the whole run are right.
    pub(super) fn check_drained(&mut self) {
        self.check_calls();
        self.check_panics();
        for sidecar in 0..self.sidecars.len() {
            self.check_idle(sidecar);
            let gauges = self.sidecars[sidecar].engine.gauges();
            if !gauges.drained || gauges.downstream != [0, 0] {
                self.broken(format!("sidecar {sidecar}: does not drain: {gauges:?}"));
            }
        }
    }

    /// Records against what was seen outside.
    fn check_calls(&mut self) {
        let caller = self.sidecars[CALLERS_SIDECAR].engine.gauges();
        let paid = caller.counters.budget_denied == 0;
        let wrong = self.calls.iter().enumerate().find_map(|(call, shadow)| {
            let missed = || {
                self.could_repeat(shadow).then_some(())?;
                let attempts_max = self.plan.rules.attempts_max;
                missed_retry(shadow, attempts_max, self.disturbed.is_some())
            };
            let wrong = wrong_records(shadow).or_else(|| paid.then(missed)?)?;
            Some((call, wrong))
        });
        if let Some((call, wrong)) = wrong {
            self.broken(format!("call {call}: {wrong}"));
        }
    }

    /// GOAWAY left the call out, and nothing makes good for that: the one free replay met another,
    /// or the request was not kept.
    fn was_left(&self, call: &Call) -> bool {
        match self.left_links {
            0 => false,
            1 => !self.is_kept(call),
            _ => true,
        }
    }

    /// Its request was surely kept.
    fn is_kept(&self, call: &Call) -> bool {
        call.plan.request_octets() <= KEPT_OCTETS
            && self.plan.limits.replay_bytes_max > self.calls.len() * KEPT_OCTETS
    }

    /// Its request was surely kept, and no clock ran.
    fn could_repeat(&self, call: &Call) -> bool {
        self.is_kept(call)
            && self.allowed(call).is_none()
            && self.plan.rules.per_try_timeout.is_none()
    }
}
