//! What a client makes of the answer to its call: it checks each octet, credits what it reads, and
//! knows when the call is over.

use outrider_http2::{self as http2, Event as Said, Fields, ResetCause, StreamId};
use outrider_policy::Code;

use super::agenda::CallStep;
use super::call::CallEnd;
use super::client::{FILLER, MARK};
use super::exchange::trailer_filler;
use super::fields::{number, text};
use super::pattern::Body;
use super::plan::Reader;
use super::world::World;

impl World {
    pub(super) fn client_hears(&mut self, client: usize, link: usize, said: Said<'_>) {
        match said {
            Said::Head {
                stream,
                fields,
                end,
            } => self.answer_head(self.call_of(client, link, stream), &fields, end),
            Said::Data {
                stream,
                bytes,
                ends,
            } => {
                self.answer_data(self.call_of(client, link, stream), bytes, ends.stream());
            }
            Said::Trailers { stream, fields } => {
                self.answer_trailers(self.call_of(client, link, stream), &fields);
            }
            Said::Reset { stream, cause } => {
                self.answer_reset(self.call_of(client, link, stream), &cause);
            }
            Said::Goaway { .. } => {
                self.note(|_| format!("client {client}: told to leave link {link}"));
                self.leave(client, link);
            }
            Said::Failed(error) => {
                self.broken(format!(
                    "client {client}: the sidecar broke HTTP/2: {error:?}"
                ));
            }
            Said::HeadTooLarge { .. }
            | Said::TrailersTooLarge { .. }
            | Said::HeadMalformed { .. }
            | Said::Malformed { .. }
            | Said::Foreign(_) => self.broken("a client got a request".to_owned()),
            Said::Interim { stream, .. } => {
                if let Some(call) = self.call_of(client, link, stream) {
                    self.calls[call].answer.interims += 1;
                }
            }
            Said::SettingsChanged | Said::Pong { .. } => {}
        }
    }

    fn call_of(&self, client: usize, link: usize, stream: StreamId) -> Option<usize> {
        let connection = self.clients[client].connections.get(&link)?;
        connection.streams.get(&stream).copied()
    }

    fn answer_head(&mut self, call: Option<usize>, fields: &Fields, end: bool) {
        let Some(call) = call else { return };
        let answer = &mut self.calls[call].answer;
        if answer.has_head {
            return self.broken(format!("call {call}: a second head"));
        }
        answer.has_head = true;
        answer.status = number(fields, b":status").unwrap_or(0);
        answer.delivery = number(fields, b"x-delivery");
        if fields.find(MARK).is_some() {
            self.broken(format!(
                "call {call}: the mesh's mark reached the application"
            ));
        }
        if end {
            self.read_status(call, fields);
            self.call_ends(call, CallEnd::Answered);
        }
    }

    fn answer_data(&mut self, call: Option<usize>, bytes: &[u8], end: bool) {
        let Some(call) = call else { return };
        let shadow = &mut self.calls[call];
        let position = shadow.answer.octets;
        match shadow.answer.delivery {
            Some(delivery) => {
                let body = Body::Answer { call, delivery };
                if !self.pattern.fits(body, position, bytes) {
                    return self.broken(format!(
                        "call {call}: wrong octets in the answer at {position}..{}",
                        position + bytes.len()
                    ));
                }
            }
            None => {
                shadow.answer.json.extend_from_slice(bytes);
                shadow.answer.refusal = json_reason(&shadow.answer.json);
            }
        }
        shadow.answer.octets += bytes.len();
        match shadow.plan.reader {
            Reader::Prompt => self.client_credit(call, bytes.len()),
            Reader::Slow(wait) => {
                self.later(self.now + wait, call, CallStep::Credit(bytes.len()));
            }
        }
        if end {
            self.call_ends(call, CallEnd::Answered);
        }
    }

    fn answer_trailers(&mut self, call: Option<usize>, fields: &Fields) {
        let Some(call) = call else { return };
        self.calls[call].answer.has_trailers = true;
        let filler = fields.find(FILLER).map_or(0, <[u8]>::len);
        let is_servers = fields.find(b"x-answer-end").is_some();
        if is_servers && filler != trailer_filler(call) {
            self.broken(format!(
                "call {call}: trailers with {filler} octets of filler"
            ));
        }
        self.read_status(call, fields);
        self.call_ends(call, CallEnd::Answered);
    }

    fn read_status(&mut self, call: usize, fields: &Fields) {
        let answer = &mut self.calls[call].answer;
        answer.code = fields.find(b"grpc-status").map(Code::parse);
        let message = text(fields, b"grpc-message").unwrap_or_default();
        answer.refusal = message
            .rsplit_once('[')
            .and_then(|(_, reason)| reason.strip_suffix(']'))
            .map(str::to_owned);
    }

    fn answer_reset(&mut self, call: Option<usize>, cause: &ResetCause) {
        let Some(call) = call else { return };
        match cause {
            ResetCause::Peer(code) => self.call_ends(call, CallEnd::Reset(*code)),
            ResetCause::AboveGoaway => {
                self.call_ends(call, CallEnd::Reset(http2::ErrorCode::RefusedStream));
            }
            ResetCause::Malformed(_) | ResetCause::TooLarge | ResetCause::Violation(..) => {
                self.broken(format!("call {call}: the sidecar's answer is {cause:?}"));
            }
        }
    }

    /// A call is over for its client. After an early answer every other client stops sending.
    pub(super) fn call_ends(&mut self, call: usize, end: CallEnd) {
        let shadow = &mut self.calls[call];
        shadow.end = Some(end);
        let client = shadow.plan.client;
        let stops = end == CallEnd::Answered && !shadow.request_ended && call.is_multiple_of(2);
        if let Some((link, stream)) = shadow.place
            && let Some(connection) = self.clients[client].connections.get_mut(&link)
        {
            connection.streams.remove(&stream);
            if stops {
                shadow.request_ended = true;
                connection.http2.reset(stream, http2::ErrorCode::Cancel);
            }
        }
        self.note(|world| {
            let answer = &world.calls[call].answer;
            format!(
                "client {client}: call {call} ends: {end:?}, status {} {:?}, delivery {:?}, {} octets, {:?}",
                answer.status, answer.code, answer.delivery, answer.octets, answer.refusal
            )
        });
        self.check_call_end(call);
    }
}

/// The reason in a sidecar's JSON body, once it is whole.
fn json_reason(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    body.get("reason")?.as_str().map(str::to_owned)
}
