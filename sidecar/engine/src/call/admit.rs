//! Admission: what a call is, where it goes, and whether it may go there.
//!
//! The order of the steps in [`Engine::admit`] is a security property: nothing is routed before its
//! grammar is checked, nothing waits before its deadline is known.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use outrider_http2::{Fields, StreamId};
use outrider_policy::{
    Authority, GrpcPath, NoRoute, Target, TraceContext, deadline, pick_weighted,
};

use super::grammar::{asked_timeout, check, is_grpc, shown};
use super::{Call, Phase, RequestBody, Response};
use crate::config::Discovery;
use crate::engine::Engine;
use crate::ids::{CallId, ConnectionId, Scope, Side};
use crate::net::connection::Connection;
use crate::panic::SENTENCE;
use crate::panic::failpoint::Failpoint;
use crate::refusal::{Reason, Refusal};

/// Why a call is not admitted.
pub(super) enum NotAdmitted {
    /// It is not to be.
    Refused(Refusal),
    /// Nobody has said yet whether there is a service of this name.
    Unknown(String),
}

impl From<Refusal> for NotAdmitted {
    fn from(refusal: Refusal) -> NotAdmitted {
        NotAdmitted::Refused(refusal)
    }
}

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

    /// Admits a call whose service was not known and now is.
    pub(super) fn readmit(&mut self, mut call: Box<Call>) {
        let admitted = self.guard_admission(&mut call, Engine::admit);
        self.conclude_admission(call, admitted);
    }

    /// Looks at a call that has no place yet: nothing is as exposed to what peers write. A panic
    /// refuses the call.
    fn guard_admission(
        &mut self,
        call: &mut Call,
        judge: impl FnOnce(&mut Engine, &mut Call) -> Result<(), NotAdmitted>,
    ) -> Result<(), NotAdmitted> {
        let mut judgement = Err(Refusal::late(Reason::SidecarFault, SENTENCE).into());
        self.in_scope(Scope::UnkeptCall, |engine| {
            engine.failpoints.hit(Failpoint::Call);
            judgement = judge(engine, call);
        });
        judgement
    }

    fn conclude_admission(&mut self, call: Box<Call>, admitted: Result<(), NotAdmitted>) {
        match admitted {
            Ok(()) => self.start(call),
            Err(NotAdmitted::Refused(refusal)) => self.refuse(call, refusal),
            Err(NotAdmitted::Unknown(name)) => self.await_service(call, name),
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
        if let Some(call) = self.calls.get_mut(id.0 as usize) {
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
        Box::new(Call {
            side,
            downstream: id,
            stream,
            caller_address,
            caller,
            // Known at once, because a refusal needs it.
            is_grpc: is_grpc(&request),
            request,
            started: self.now,
            deadline: None,
            deadline_timer: None,
            trace: TraceContext::root(0, 0, false),
            parent_span: None,
            made_request_id: None,
            route: None,
            cluster: None,
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
            history: None,
        })
    }

    fn admit(&mut self, call: &mut Call) -> Result<(), NotAdmitted> {
        check(call)?;
        self.check_memory(call)?;
        self.route(call)?;
        self.sample(call);
        self.set_deadline(call)?;
        self.limit(call)?;
        Ok(())
    }

    /// Finds the route and draws the cluster. Inbound there is one: the own application.
    fn route(&mut self, call: &mut Call) -> Result<(), NotAdmitted> {
        let route = match call.side {
            Side::Inbound => self.inbound_route()?,
            Side::Outbound => self.outbound_route(call)?,
        };
        let random = self.random.next_u64();
        let cluster = pick_weighted(&route.route.clusters, random)
            .and_then(|index| route.clusters[index].clone());
        let refusal = cluster.is_none().then(|| {
            let sentence = format!(
                "route {} leads to no cluster that is configured",
                route.name
            );
            Refusal::early(Reason::NoRoute, sentence)
        });
        call.route = Some(route);
        call.cluster = cluster;
        refusal.map_or(Ok(()), |refusal| Err(refusal.into()))
    }

    /// A trace that begins here is recorded at the route's rate; of another the caller decided.
    fn sample(&mut self, call: &mut Call) {
        if call.parent_span.is_some() {
            return;
        }
        if let Some(route) = &call.route {
            let sampled = route.route.policy.sampling.decide(self.random.next_u64());
            call.trace = call.trace.with_sampled(sampled);
        }
    }

    fn outbound_route(&mut self, call: &Call) -> Result<Rc<super::RouteState>, NotAdmitted> {
        let authority = call.request.find(b":authority").unwrap_or_default();
        let path = call.request.find(b":path").unwrap_or_default();
        let parsed = Authority::parse(authority).map_err(|_| bad_authority(authority))?;
        let target = Target {
            authority: &parsed,
            // Of a gRPC call the path was parsed by `check`.
            grpc_service: GrpcPath::service_of(path).filter(|_| call.is_grpc),
        };
        let found = self
            .snapshot
            .routes
            .find(target, path, call.is_grpc, |name| {
                joined(&call.request, name)
            })
            .map_err(|why| self.unrouted(why, target, authority, path))?;
        Ok(self.route_state(found))
    }

    /// No route leads to the target: because there is no such service, or is it not known yet?
    fn unrouted(
        &self,
        why: NoRoute,
        target: Target<'_>,
        authority: &[u8],
        path: &[u8],
    ) -> NotAdmitted {
        let name = match (&self.snapshot.discovery, why) {
            (
                Discovery::OnDemand { absent },
                NoRoute::UnknownAuthority | NoRoute::UnknownGrpcService,
            ) => target.name().filter(|name| !absent.contains(name)),
            (
                Discovery::OnDemand { .. },
                NoRoute::EverybodysService | NoRoute::NamesNoService | NoRoute::NoMatchingRule,
            )
            | (Discovery::Complete, _) => None,
        };
        match name {
            Some(name) => NotAdmitted::Unknown(name),
            None => Refusal::early(Reason::NoRoute, no_route(why, authority, path)).into(),
        }
    }

    fn inbound_route(&mut self) -> Result<Rc<super::RouteState>, Refusal> {
        self.app_route.clone().ok_or_else(|| {
            Refusal::early(
                Reason::NoRoute,
                "this sidecar has no application to call; start it with --app ADDR",
            )
        })
    }

    /// The deadline counts from the first HEADERS, whatever was waited for since.
    pub(super) fn set_deadline(&mut self, call: &mut Call) -> Result<(), Refusal> {
        let asked = asked_timeout(call)?;
        let policy = call
            .route
            .as_ref()
            .and_then(|route| route.route.policy.timeout);
        // A route that became known late cannot have wanted the call over before that.
        let policy = policy.map(|timeout| timeout.max(self.now.since(call.started)));
        call.deadline = deadline::earliest(call.started, asked, policy);
        Ok(())
    }

    /// The ceiling on calls in flight to one cluster.
    fn limit(&mut self, call: &mut Call) -> Result<(), Refusal> {
        let Some(cluster) = &call.cluster else {
            return Ok(());
        };
        let (in_flight, limit) = (cluster.load.calls.get(), cluster.config.policy.limits.calls);
        if call.side == Side::Outbound && in_flight >= limit {
            let sentence = format!(
                "{} has {in_flight} calls in flight, the limit is {limit}",
                cluster.name
            );
            return Err(Refusal::early(Reason::Overloaded, sentence));
        }
        Ok(())
    }
}

fn bad_authority(authority: &[u8]) -> Refusal {
    let sentence = match authority {
        b"" => "the request has neither :authority nor host".to_owned(),
        _ => format!(
            "the :authority {} is no host with or without a port",
            shown(authority)
        ),
    };
    Refusal::early(Reason::BadRequest, sentence)
}

/// The value of a header as rules see it: a repeated one with all its values, so that none hides. They
/// are joined by commas (RFC 9110 5.3), the pieces of a cookie by semicolons (RFC 9113 8.2.3). `host` is
/// what became of it, the authority.
fn joined<'a>(request: &'a Fields, name: &str) -> Option<Cow<'a, [u8]>> {
    let (name, between): (_, &[u8]) = match name {
        "cookie" => (name, b"; "),
        "host" => (":authority", b","),
        _ => (name, b","),
    };
    let mut values = request.find_all(name.as_bytes());
    let first = values.next()?;
    let Some(second) = values.next() else {
        return Some(Cow::Borrowed(first));
    };
    let mut all = first.to_vec();
    for value in std::iter::once(second).chain(values) {
        all.extend_from_slice(between);
        all.extend_from_slice(value);
    }
    Some(Cow::Owned(all))
}

fn no_route(why: NoRoute, authority: &[u8], path: &[u8]) -> String {
    let (authority, path) = (shown(authority), shown(path));
    match why {
        NoRoute::UnknownAuthority => {
            format!("no service is called {authority}; is there a Service document with that name?")
        }
        NoRoute::UnknownGrpcService => {
            format!("no Service document lists the gRPC service of {path} under grpcServices")
        }
        NoRoute::EverybodysService => {
            format!(
                "{path} is implemented by every service; name one in the authority instead of {authority}"
            )
        }
        NoRoute::NamesNoService => {
            format!(
                "the authority {authority} names no service, and only gRPC calls go by their path; put \
                 the name of a service into the authority, with curl by -H \"Host: orders\""
            )
        }
        NoRoute::NoMatchingRule => format!("no rule of {authority} matches {path}"),
    }
}
