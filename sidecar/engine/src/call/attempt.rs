//! An attempt: pick an endpoint with room, connect, send the head. Without room the call waits.
//!
//! Decides nothing about failures: see `failed.rs`.

use std::rc::Rc;

use outrider_http2::CannotOpen;
use outrider_policy::deadline;

use super::forward::request_head;
use super::wait::Waited;
use super::{Attempt, Call, Phase};
use crate::cluster::{CallView, Choice, ClusterState};
use crate::engine::Engine;
use crate::ids::{CallId, ConnectionId, Scope, Side};
use crate::net::pool::Found;
use crate::panic::failpoint::Failpoint;
use crate::timers::Timer;

impl Engine {
    /// An admitted call begins: it counts, and its first attempt is made.
    pub(crate) fn start(&mut self, call: Box<Call>) {
        if call.side == Side::Inbound && call.caller.is_none() {
            self.count_unverified(call.downstream);
        }
        let (cluster, side) = (call.cluster.clone(), call.side);
        // First of all it has a place: from here on a panic finds it.
        let id = self.insert_call(call);
        self.scope = Scope::Call(id);
        self.failpoints.hit(Failpoint::Call);
        if let Some(cluster) = cluster {
            cluster.load.calls.set(cluster.load.calls.get() + 1);
            if side == Side::Outbound {
                cluster
                    .config
                    .shared
                    .budget
                    .call_seen(&cluster.config.policy.budget, self.now);
            }
        }
        self.attempt(id);
    }

    /// The call takes its place on the worker, and its deadline runs.
    pub(crate) fn insert_call(&mut self, call: Box<Call>) -> CallId {
        let (downstream, stream, deadline) = (call.downstream, call.stream, call.deadline);
        self.replay_bytes += call.body.bytes.len();
        let id = self.calls.insert(call);
        if let Some(connection) = self.connection_mut(downstream) {
            connection.streams.insert(stream, id);
        }
        if let Some(deadline) = deadline {
            let timer = self.timers.arm(deadline, Timer::Deadline(id));
            if let Some(call) = self.calls.at_mut(id) {
                call.deadline_timer = Some(timer);
            }
        }
        id
    }

    /// The inbound listener refuses plaintext: this counts, once a connection, that it did not.
    fn count_unverified(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connection_mut(id)
            && !std::mem::replace(&mut connection.served_unverified, true)
        {
            self.counters.plaintext_connections[0] += 1;
        }
    }

    /// Makes one attempt, behind all who stand in line.
    pub(crate) fn attempt(&mut self, id: CallId) {
        let call = self.calls.at(id);
        let cluster = call.and_then(|call| call.cluster.clone());
        self.assert_sound(cluster.is_some(), "an attempt of a call without a cluster");
        let Some(cluster) = cluster else {
            return;
        };
        if cluster.load.lines.room.is_empty() {
            return self.attempt_now(id, &cluster);
        }
        self.wait_for_room(id);
        self.line_is_due(&cluster.load);
    }

    /// Makes an attempt if there is room: picks an endpoint, finds a connection, sends or waits.
    pub(super) fn attempt_now(&mut self, id: CallId, cluster: &Rc<ClusterState>) {
        if self.is_too_late(id) {
            return self.deadline_passed(id);
        }
        match self.find_endpoint(id, cluster) {
            Some((choice, found)) => self.begin_attempt(id, cluster, choice, found),
            None => self.wait_for_room(id),
        }
    }

    /// An endpoint that has room, and the connection that has it.
    fn find_endpoint(&mut self, id: CallId, cluster: &Rc<ClusterState>) -> Option<(Choice, Found)> {
        loop {
            let call = self.calls.at(id)?;
            let view = CallView {
                tried: call.tried(),
            };
            let choice = cluster.choose(view, self.now, &mut self.random)?;
            if let Some(found) = self.find_connection(cluster, &choice.endpoint) {
                return Some((choice, found));
            }
            choice.endpoint.note_full(self.now);
        }
    }

