//! One request at a server: what came of it is checked, and it is answered by its script.

use outrider_http2::{self as http2, ErrorCode, Field, Fields, StreamId};
use outrider_policy::Code;

use super::agenda::{Event, ExchangeStep};
use super::call::{Delivery, DeliveryEnd};
use super::client::{FILLER, MARK, send_body};
use super::fields::{call_of, fields, text};
use super::pattern::Body;
use super::plan::Reader;
use super::script::{Pushback, Script, Step, Trigger};
use super::world::World;

/// One request and its answer.
pub(super) struct Exchange {
    pub(super) call: usize,
    pub(super) delivery: usize,
    script: Script,
    request_over: bool,
    answer_over: bool,
}

impl World {
    pub(super) fn request_head(
        &mut self,
        server: usize,
        (link, stream): (usize, StreamId),
        head: &Fields,
        end: bool,
    ) {
        let name = text(head, b"x-request-id");
        if self.is_ignored(server, (link, stream))
            || self.answers_hostile(server, (link, stream), name)
        {
            return;
        }
        let named = name.and_then(call_of);
        let Some(call) = named.filter(|call| *call < self.calls.len()) else {
            return self.broken(format!("server {server}: a request of nobody: {head:?}"));
        };
        let delivery = self.calls[call].deliveries.len();
        self.calls[call].deliveries.push(Delivery {
            at: self.now,
            received: 0,
            given: 0,
            framed: 0,
            status: None,
            code: None,
            says_stop: false,
            interims: 0,
            end: None,
        });
        self.note(|_| {
            let at = (link, stream.value());
            format!("server {server}: call {call} arrives on {at:?}, delivery {delivery}")
        });
        self.check_delivery(call, head);
        let me = &mut self.servers[server];
        let script = if self.is_epilogue {
            Script::good()
        } else {
            Script::draw(&mut me.random, &self.plan.servers, &self.calls[call].plan)
        };
        let starts = script.trigger == Trigger::Head;
        let exchange = Exchange {
            call,
            delivery,
            script,
            request_over: false,
            answer_over: false,
        };
        if let Some(connection) = me.connections.get_mut(&link) {
            connection.exchanges.insert(stream, exchange);
        }
        if starts {
            self.plan_step(server, link, stream);
        }
        if end {
            self.request_end(server, (link, stream), false);
        }
    }

    fn exchange(&mut self, server: usize, at: (usize, StreamId)) -> Option<&mut Exchange> {
        let connection = self.servers[server].connections.get_mut(&at.0)?;
        connection.exchanges.get_mut(&at.1)
    }

    /// Waits for the next step of the script, if there is one.
    fn plan_step(&mut self, server: usize, link: usize, stream: StreamId) {
        let now = self.now;
        let next = self
            .exchange(server, (link, stream))
            .and_then(|exchange| exchange.script.steps.front().map(|(wait, _)| now + *wait));
        if let Some(at) = next {
            let step = ExchangeStep::Script;
            self.agenda.plan(at, Event::Exchange { link, stream, step });
        }
    }

    pub(super) fn request_data(
        &mut self,
        server: usize,
        at: (usize, StreamId),
        bytes: &[u8],
        end: bool,
    ) {
        let now = self.now;
        let Some(exchange) = self.exchange(server, at) else {
            return self.server_credit(server, at, bytes.len());
        };
        let (call, delivery, reader) = (exchange.call, exchange.delivery, exchange.script.reader);
        let position = self.calls[call].deliveries[delivery].received;
        if !self.pattern.fits(Body::Request { call }, position, bytes) {
            return self.broken(format!(
                "call {call}: wrong octets in the request at {position}..{}",
                position + bytes.len()
            ));
        }
        self.calls[call].deliveries[delivery].received += bytes.len();
        match reader {
            Reader::Prompt => self.server_credit(server, at, bytes.len()),
            Reader::Slow(wait) => {
                let (link, stream) = at;
                let step = ExchangeStep::Credit(bytes.len());
                let event = Event::Exchange { link, stream, step };
                self.agenda.plan(now + wait, event);
            }
        }
        if end {
            self.request_end(server, at, false);
        }
    }

    fn server_credit(&mut self, server: usize, (link, stream): (usize, StreamId), octets: usize) {
        if let Some(connection) = self.servers[server].connections.get_mut(&link) {
            connection.http2.credit(stream, octets);
        }
    }

