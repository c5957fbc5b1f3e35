//! The delta protocol: requests change a subscription, responses say what changed.
//!
//! Only translates; what is sent and when is [`Session`]'s. A nonce matters to the books alone:
//! a stale one never makes a change of subscription void.

use outrider_proto::Kind;
use outrider_proto::envoy::core::ControlPlane;
use outrider_proto::envoy::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource};

use super::IDENTIFIER;
use super::answer::Verdict;
use super::catalogue::{Item, View};
use super::ledger::Standing;
use super::session::{Protocol, Push, Session};

/// One delta stream with one client, from its opening to its end.
#[derive(Debug)]
pub struct DeltaStream(Session);

impl DeltaStream {
    /// `stream` is part of every nonce: a number that no other stream of this process has.
    pub fn new(stream: u64) -> DeltaStream {
        DeltaStream(Session::new(Protocol::Delta, stream))
    }

    /// A request has arrived. A type that is not spoken here gets no answer, and the stream
    /// goes on.
    pub fn receive(
        &mut self,
        request: DeltaDiscoveryRequest,
        view: View<'_>,
    ) -> Vec<DeltaDiscoveryResponse> {
        let Some(kind) = Kind::of_type_url(&request.type_url) else {
            return Vec::new();
        };
        let channel = self.0.channel(kind);
        let verdict = Verdict::new(request.error_detail);
        channel.answer(&request.response_nonce, &verdict);
        let subscribe = &request.resource_names_subscribe;
        let unsubscribe = &request.resource_names_unsubscribe;
        channel.change_names(kind, subscribe, unsubscribe, view);
        if channel.open() {
            channel.resume(kind, request.initial_resource_versions, view);
        }
        self.publish(view)
    }

    /// What exists, or what the client may see of it, has changed.
    pub fn publish(&mut self, view: View<'_>) -> Vec<DeltaDiscoveryResponse> {
        self.0.advance(view).into_iter().map(response).collect()
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
}

fn response(push: Push) -> DeltaDiscoveryResponse {
    DeltaDiscoveryResponse {
        type_url: push.kind.type_url(),
        nonce: push.nonce,
        resources: push.changed.iter().map(|item| wrapped(item)).collect(),
        removed_resources: push.removed,
        control_plane: Some(ControlPlane {
            identifier: IDENTIFIER.to_owned(),
        }),
        ..DeltaDiscoveryResponse::default()
    }
}

/// A resource with its name, its version and the other names it answers to.
pub(super) fn wrapped(item: &Item) -> Resource {
    Resource {
        name: item.name.clone(),
        version: item.version.clone(),
        aliases: item.aliases.clone(),
        resource: Some(item.body.clone()),
        ..Resource::default()
    }
}
