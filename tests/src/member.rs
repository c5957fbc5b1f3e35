//! A joined identity that speaks for itself: ADS and announcements, message by message, so that a
//! test can say what no sidecar would.

use std::net::SocketAddr;

use outrider_proto::Kind;
use outrider_proto::envoy::core::Node;
use outrider_proto::envoy::discovery::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use outrider_proto::envoy::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use outrider_proto::token::Token;
use outrider_proto::v1;
use outrider_proto::v1::operator_client::OperatorClient;
use outrider_proto::v1::registry_client::RegistryClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use crate::joiner::{Identity, channel, join};

/// Messages that may wait in a stream's way out.
const WAITING: usize = 64;

/// A member of the mesh.
#[derive(Debug)]
pub struct Member {
    /// What it joined with.
    pub token: Token,
    /// Who it is.
    pub identity: Identity,
    /// Its connection, which shows that.
    pub channel: Channel,
}

impl Member {
    /// Joins as an instance of `service`, with a token of the operator.
    ///
    /// # Panics
    /// It is not let in.
    pub async fn join(
        address: SocketAddr,
        operator: &mut OperatorClient<Channel>,
        service: &str,
    ) -> Member {
        let request = v1::CreateTokenRequest {
            namespace: String::new(),
            service: service.to_owned(),
            life_seconds: 60,
        };
        let created = operator.create_token(request).await.expect("a token");
        let token: Token = created.into_inner().token.parse().expect("a token's text");
        let identity = join(address, &token).await.expect("it joins");
        let channel = channel(address, identity.tls()).await;
        Member {
            token,
            identity,
            channel: channel.expect("the identity is believed"),
        }
    }

    /// Opens a delta stream; its first request will carry `node`.
    ///
    /// # Panics
    /// It is not let in.
    pub async fn ads(&self, node: Option<Node>) -> Ads {
        let (requests, sent) = mpsc::channel(WAITING);
        let mut client = AggregatedDiscoveryServiceClient::new(self.channel.clone());
        let opened = client.delta_aggregated_resources(ReceiverStream::new(sent));
        Ads {
            requests,
            responses: opened.await.expect("a stream").into_inner(),
            node,
        }
    }

    /// Opens a stream of announcements.
    ///
    /// # Panics
    /// It is not let in.
    pub async fn announcements(&self) -> Announcements {
        let (said, sent) = mpsc::channel(WAITING);
        let mut client = RegistryClient::new(self.channel.clone());
        let opened = client.announce(ReceiverStream::new(sent)).await;
        Announcements {
            said,
            leases: opened.expect("a stream").into_inner(),
        }
    }
}

/// A delta stream of a member.
#[derive(Debug)]
pub struct Ads {
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    responses: Streaming<DeltaDiscoveryResponse>,
    node: Option<Node>,
}

impl Ads {
    /// Subscribes to names, or with none and for the first time to everything.
    pub async fn subscribe(&mut self, kind: Kind, names: &[&str]) {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        self.send(DeltaDiscoveryRequest {
            type_url: kind.type_url(),
            resource_names_subscribe: names,
            ..DeltaDiscoveryRequest::default()
        })
        .await;
    }

    /// The next response; it is acknowledged.
    ///
    /// # Panics
    /// The stream ends instead.
    pub async fn next(&mut self) -> DeltaDiscoveryResponse {
        let response = self.responses.message().await.expect("no error");
        let response = response.expect("the stream goes on");
        self.send(DeltaDiscoveryRequest {
            type_url: response.type_url.clone(),
            response_nonce: response.nonce.clone(),
            ..DeltaDiscoveryRequest::default()
        })
        .await;
        response
    }

    async fn send(&mut self, request: DeltaDiscoveryRequest) {
        let node = self.node.take();
        let request = DeltaDiscoveryRequest { node, ..request };
        self.requests
            .send(request)
            .await
            .expect("the stream is open");
    }
}

/// A stream of announcements of a member.
#[derive(Debug)]
pub struct Announcements {
    said: mpsc::Sender<v1::Announcement>,
    leases: Streaming<v1::Lease>,
}

impl Announcements {
    /// Announces, and waits for the answer.
    ///
    /// # Errors
    /// What the control plane says instead.
    ///
    /// # Panics
    /// The stream ends without a word.
    pub async fn say(&mut self, announcement: v1::Announcement) -> Result<v1::Lease, Status> {
        // Fails when the stream has ended; why, its answer says.
        let _ = self.said.send(announcement).await;
        let lease = self.leases.message().await?;
        Ok(lease.expect("an answer"))
    }
}

/// An instance that takes calls.
pub fn serving(instance: &str, address: &str) -> v1::Announcement {
    v1::Announcement {
        instance: instance.to_owned(),
        address: address.to_owned(),
        serving: true,
        ..v1::Announcement::default()
    }
}
