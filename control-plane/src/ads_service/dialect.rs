//! The two protocols of ADS, as far as a stream must tell them apart.

use outrider_proto::envoy::core::Node;
use outrider_proto::envoy::discovery::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use outrider_proto::google::Status;

use crate::ads::{DeltaStream, Standing, View, WorldStream};
use crate::members::sidecars::Protocol;

/// One of the two, with the state of one stream.
pub trait Dialect: Sized + Send + 'static {
    /// What the client sends.
    type Request: Send + 'static;
    /// What it is sent.
    type Response: Send + 'static;
    /// Which of the two.
    const PROTOCOL: Protocol;

    /// `stream` is a number that no other stream of this process has.
    fn open(stream: u64) -> Self;
    /// A request has arrived.
    fn receive(&mut self, request: Self::Request, view: View<'_>) -> Vec<Self::Response>;
    /// What exists has changed.
    fn publish(&mut self, view: View<'_>) -> Vec<Self::Response>;
    /// Has the client taken everything that it was told?
    fn has_accepted_all(&self) -> bool;
    /// What the client was told and what it said of it.
    fn standings(&self) -> Vec<Standing>;
    /// How many names the client subscribes to.
    fn names_count(&self) -> usize;
    /// What a stream must know of a request.
    fn head(request: &Self::Request) -> Head<'_>;
}

/// What is the same in both protocols' requests.
#[derive(Debug)]
pub struct Head<'r> {
    /// What the client says of itself; only the first request is sure to have it.
    pub node: Option<&'r Node>,
    /// The kind of resource.
    pub type_url: &'r str,
    /// The names it subscribes to.
    pub names: &'r [String],
    /// The names it only mentions: what it drops, and what it has from an earlier stream.
    pub mentioned: Vec<&'r String>,
    /// Why a response was refused.
    pub rejection: Option<&'r Status>,
}

impl Dialect for DeltaStream {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;
    const PROTOCOL: Protocol = Protocol::Delta;

    fn open(stream: u64) -> DeltaStream {
        DeltaStream::new(stream)
    }

    fn receive(
        &mut self,
        request: DeltaDiscoveryRequest,
        view: View<'_>,
    ) -> Vec<DeltaDiscoveryResponse> {
        self.receive(request, view)
    }

    fn publish(&mut self, view: View<'_>) -> Vec<DeltaDiscoveryResponse> {
        self.publish(view)
    }

    fn has_accepted_all(&self) -> bool {
        self.has_accepted_all()
    }

    fn standings(&self) -> Vec<Standing> {
        self.standings().collect()
    }

    fn names_count(&self) -> usize {
        self.names_count()
    }

    fn head(request: &DeltaDiscoveryRequest) -> Head<'_> {
        let dropped = request.resource_names_unsubscribe.iter();
        Head {
            node: request.node.as_ref(),
            type_url: &request.type_url,
            names: &request.resource_names_subscribe,
            mentioned: dropped
                .chain(request.initial_resource_versions.keys())
                .collect(),
            rejection: request.error_detail.as_ref(),
        }
    }
}

impl Dialect for WorldStream {
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;
    const PROTOCOL: Protocol = Protocol::StateOfTheWorld;

    fn open(stream: u64) -> WorldStream {
        WorldStream::new(stream)
    }

    fn receive(&mut self, request: DiscoveryRequest, view: View<'_>) -> Vec<DiscoveryResponse> {
        self.receive(request, view)
    }

    fn publish(&mut self, view: View<'_>) -> Vec<DiscoveryResponse> {
        self.publish(view)
    }

    fn has_accepted_all(&self) -> bool {
        self.has_accepted_all()
    }

    fn standings(&self) -> Vec<Standing> {
        self.standings().collect()
    }

    fn names_count(&self) -> usize {
        self.names_count()
    }

    fn head(request: &DiscoveryRequest) -> Head<'_> {
        Head {
            node: request.node.as_ref(),
            type_url: &request.type_url,
            names: &request.resource_names,
            mentioned: Vec::new(),
            rejection: request.error_detail.as_ref(),
        }
    }
}