    pub(super) fn request_end(&mut self, server: usize, at: (usize, StreamId), trailers: bool) {
        let Some(exchange) = self.exchange(server, at) else {
            return;
        };
        exchange.request_over = true;
        let starts = exchange.script.trigger == Trigger::End;
        let (call, delivery) = (exchange.call, exchange.delivery);
        self.check_request_end(call, delivery, trailers);
        if starts {
            self.plan_step(server, at.0, at.1);
        }
        self.forget_if_over(server, at);
    }

    /// By the clock.
    pub(super) fn exchange_step(
        &mut self,
        server: usize,
        at: (usize, StreamId),
        step: ExchangeStep,
    ) {
        match step {
            ExchangeStep::Credit(octets) => self.server_credit(server, at, octets),
            ExchangeStep::Script => self.answer_step(server, at),
        }
        self.flush_server(server, at.0);
    }

    fn answer_step(&mut self, server: usize, at: (usize, StreamId)) {
        let (link, stream) = at;
        let Some(exchange) = self.exchange(server, at) else {
            return;
        };
        let Some((_, step)) = exchange.script.steps.pop_front() else {
            return;
        };
        let (call, delivery) = (exchange.call, exchange.delivery);
        self.begins(server, at);
        self.note(|_| format!("server {server}: call {call} delivery {delivery}: {step:?}"));
        match step {
            Step::Interim => {
                self.calls[call].deliveries[delivery].interims += 1;
                let hints = fields(&[(":status", "103"), ("link", "</style.css>")]);
                if let Some(http2) = self.server_http2(server, link) {
                    http2.head(stream, hints.iter(), false);
                }
            }
            Step::Head(code) => self.say_head(server, at, code, Pushback::None, false),
            Step::Only(code, pushback) => {
                let shadow = &mut self.calls[call].deliveries[delivery];
                shadow.code = Some(code);
                shadow.says_stop = pushback == Pushback::After(-1);
                self.say_head(server, at, code, pushback, true);
                self.answer_over(server, at, DeliveryEnd::Answered);
            }
            Step::Data(octets) => self.say_data(server, at, octets, false),
            Step::LastData(octets) => {
                self.say_data(server, at, octets, true);
                let broken = self.calls[call].plan.method.is_grpc();
                let end = if broken {
                    DeliveryEnd::Broken
                } else {
                    DeliveryEnd::Answered
                };
                self.answer_over(server, at, end);
            }
            Step::Trailers(code) => {
                self.calls[call].deliveries[delivery].code = Some(code);
                let trailers = trailers(call, code, self.calls[call].plan.method.is_grpc());
                if let Some(http2) = self.server_http2(server, link) {
                    http2.trailers(stream, trailers.iter());
                }
                self.answer_over(server, at, DeliveryEnd::Answered);
            }
            Step::Reset(code) => {
                if let Some(http2) = self.server_http2(server, link) {
                    http2.reset(stream, code);
                }
                self.exchange_over(server, at, DeliveryEnd::Reset(code));
            }
        }
        self.plan_step(server, link, stream);
    }

    /// Something is said on this stream: no GOAWAY may leave it out any more.
    fn begins(&mut self, server: usize, (link, stream): (usize, StreamId)) {
        if let Some(connection) = self.servers[server].connections.get_mut(&link) {
            connection.begun_max = connection.begun_max.max(stream.value());
        }
    }

    fn server_http2(&mut self, server: usize, link: usize) -> Option<&mut http2::Connection> {
        let connection = self.servers[server].connections.get_mut(&link)?;
        Some(&mut connection.http2)
    }

