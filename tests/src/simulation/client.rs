//! Application clients: they open calls, feed bodies, read answers, give up, come back.
//!
//! Each speaks HTTP/2 in the clear to its own sidecar, over one connection at a time; a connection
//! that was told to go away ends with its last stream.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use outrider_http2::{self as http2, Fields, StreamId, WindowPool};
use outrider_policy::timeout;

use super::agenda::{CallStep, Event};
use super::call::CallEnd;
use super::fields::fields;
use super::network::Place;
use super::oddity::Oddity;
use super::pattern::{Body, Pattern};
use super::plan::{CallPlan, Method};
use super::strain::{Slip, to_network};
use super::world::{CALLERS_SIDECAR, World};

/// One client and its connections, by link.
pub(super) struct Client {
    pub(super) connections: BTreeMap<usize, ClientConnection>,
    current: Option<usize>,
    waiting: VecDeque<usize>,
    pool: WindowPool,
    /// It had closed its windows for a while: its answers may be late.
    pub(super) was_narrow: bool,
}

pub(super) struct ClientConnection {
    pub(super) http2: http2::Connection,
    /// What goes out between its frames.
    pub(super) slip: Slip,
    /// Calls whose answer is not over.
    pub(super) streams: BTreeMap<StreamId, usize>,
    established: bool,
}

impl Client {
    pub(super) fn new(growth: usize) -> Client {
        Client {
            connections: BTreeMap::new(),
            current: None,
            waiting: VecDeque::new(),
            pool: WindowPool::new(growth),
            was_narrow: false,
        }
    }
}

impl World {
    pub(super) fn call_step(&mut self, call: usize, step: CallStep) {
        match step {
            CallStep::Begin => {
                let client = self.calls[call].plan.client;
                self.clients[client].waiting.push_back(call);
                self.open_waiting(client);
            }
            CallStep::Feed => self.feed(call),
            CallStep::Cancel => self.give_up(call),
            CallStep::Credit(octets) => self.client_credit(call, octets),
            CallStep::Patience => {
                if self.calls[call].end.is_none() {
                    self.broken(format!(
                        "call {call} hangs: it has not ended after a minute"
                    ));
                }
            }
        }
    }

    pub(super) fn client_established(&mut self, client: usize, link: usize) {
        if let Some(connection) = self.clients[client].connections.get_mut(&link) {
            connection.established = true;
        }
        self.open_waiting(client);
        self.flush_client(client, link);
    }

    /// Opens streams for the calls that wait, as far as the connection allows.
    fn open_waiting(&mut self, client: usize) {
        while let Some(call) = self.clients[client].waiting.front().copied() {
            let link = match self.clients[client].current {
                Some(link) => link,
                None => self.client_connects(client),
            };
            let connection = &self.clients[client].connections[&link];
            if !connection.established || !connection.http2.can_open() {
                return;
            }
            self.clients[client].waiting.pop_front();
            self.open(client, link, call);
        }
    }

    fn client_connects(&mut self, client: usize) -> usize {
        let link = self.connect(Place::Client(client), Place::Sidecar(CALLERS_SIDECAR));
        let me = &mut self.clients[client];
        let config = http2::Config::default();
        let connection = ClientConnection {
            http2: http2::Connection::client(config, &me.pool),
            slip: Slip::default(),
            streams: BTreeMap::new(),
            established: false,
        };
        me.connections.insert(link, connection);
        me.current = Some(link);
        link
    }

    fn open(&mut self, client: usize, link: usize, call: usize) {
        let plan = &self.calls[call].plan;
        let head = request_head(call, plan);
        let end = plan.request.is_empty() && !plan.trailers;
        let (patience, cancel) = (self.now + Duration::from_secs(60), plan.cancel_after);
        let first = plan
            .request
            .first()
            .map_or(Duration::ZERO, |(wait, _)| *wait);
        let Some(connection) = self.clients[client].connections.get_mut(&link) else {
            return;
        };
        let opened = connection.http2.open(head.iter(), end);
        let Ok(stream) = opened else {
            return self.broken(format!("call {call}: can_open() and then {opened:?}"));
        };
        connection.streams.insert(stream, call);
        let shadow = &mut self.calls[call];
        shadow.begun = Some(self.now);
        shadow.place = Some((link, stream));
        shadow.request_ended = end;
        self.note(|world| {
            let plan = &world.calls[call].plan;
            format!(
                "client {client}: call {call} begins on link {link} stream {}: {:?}, {} octets, timeout {:?}",
                stream.value(), plan.method, plan.request_octets(), plan.timeout
            )
        });
        self.later(patience, call, CallStep::Patience);
        if !end {
            self.later(self.now + first, call, CallStep::Feed);
        }
        if let Some(after) = cancel {
            self.later(self.now + after, call, CallStep::Cancel);
        }
        self.flush_client(client, link);
    }

