//! The state-of-the-world protocol: requests list all names, and LDS and CDS responses list all
//! resources.
//!
//! Only translates; what is sent and when is [`Session`]'s. Here a nonce decides: the names of
//! a request that answers an older response are not those of now.

use outrider_proto::envoy::core::ControlPlane;
use outrider_proto::envoy::discovery::{DiscoveryRequest, DiscoveryResponse};
use outrider_proto::google::Any;
use outrider_proto::{Kind, pack};

use super::IDENTIFIER;
use super::answer::Verdict;
use super::catalogue::{Item, View};
use super::delta::wrapped;
use super::ledger::Standing;
use super::session::{Protocol, Push, Session};

/// One state-of-the-world stream with one client, from its opening to its end.
#[derive(Debug)]
pub struct WorldStream(Session);

impl WorldStream {
    /// `stream` is part of every nonce: a number that no other stream of this process has.
    pub fn new(stream: u64) -> WorldStream {
        WorldStream(Session::new(Protocol::StateOfTheWorld, stream))
    }

    /// A request has arrived. A type that is not spoken here gets no answer, and the stream
    /// goes on. Of a stale request only what it says of the older response counts.
    pub fn receive(&mut self, request: DiscoveryRequest, view: View<'_>) -> Vec<DiscoveryResponse> {
        let Some(kind) = Kind::of_type_url(&request.type_url) else {
            return Vec::new();
        };
        let channel = self.0.channel(kind);
        let nonce = &request.response_nonce;
        let stale = channel.ledger.is_stale(nonce);
        channel.answer(nonce, &Verdict::new(request.error_detail));
        if !stale {
            channel.replace_names(kind, request.resource_names, view);
        }
        self.publish(view)
    }

    /// What exists, or what the client may see of it, has changed.
    pub fn publish(&mut self, view: View<'_>) -> Vec<DiscoveryResponse> {
        let pushes = self.0.advance(view);
        pushes.into_iter().map(|push| self.response(push)).collect()
    }

    /// Has the client taken everything that it was told?
    pub fn has_accepted_all(&self) -> bool {
        self.0.has_accepted_all()
    }

    /// What the client was told and what it said of it.
    pub fn standings(&self) -> impl Iterator<Item = Standing> {
        self.0.standings()
    }

    /// How many names the client subscribes to, of all kinds together.
    pub fn names_count(&self) -> usize {
        self.0.names_count()
    }

    fn response(&mut self, push: Push) -> DiscoveryResponse {
        let channel = self.0.channel(push.kind);
        let names = &channel.subscription.names;
        let asked_by_alias = |item: &Item| item.aliases.iter().any(|alias| names.contains(alias));
        let body = |item: &Item| body(item, asked_by_alias(item));
        let resources = if push.kind.is_whole() {
            channel.ledger.items().map(|item| body(item)).collect()
        } else {
            push.changed.iter().map(|item| body(item)).collect()
        };
        DiscoveryResponse {
            version_info: channel.ledger.version(),
            resources,
            type_url: push.kind.type_url(),
            nonce: push.nonce,
            control_plane: Some(ControlPlane {
                identifier: IDENTIFIER.to_owned(),
            }),
            ..DiscoveryResponse::default()
        }
    }
}

/// The resource itself; for a client that asked by another name, in the wrapper that says so.
fn body(item: &Item, asked_by_alias: bool) -> Any {
    if asked_by_alias {
        pack(&wrapped(item))
    } else {
        item.body.clone()
    }
}
