//! One ADS stream: the subscription sent so far, and the next request.
//!
//! Over state of the world a name that was once asked for stays asked for until the stream ends.
//! The server passes over the list of a request that crosses a response of its own, so nobody
//! can say when it has heard that a name was dropped: one that is dropped and wanted again
//! would be no news to it, and it would not send it again. Delta has no such doubt.

use std::collections::{BTreeMap, BTreeSet};

use outrider_proto::Kind;
use outrider_proto::envoy::core::Node;
use outrider_proto::envoy::discovery::{DeltaDiscoveryRequest, DiscoveryRequest};
use outrider_proto::google::Status;

/// Names of one kind that stay asked for over state of the world though nobody wants them any
/// more; 1,000. Above it all of them are dropped at once, or an application that calls ever new
/// names would make every request longer; one of them that is wanted again within the moment
/// may then be missed until the stream ends.
const LEFT_OVER_MAX: usize = 1_000;

/// The two ways to speak xDS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `DeltaAggregatedResources`; tried first.
    Delta,
    /// `StreamAggregatedResources`, for a server without delta.
    StateOfTheWorld,
}

/// A message to the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// On a delta stream.
    Delta(DeltaDiscoveryRequest),
    /// On a state-of-the-world stream.
    World(DiscoveryRequest),
}

/// What the sidecar says of a response.
#[derive(Debug)]
pub(super) struct Reply {
    pub kind: Kind,
    pub nonce: String,
    /// Of the response; state of the world only.
    pub version: String,
    pub error: Option<Status>,
}

#[derive(Debug, Default)]
struct SentSubscription {
    names: BTreeSet<String>,
    /// The last response; state of the world only.
    nonce: String,
    opened: bool,
}

impl SentSubscription {
    /// The names that are wanted and those that were asked for before.
    fn with_left_over(&self, wanted: &BTreeSet<String>) -> BTreeSet<String> {
        let left_over = self.names.difference(wanted);
        if left_over.clone().count() > LEFT_OVER_MAX {
            return wanted.clone();
        }
        wanted.iter().chain(left_over).cloned().collect()
    }
}

/// The stream: what outlives it is what its successor starts with.
#[derive(Debug)]
pub(super) struct AdsStream {
    /// While it is open.
    protocol: Option<Protocol>,
    node: Node,
    node_is_due: bool,
    sent: BTreeMap<Kind, SentSubscription>,
    /// Of the last good responses; state of the world only. Kept from stream to stream.
    versions: BTreeMap<Kind, String>,
}

impl AdsStream {
    pub fn new(node: Node) -> AdsStream {
        AdsStream {
            protocol: None,
            node,
            node_is_due: false,
            sent: BTreeMap::new(),
            versions: BTreeMap::new(),
        }
    }

    /// A stream is open; its server knows nothing yet.
    pub fn open(&mut self, protocol: Protocol) {
        self.protocol = Some(protocol);
        self.node_is_due = true;
        self.sent = BTreeMap::new();
    }

    pub fn close(&mut self) {
        self.protocol = None;
    }

    pub fn is_open(&self) -> bool {
        self.protocol.is_some()
    }

    /// The name is to be asked for again. On delta it is then sent again, and the answer to that
    /// tells the server what has become of it; state of the world has no such word.
    pub fn ask_again(&mut self, kind: Kind, name: &str) {
        if self.protocol == Some(Protocol::Delta)
            && let Some(sent) = self.sent.get_mut(&kind)
        {
            sent.names.remove(name);
        }
    }

    /// Does the server go on sending this name on this stream, wanted or not?
    pub fn asks(&self, kind: Kind, name: &str) -> bool {
        let sent = self.sent.get(&kind);
        self.protocol == Some(Protocol::StateOfTheWorld)
            && sent.is_some_and(|sent| sent.names.contains(name))
    }

    /// The request about `kind` that is due, if any: a reply, a change of names, or both. The
    /// first never comes without a name: that would ask for everything.
    pub fn request(
        &mut self,
        kind: Kind,
        names: &BTreeSet<String>,
        held: Vec<(String, String)>,
        reply: Option<Reply>,
    ) -> Option<Request> {
        let protocol = self.protocol?;
        let sent = self.sent.entry(kind).or_default();
        let names = match protocol {
            Protocol::Delta => names.clone(),
            Protocol::StateOfTheWorld => sent.with_left_over(names),
        };
        let nothing_new = reply.is_none() && sent.names == names;
        if nothing_new || (!sent.opened && names.is_empty()) {
            return None;
        }
        Some(match protocol {
            Protocol::Delta => Request::Delta(self.delta(kind, &names, held, reply)),
            Protocol::StateOfTheWorld => Request::World(self.world(kind, &names, reply)),
        })
    }

    fn delta(
        &mut self,
        kind: Kind,
        names: &BTreeSet<String>,
        held: Vec<(String, String)>,
        reply: Option<Reply>,
    ) -> DeltaDiscoveryRequest {
        let node = self.take_node();
        let sent = self.sent.entry(kind).or_default();
        let resumes = !std::mem::replace(&mut sent.opened, true);
        let before = std::mem::replace(&mut sent.names, names.clone());
        let (nonce, error) = reply.map_or_else(Default::default, |r| (r.nonce, r.error));
        DeltaDiscoveryRequest {
            node,
            type_url: kind.type_url(),
            resource_names_subscribe: names.difference(&before).cloned().collect(),
            resource_names_unsubscribe: before.difference(names).cloned().collect(),
            initial_resource_versions: held.into_iter().filter(|_| resumes).collect(),
            response_nonce: nonce,
            error_detail: error,
            ..DeltaDiscoveryRequest::default()
        }
    }

    /// A refused response leaves the version of the last good one.
    fn world(
        &mut self,
        kind: Kind,
        names: &BTreeSet<String>,
        reply: Option<Reply>,
    ) -> DiscoveryRequest {
        let node = self.take_node();
        let sent = self.sent.entry(kind).or_default();
        sent.opened = true;
        sent.names.clone_from(names);
        let version = self.versions.entry(kind).or_default();
        let error = reply.and_then(|reply| {
            sent.nonce = reply.nonce;
            if reply.error.is_none() {
                *version = reply.version;
            }
            reply.error
        });
        DiscoveryRequest {
            version_info: version.clone(),
            node,
            resource_names: names.iter().cloned().collect(),
            type_url: kind.type_url(),
            response_nonce: sent.nonce.clone(),
            error_detail: error,
            ..DiscoveryRequest::default()
        }
    }

    /// The first message of a stream says what the client is.
    fn take_node(&mut self) -> Option<Node> {
        std::mem::take(&mut self.node_is_due).then(|| self.node.clone())
    }
}