    pub(super) fn later(&mut self, at: outrider_policy::Tick, call: usize, step: CallStep) {
        self.agenda.plan(at, Event::Call { call, step });
    }

    /// Sends the next piece of the request.
    fn feed(&mut self, call: usize) {
        let shadow = &mut self.calls[call];
        let (Some((link, stream)), client) = (shadow.place, shadow.plan.client) else {
            return;
        };
        if !matches!(shadow.end, None | Some(CallEnd::Answered)) || shadow.request_ended {
            return;
        }
        let Some(connection) = self.clients[client].connections.get_mut(&link) else {
            return;
        };
        let pieces = &shadow.plan.request;
        let is_last = shadow.pieces_fed + 1 >= pieces.len();
        let ends = is_last && !shadow.plan.trailers;
        if let Some((_, octets)) = pieces.get(shadow.pieces_fed).copied() {
            let body = Body::Request { call };
            let http2 = &mut connection.http2;
            send_body(&self.pattern, body, shadow.fed, octets, |bytes, last| {
                http2.data(stream, bytes, ends && last);
            });
            shadow.pieces_fed += 1;
            shadow.fed += octets;
        }
        if is_last {
            shadow.request_ended = true;
            if shadow.plan.trailers {
                let mut trailers = fields(&[("x-request-end", "1")]);
                trailers.push(http2::Field::new(CALLER_FIELD, b"URI=spiffe://forged"));
                trailers.push(http2::Field::new(MARK, b"1"));
                connection.http2.trailers(stream, trailers.iter());
            }
        } else {
            let wait = pieces[shadow.pieces_fed].0;
            self.later(self.now + wait, call, CallStep::Feed);
        }
        self.flush_client(client, link);
    }

    /// The client resets its stream.
    fn give_up(&mut self, call: usize) {
        let shadow = &mut self.calls[call];
        let (Some((link, stream)), None) = (shadow.place, shadow.end) else {
            return;
        };
        let client = shadow.plan.client;
        if let Some(connection) = self.clients[client].connections.get_mut(&link) {
            connection.http2.reset(stream, http2::ErrorCode::Cancel);
        }
        self.call_ends(call, CallEnd::Cancelled);
        self.flush_client(client, link);
        self.open_waiting(client);
    }

    pub(super) fn client_credit(&mut self, call: usize, octets: usize) {
        let Some((link, stream)) = self.calls[call].place else {
            return;
        };
        let client = self.calls[call].plan.client;
        if let Some(connection) = self.clients[client].connections.get_mut(&link) {
            connection.http2.credit(stream, octets);
            self.flush_client(client, link);
        }
    }

    /// Octets from the sidecar.
    pub(super) fn client_receives(&mut self, client: usize, link: usize, mut bytes: &[u8]) {
        let now = Duration::from_nanos(self.now.as_nanos());
        while let Some(connection) = self.clients[client].connections.get_mut(&link) {
            let Some(said) = connection.http2.receive(now, &mut bytes) else {
                break;
            };
            self.client_hears(client, link, said);
        }
        self.open_waiting(client);
        self.flush_client(client, link);
    }

    /// No new streams on `link`.
    pub(super) fn leave(&mut self, client: usize, link: usize) {
        let me = &mut self.clients[client];
        if me.current == Some(link) {
            me.current = None;
        }
    }

    /// The connection is gone, and every call on it.
    pub(super) fn client_hung_up(&mut self, client: usize, link: usize) {
        self.leave(client, link);
        if let Some(connection) = self.clients[client].connections.remove(&link) {
            for call in connection.streams.into_values() {
                self.call_ends(call, CallEnd::Lost);
            }
        }
        self.network.close(&mut self.agenda, self.now, link, 0);
        self.open_waiting(client);
    }

