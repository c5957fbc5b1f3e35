//! The stream between both ends: what is under way, and what went over it before.
//!
//! One stream is in order. A server or client of another make may order the kinds otherwise than
//! we do, so in some seeds kinds overtake each other, in both directions; within a kind nothing
//! does. What is lost is lost with the stream.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use outrider_daemon::xds::client::{Request, Response};

use crate::simulation::random::Random;

#[derive(Default)]
pub(super) struct Wire {
    kinds_overtake: bool,
    stream: u64,
    to_server: VecDeque<Request>,
    to_client: VecDeque<Response>,
    /// What the client sent on this stream, by type.
    sent: BTreeMap<String, Vec<Request>>,
    /// Types of which the server has sent a response on this stream.
    answered: BTreeSet<String>,
    /// Answers of earlier streams.
    earlier: Vec<Request>,
}

impl Wire {
    pub fn new(kinds_overtake: bool) -> Wire {
        Wire {
            kinds_overtake,
            ..Wire::default()
        }
    }

    /// A stream with this number in its nonces is open.
    pub fn open(&mut self, stream: u64) {
        self.stream = stream;
    }

    /// The stream is gone, with everything on it.
    pub fn cut(&mut self) {
        self.to_server.clear();
        self.to_client.clear();
        self.answered.clear();
        let sent = std::mem::take(&mut self.sent).into_values().flatten();
        self.earlier.extend(sent.filter_map(answer_alone));
    }

    pub fn send(&mut self, request: Request) {
        let key = type_of(&request).to_owned();
        self.sent.entry(key).or_default().push(request.clone());
        self.to_server.push_back(request);
    }

    /// An old request comes again.
    pub fn repeat(&mut self, request: Request) {
        self.to_server.push_back(request);
    }

    pub fn respond(&mut self, responses: Vec<Response>) {
        let types = responses.iter().map(type_of_response);
        self.answered.extend(types.map(str::to_owned));
        self.to_client.extend(responses);
    }

    pub fn next_request(&mut self, random: &mut Random) -> Option<Request> {
        let first = self.first(self.to_server.len(), random);
        take(&mut self.to_server, first, type_of)
    }

    pub fn next_response(&mut self, random: &mut Random) -> Option<Response> {
        let first = self.first(self.to_client.len(), random);
        take(&mut self.to_client, first, type_of_response)
    }

    pub fn is_quiet(&self) -> bool {
        self.to_server.is_empty() && self.to_client.is_empty()
    }

    fn first(&self, count: usize, random: &mut Random) -> usize {
        if self.kinds_overtake && count > 1 {
            random.between(0, count - 1)
        } else {
            0
        }
    }

    /// The requests that answer an older response than the last does: of this stream, or of an
    /// earlier one, perhaps with a server that has died since.
    pub fn stale(&self) -> Vec<Request> {
        let of_this = self.sent.values().filter_map(|sent| old_one(sent));
        let stream = format!("{}-", self.stream);
        // Without a response there is nothing yet to be older than.
        let earlier = self.earlier.iter().filter(|request| {
            self.answered.contains(type_of(request)) && !nonce(request).starts_with(&stream)
        });
        of_this.chain(earlier.cloned()).collect()
    }

    /// The last answer of each type.
    pub fn last_answers(&self) -> Vec<Request> {
        let last = self.sent.values().filter_map(|sent| sent.last().cloned());
        last.filter_map(answer_alone).collect()
    }
}

/// The first of the kind that the one at `index` has.
fn take<T>(queue: &mut VecDeque<T>, index: usize, kind: fn(&T) -> &str) -> Option<T> {
    let chosen = kind(queue.get(index)?);
    let first = queue.iter().position(|one| kind(one) == chosen)?;
    queue.remove(first)
}

/// Of the requests of a type, one that answers an older response than the last does.
fn old_one(sent: &[Request]) -> Option<Request> {
    let newest = nonce(sent.last()?);
    let old = sent.iter().rev().find(|request| {
        let nonce = nonce(request);
        !nonce.is_empty() && nonce != newest
    });
    // Before the newest nonce has arrived, the old one might still be the last at the server.
    old.filter(|_| !newest.is_empty())
        .cloned()
        .and_then(answer_alone)
}

/// The answer in a request, without the change of subscription that a delta request may carry.
fn answer_alone(request: Request) -> Option<Request> {
    if nonce(&request).is_empty() {
        return None;
    }
    Some(match request {
        Request::Delta(mut request) => {
            request.resource_names_subscribe.clear();
            request.resource_names_unsubscribe.clear();
            request.initial_resource_versions.clear();
            Request::Delta(request)
        }
        Request::World(request) => Request::World(request),
    })
}

fn nonce(request: &Request) -> &str {
    match request {
        Request::Delta(request) => &request.response_nonce,
        Request::World(request) => &request.response_nonce,
    }
}

fn type_of(request: &Request) -> &str {
    match request {
        Request::Delta(request) => &request.type_url,
        Request::World(request) => &request.type_url,
    }
}

fn type_of_response(response: &Response) -> &str {
    match response {
        Response::Delta(response) => &response.type_url,
        Response::World(response) => &response.type_url,
    }
}