    fn say_head(
        &mut self,
        server: usize,
        at: (usize, StreamId),
        code: Code,
        pushback: Pushback,
        end: bool,
    ) {
        let Some(exchange) = self.exchange(server, at) else {
            return;
        };
        let (call, delivery) = (exchange.call, exchange.delivery);
        let is_grpc = self.calls[call].plan.method.is_grpc();
        let status = if is_grpc { 200 } else { http_status(code) };
        self.calls[call].deliveries[delivery].status = Some(status);
        let mut head = fields(&[
            (":status", &status.to_string()),
            ("x-delivery", &delivery.to_string()),
        ]);
        if is_grpc {
            head.push(Field::new(b"content-type", b"application/grpc"));
        }
        if is_grpc && end {
            trailers(call, code, true)
                .iter()
                .for_each(|field| head.push(field));
        }
        if call.is_multiple_of(7) {
            // What an application may not say: it is not the mesh.
            head.push(Field::new(MARK, b"1"));
        }
        if let Pushback::After(millis) = pushback {
            let millis = millis.to_string();
            head.push(Field::new(b"grpc-retry-pushback-ms", millis.as_bytes()));
        }
        if let Some(http2) = self.server_http2(server, at.0) {
            http2.head(at.1, head.iter(), end);
        }
    }

    fn say_data(&mut self, server: usize, at: (usize, StreamId), octets: usize, end: bool) {
        let (link, stream) = at;
        let Some(connection) = self.servers[server].connections.get_mut(&link) else {
            return;
        };
        let Some(exchange) = connection.exchanges.get(&stream) else {
            return;
        };
        let (call, delivery) = (exchange.call, exchange.delivery);
        let shadow = &mut self.calls[call].deliveries[delivery];
        let body = Body::Answer { call, delivery };
        let http2 = &mut connection.http2;
        send_body(&self.pattern, body, shadow.given, octets, |bytes, last| {
            http2.data(stream, bytes, end && last);
        });
        shadow.given += octets;
    }

    /// The answer is given in full; what comes of the request is read and thrown away, or some
    /// servers tell the sidecar that they do not need it.
    fn answer_over(&mut self, server: usize, at: (usize, StreamId), end: DeliveryEnd) {
        let Some(exchange) = self.exchange(server, at) else {
            return;
        };
        exchange.answer_over = true;
        let (call, delivery, early) = (exchange.call, exchange.delivery, !exchange.request_over);
        self.calls[call].deliveries[delivery].end = Some(end);
        if let Some(http2) = self.server_http2(server, at.0)
            && early
            && call.is_multiple_of(3)
            && http2.queued(at.1) == 0
        {
            http2.reset(at.1, ErrorCode::NoError);
        }
        self.forget_if_over(server, at);
    }

    fn forget_if_over(&mut self, server: usize, (link, stream): (usize, StreamId)) {
        let over = self
            .exchange(server, (link, stream))
            .is_some_and(|exchange| exchange.answer_over && exchange.request_over);
        if over && let Some(connection) = self.servers[server].connections.get_mut(&link) {
            connection.exchanges.remove(&stream);
        }
    }

    /// The exchange is over before its answer was.
    pub(super) fn exchange_over(
        &mut self,
        server: usize,
        (link, stream): (usize, StreamId),
        end: DeliveryEnd,
    ) {
        let removed = self.servers[server]
            .connections
            .get_mut(&link)
            .and_then(|connection| connection.exchanges.remove(&stream));
        if let Some(exchange) = removed {
            let (call, delivery) = (exchange.call, exchange.delivery);
            let shadow = &mut self.calls[call].deliveries[delivery];
            shadow.end.get_or_insert(end);
            self.note(|_| format!("server {server}: call {call} delivery {delivery}: {end:?}"));
        }
    }
}

/// The last fields of an answer.
fn trailers(call: usize, code: Code, is_grpc: bool) -> Fields {
    let mut trailers = fields(&[("x-answer-end", "1")]);
    if is_grpc {
        let code = (code as u32).to_string();
        trailers.push(Field::new(b"grpc-status", code.as_bytes()));
        trailers.push(Field::new(b"grpc-message", b"as the server said"));
    }
    let filler = "t".repeat(trailer_filler(call));
    if !filler.is_empty() {
        trailers.push(Field::new(FILLER, filler.as_bytes()));
    }
    trailers
}

/// Octets of a field that only makes the trailers of some calls longer than a frame.
pub(super) fn trailer_filler(call: usize) -> usize {
    if call.is_multiple_of(16) { 20_000 } else { 0 }
}

/// A plain HTTP/2 server's word for a code.
fn http_status(code: Code) -> u16 {
    match code {
        Code::Ok => 200,
        Code::InvalidArgument => 400,
        Code::ResourceExhausted => 429,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
        Code::Internal
        | Code::Cancelled
        | Code::Unknown
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss
        | Code::Unauthenticated => 500,
    }
}