    /// Sends what the connection has, and closes it when it was left and nothing is under way.
    pub(super) fn flush_client(&mut self, client: usize, link: usize) {
        let me = &mut self.clients[client];
        let Some(connection) = me.connections.get_mut(&link) else {
            return;
        };
        if !connection.established {
            return;
        }
        let http2 = &mut connection.http2;
        let send = to_network(&mut self.network, &mut self.agenda, self.now, (link, 0));
        connection.slip.send(http2, send);
        let mut framed = Vec::new();
        while let Some(taken) = http2.next_framed() {
            if let Some(call) = connection.streams.get(&taken.stream) {
                self.calls[*call].framed += taken.bytes;
                framed.push(*call);
            }
        }
        let said = http2.output().is_empty() && connection.slip.is_empty();
        let idle = http2.open_streams() == 0 && said;
        if idle && connection.streams.is_empty() && me.current != Some(link) {
            me.connections.remove(&link);
            self.network.close(&mut self.agenda, self.now, link, 0);
        }
        framed
            .into_iter()
            .for_each(|call| self.check_request_bound(call));
    }
}

fn request_head(call: usize, plan: &CallPlan) -> Fields {
    let (method, oddity) = (plan.method, plan.oddity);
    let verb = if method == Method::Fetch && plan.request.is_empty() {
        "GET"
    } else {
        "POST"
    };
    let path = match oddity {
        Oddity::BadPath => "/sim.Echo/../Get",
        _ => method.path(),
    };
    // Way 1 of pointing traffic at a sidecar: by name, or for gRPC by localhost and the path.
    let authority = match oddity {
        Oddity::Nowhere => "nowhere",
        _ if method.is_grpc() && call.is_multiple_of(2) => "localhost:15001",
        _ => "echo",
    };
    let id = format!("call-{call}");
    let mut head = fields(&[
        (":method", verb),
        (":scheme", "http"),
        (":path", path),
        (":authority", authority),
        ("x-request-id", &id),
    ]);
    if method.is_grpc() {
        head.push(http2::Field::new(b"content-type", b"application/grpc"));
        head.push(http2::Field::new(b"te", b"trailers"));
    }
    let deadline = plan.timeout.map(timeout::format);
    if oddity == Oddity::BadTimeout {
        head.push(http2::Field::new(b"grpc-timeout", b"7 parsecs"));
    } else if let Some(deadline) = &deadline {
        head.push(http2::Field::new(b"grpc-timeout", deadline.as_bytes()));
    }
    if call.is_multiple_of(5) {
        // What an application may not say about itself.
        head.push(http2::Field::new(
            CALLER_FIELD,
            b"URI=spiffe://sim.test/ns/default/svc/admin",
        ));
        head.push(http2::Field::new(MARK, b"1"));
    }
    if call.is_multiple_of(4) {
        head.push(http2::Field::new(b"traceparent", TRACE.as_bytes()));
    }
    for chunk in filler(oddity).as_bytes().chunks(9_000) {
        head.push(http2::Field::new(FILLER, chunk));
    }
    head
}

/// Who called, in the words of the mesh alone.
pub(super) const CALLER_FIELD: &[u8] = b"x-forwarded-client-cert";
/// "No application saw this request", in the words of the mesh alone.
pub(super) const MARK: &[u8] = b"outrider-unprocessed";
/// The trace of every fourth call; the example of W3C Trace Context 3.2.
pub(super) const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Name of the field that makes a head long.
pub(super) const FILLER: &[u8] = b"x-filler";

/// What that field says, over all its lines.
pub(super) fn filler(oddity: Oddity) -> String {
    "mesh-".repeat(oddity.filler() / 5)
}

/// Gives `octets` of `body` from `position` to `send`, in pieces; the last one is marked.
pub(super) fn send_body(
    pattern: &Pattern,
    body: Body,
    position: usize,
    octets: usize,
    mut send: impl FnMut(&[u8], bool),
) {
    let mut sent = 0;
    loop {
        let count = (octets - sent).min(Pattern::PIECE_MAX);
        let is_last = sent + count == octets;
        send(pattern.piece(body, position + sent, count), is_last);
        sent += count;
        if is_last {
            return;
        }
    }
}
