//! A response of either protocol, as one thing: what arrived and what is gone.

use outrider_proto::envoy::discovery::{DeltaDiscoveryResponse, DiscoveryResponse, Resource};
use outrider_proto::google::Any;
use outrider_proto::{Kind, unpack};

/// A message from the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Response {
    /// On a delta stream.
    Delta(DeltaDiscoveryResponse),
    /// On a state-of-the-world stream.
    World(DiscoveryResponse),
}

/// A resource that arrived, not yet decoded.
#[derive(Debug, PartialEq)]
pub(super) struct ReceivedResource {
    /// As the wrapper has it; empty without a wrapper.
    pub name: String,
    pub aliases: Vec<String>,
    /// The server's version; empty where it gives none.
    pub version: String,
    pub body: Any,
}

#[derive(Debug, PartialEq)]
pub(super) enum Removed {
    Named(Vec<String>),
    /// The response was the whole set.
    AllOthers,
}

/// What a response says.
#[derive(Debug, PartialEq)]
pub(super) struct Update {
    pub kind: Kind,
    pub nonce: String,
    /// Of the response; state of the world only.
    pub version: String,
    pub arrived: Vec<ReceivedResource>,
    pub gone: Removed,
}

impl Update {
    /// `None` for a type that this sidecar never asks for.
    pub fn new(response: Response) -> Option<Update> {
        match response {
            Response::Delta(response) => Update::from_delta(response),
            Response::World(response) => Update::from_world(response),
        }
    }

    fn from_delta(response: DeltaDiscoveryResponse) -> Option<Update> {
        Some(Update {
            kind: Kind::of_type_url(&response.type_url)?,
            nonce: response.nonce,
            version: String::new(),
            arrived: response.resources.into_iter().map(unwrapped).collect(),
            gone: Removed::Named(response.removed_resources),
        })
    }

    /// A resource may come bare or in the wrapper, whatever the server (must 11).
    fn from_world(response: DiscoveryResponse) -> Option<Update> {
        let kind = Kind::of_type_url(&response.type_url)?;
        let arrived = response.resources.into_iter().map(|body| {
            let wrapper = unpack::<Resource>(&body);
            wrapper.map_or_else(|_| bare(body), unwrapped)
        });
        let gone = match kind.is_whole() {
            true => Removed::AllOthers,
            false => Removed::Named(Vec::new()),
        };
        Some(Update {
            kind,
            nonce: response.nonce,
            version: response.version_info,
            arrived: arrived.collect(),
            gone,
        })
    }
}

fn unwrapped(wrapper: Resource) -> ReceivedResource {
    ReceivedResource {
        name: wrapper.name,
        aliases: wrapper.aliases,
        version: wrapper.version,
        body: wrapper.resource.unwrap_or_default(),
    }
}

fn bare(body: Any) -> ReceivedResource {
    ReceivedResource {
        name: String::new(),
        aliases: Vec::new(),
        version: String::new(),
        body,
    }
}
