//! A stream of ADS in either protocol, as one thing.

use outrider_proto::envoy::discovery::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use outrider_proto::envoy::discovery::{DeltaDiscoveryResponse, DiscoveryResponse};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use crate::xds::client::{Protocol, Request, Response};

/// Largest response. Bytes; 64 MiB: tonic's 4 MiB would be too few for a large service's endpoints.
const RESPONSE_BYTES_MAX: usize = 64 << 20;

/// The responses of one stream.
#[derive(Debug)]
pub enum Responses {
    /// Delta.
    Delta(Streaming<DeltaDiscoveryResponse>),
    /// State of the world.
    World(Streaming<DiscoveryResponse>),
}

impl Responses {
    /// Opens a stream that sends what comes from `requests`.
    ///
    /// # Errors
    /// What the server, or the way to it, said.
    pub async fn open(
        protocol: Protocol,
        channel: Channel,
        requests: mpsc::UnboundedReceiver<Request>,
    ) -> Result<Responses, Status> {
        let requests = UnboundedReceiverStream::new(requests);
        let mut client = AggregatedDiscoveryServiceClient::new(channel)
            .max_decoding_message_size(RESPONSE_BYTES_MAX);
        Ok(match protocol {
            Protocol::Delta => {
                let requests = requests.filter_map(|request| match request {
                    Request::Delta(request) => Some(request),
                    Request::World(_) => None,
                });
                let responses = client.delta_aggregated_resources(requests).await?;
                Responses::Delta(responses.into_inner())
            }
            Protocol::StateOfTheWorld => {
                let requests = requests.filter_map(|request| match request {
                    Request::World(request) => Some(request),
                    Request::Delta(_) => None,
                });
                let responses = client.stream_aggregated_resources(requests).await?;
                Responses::World(responses.into_inner())
            }
        })
    }

    /// The next response; `None` when the server ended the stream. Nothing is lost when the wait is
    /// given up and begun again.
    ///
    /// # Errors
    /// What the server, or the way to it, said.
    pub async fn next(&mut self) -> Result<Option<Response>, Status> {
        Ok(match self {
            Responses::Delta(stream) => stream.message().await?.map(Response::Delta),
            Responses::World(stream) => stream.message().await?.map(Response::World),
        })
    }
}