    fn begin_attempt(
        &mut self,
        id: CallId,
        cluster: &Rc<ClusterState>,
        choice: Choice,
        found: Found,
    ) {
        self.end_wait(id, Waited::Answered);
        if let Found::Waiting(_) = found
            && let Err(refusal) = self.may_wait(cluster)
        {
            return self.end_refused(id, refusal);
        }
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        let admission = cluster.admit(&choice, self.now);
        let Choice {
            endpoint, panic, ..
        } = choice;
        call.attempts += 1;
        self.counters.panic_picks += u64::from(panic);
        endpoint.in_flight.set(endpoint.in_flight.get() + 1);
        self.failpoints.hit(Failpoint::Call);
        call.last_endpoint = Some(endpoint.address);
        let per_try = call
            .route
            .as_ref()
            .and_then(|route| route.route.policy.per_try_timeout);
        let per_try_timer =
            per_try.map(|timeout| self.timers.arm(self.now + timeout, Timer::PerTry(id)));
        let trace = match call.records_attempts() {
            true => call.trace.child(self.random.next_u64()),
            false => call.trace,
        };
        call.phase = Phase::Trying(Attempt {
            endpoint,
            admission,
            connection: ConnectionId::NONE,
            stream: None,
            trace,
            picked: self.now,
            started: self.now,
            per_try_timer,
            taken: 0,
        });
        match found {
            Found::Ready(connection) => self.send(id, connection),
            Found::Waiting(connection) => self.await_connection(id, connection),
        }
    }

    /// No attempt starts at or after its call's deadline, even where the timer has yet to fire.
    fn is_too_late(&self, id: CallId) -> bool {
        let deadline = self.calls.at(id).and_then(|call| call.deadline);
        deadline.is_some_and(|deadline| deadline::is_over(deadline, self.now))
    }

    /// Opens the stream and sends the head and what came of the body.
    pub(crate) fn send(&mut self, id: CallId, connection: ConnectionId) {
        if self.is_too_late(id) {
            return self.deadline_passed(id);
        }
        let Some(call) = self.calls.at(id) else {
            return;
        };
        let written = self.write_head(call);
        let ends_now =
            call.body.ended && call.body.bytes.is_empty() && call.body.trailers.is_none();
        let target = self.connections.get_mut(connection.slot as usize);
        let target = target.filter(|target| target.serial == connection.serial);
        debug_assert!(
            target.is_some() || self.calls.is_damaged(),
            "an attempt on a connection that is gone"
        );
        let Some(target) = target else {
            return;
        };
        match target.http2.open(request_head(call, &written), ends_now) {
            Ok(stream) => {
                target.streams.insert(stream, id);
                self.failpoints.hit(Failpoint::Call);
                let peer = target.peer.clone();
                let was_resting = target.lifetime.is_resting;
                self.mark_dirty(connection);
                if was_resting {
                    self.note_activity(connection);
                }
                self.note_sent(id, connection, stream, peer);
                if !ends_now {
                    self.send_body(id, connection, stream);
                }
            }
            Err(why) => self.cannot_open(id, connection, why),
        }
    }

    fn note_sent(
        &mut self,
        id: CallId,
        connection: ConnectionId,
        stream: outrider_http2::StreamId,
        peer: Option<std::sync::Arc<outrider_identity::SpiffeId>>,
    ) {
        let now = self.now;
        let Some(call) = self.calls.at_mut(id) else {
            return;
        };
        call.sent += 1;
        if call.side == Side::Outbound {
            call.last_peer = peer;
        }
        if let Some(attempt) = call.attempt_mut() {
            attempt.connection = connection;
            attempt.stream = Some(stream);
            attempt.started = now;
        }
    }

    /// The connection cannot take the stream after all: another is found, nothing was sent.
    fn cannot_open(&mut self, id: CallId, connection: ConnectionId, why: CannotOpen) {
        match why {
            CannotOpen::Full => {}
            CannotOpen::Goaway | CannotOpen::IdsExhausted | CannotOpen::Failed => {
                self.retire(connection)
            }
        }
        self.attempt_elsewhere(id);
    }
}
