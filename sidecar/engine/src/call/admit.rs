//! Admission: a request head becomes a call, and runs through the steps of its direction.
//!
//! The order of the steps is `outrider_policy::order`; what each does is in `steps/`.

use std::time::Duration;

use outrider_http2::{Fields, StreamId};
use outrider_policy::order::{INBOUND, OUTBOUND, Step};
use outrider_policy::{Reason, Tick, TraceContext};

use super::grammar::is_grpc;
use super::steps::{self, Context, Stop};
use super::{Call, CallHistory, Phase, RequestBody, Response};
use crate::engine::Engine;
use crate::ids::{CallId, ConnectionId, Scope, Side};
use crate::net::connection::Connection;
use crate::panic::SENTENCE;
use crate::panic::failpoint::Failpoint;
use crate::refusal::Refusal;

impl Engine {
    /// A request head arrived: admits the call and starts its first attempt, or refuses it.
    pub(crate) fn arrived(
        &mut self,
        id: ConnectionId,
        side: Side,
        stream: StreamId,
        fields: Fields,
        end: bool,
    ) {
        let mut call = self.new_call(id, side, stream, fields, end);
        let admitted = self.guard_admission(&mut call, |engine, call| {
            engine.describe(call);
            engine.admit(call)
        });
        self.conclude_admission(call, admitted);
    }

    /// Admits a call that waited: it goes on at the step where it stopped.
    pub(super) fn readmit(&mut self, mut call: Box<Call>) {
        let admitted = self.guard_admission(&mut call, Engine::admit);
        self.conclude_admission(call, admitted);
    }

    /// Looks at a call that has no place yet: nothing is as exposed to what peers write. A panic
    /// refuses the call.
    fn guard_admission(
        &mut self,
        call: &mut Call,
        judge: impl FnOnce(&mut Engine, &mut Call) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut judgement = Err(Refusal::late(Reason::SidecarFault, SENTENCE).into());
        self.in_scope(Scope::UnkeptCall, |engine| {
            engine.failpoints.hit(Failpoint::Call);
            judgement = judge(engine, call);
        });
        judgement
    }

    fn conclude_admission(&mut self, call: Box<Call>, admitted: Result<(), Stop>) {
        match admitted {
            Ok(()) => self.start(call),
            Err(Stop::Refuse(refusal)) => self.refuse(call, refusal),
            Err(Stop::Wait(missing)) => self.wait_at_step(call, missing),
        }
    }

    /// A head over the limits: answered on its stream, the rest of the connection lives.
    pub(crate) fn arrived_too_large(
        &mut self,
        id: ConnectionId,
        side: Side,
        stream: StreamId,
        fields: Fields,
        size: (u64, u64),
        end: bool,
    ) {
        let call = self.new_call(id, side, stream, fields, end);
        let sentence = self.too_large("header list has", size);
        self.refuse_arrival(call, Refusal::early(Reason::HeadersTooLarge, sentence));
    }

    /// A request ends with trailers over the limits: so does the call, here and upstream.
    pub(crate) fn request_trailers_too_large(&mut self, id: CallId, size: (u64, u64)) {
        let sentence = self.too_large("trailers have", size);
        if let Some(call) = self.calls.at_mut(id) {
            call.body.ended = true;
        }
        self.end_refused(id, Refusal::late(Reason::HeadersTooLarge, sentence));
    }

    fn too_large(&self, what: &str, (bytes, count): (u64, u64)) -> String {
        let limits = &self.settings.http2;
        let (bytes_max, fields_max) = (limits.header_list_bytes_max, limits.header_fields_max);
        format!(
            "the request's {what} {bytes} octets in {count} fields; the limits are {bytes_max} and {fields_max}"
        )
    }

    /// Refuses what has just arrived and is not looked at any further.
    pub(super) fn refuse_arrival(&mut self, mut call: Box<Call>, refusal: Refusal) {
        let described = self.guard_admission(&mut call, |engine, call| {
            engine.describe(call);
            Err(refusal.into())
        });
        self.conclude_admission(call, described);
    }

    /// A call; nothing is known yet but its connection and stream.
    pub(super) fn new_call(
        &mut self,
        id: ConnectionId,
        side: Side,
        stream: StreamId,
        request: Fields,
        end: bool,
    ) -> Box<Call> {
        let connection = self.connection(id);
        let caller = connection.and_then(|connection| connection.peer.clone());
        let caller_address = connection.and_then(Connection::caller_address);
        let held_until = connection.and_then(|connection| connection.held_until(stream));
        Box::new(Call {
            side,
            downstream: id,
            stream,
            caller_address,
            caller,
            // Known at once, because a refusal needs it.
            is_grpc: is_grpc(&request),
            is_to_loopback: false,
            request,
            started: self.now,
            deadline: None,
            deadline_timer: None,
            trace: TraceContext::root(0, 0, false),
            parent_span: None,
            made_request_id: None,
            route: None,
            cluster: None,
            steps_passed: 0,
            phase: Phase::Admitted,
            ticket: None,
            waited: Duration::ZERO,
            attempts: 0,
            retries: 0,
            free_replay_used: false,
            sent: 0,
            maybe_processed: 0,
            last_endpoint: None,
            last_peer: None,
            first_byte: None,
            body: RequestBody::new(end),
            response: Response::default(),
            history: held_until.map(held),
        })
    }

    /// Runs the steps that the call has not passed yet.
    fn admit(&mut self, call: &mut Call) -> Result<(), Stop> {
        let order = order(call.side);
        let mut context = self.context();
        while let Some(step) = order.get(usize::from(call.steps_passed)) {
            steps::run(*step, &mut context, call)?;
            call.steps_passed += 1;
        }
        Ok(())
    }

    /// What a step may use of the engine.
    pub(super) fn context(&mut self) -> Context<'_> {
        Context {
            now: self.now,
            random: &mut self.random,
            configuration: &mut self.configuration,
            pressure: self.pressure,
        }
    }
}

/// The steps of a direction.
pub(super) fn order(side: Side) -> &'static [Step] {
    match side {
        Side::Outbound => &OUTBOUND,
        Side::Inbound => &INBOUND,
    }
}

fn held(until: Tick) -> Box<CallHistory> {
    Box::new(CallHistory {
        held_until: Some(until),
        ..CallHistory::default()
    })
}
