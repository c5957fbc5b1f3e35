//! ADS over gRPC: both protocols, for members of the mesh only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use outrider_proto::envoy::discovery::aggregated_discovery_service_server::AggregatedDiscoveryService;
use outrider_proto::envoy::discovery::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::dialect::Dialect;
use super::stream::{AdsStream, Context};
use crate::ads::{DeltaStream, WorldStream};
use crate::members::caller;

/// Responses that wait for the connection to take them. 4; the others wait in their stream.
const WAITING: usize = 4;

/// What a client reads.
type Responses<R> = ReceiverStream<Result<R, Status>>;

/// The service.
#[derive(Clone, Debug)]
pub struct Ads {
    context: Context,
    streams: Arc<AtomicU64>,
}

impl Ads {
    /// Serves what is published in `context`.
    pub fn new(context: Context) -> Ads {
        Ads {
            context,
            streams: Arc::default(),
        }
    }

    /// # Errors
    /// The client is no sidecar, or has too many streams.
    fn open<D: Dialect>(
        &self,
        request: Request<Streaming<D::Request>>,
    ) -> Result<Response<Responses<D::Response>>, Status> {
        let workload = caller::sidecar(request.extensions())?.clone();
        let number = self.streams.fetch_add(1, Relaxed);
        let stream = AdsStream::<D>::new(self.context.clone(), workload, number)?;
        let (responses, sent) = mpsc::channel(WAITING);
        tokio::spawn(stream.run(request.into_inner(), responses));
        Ok(Response::new(ReceiverStream::new(sent)))
    }
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for Ads {
    type StreamAggregatedResourcesStream = Responses<DiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        self.open::<WorldStream>(request)
    }

    type DeltaAggregatedResourcesStream = Responses<DeltaDiscoveryResponse>;

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        self.open::<DeltaStream>(request)
    }
}
