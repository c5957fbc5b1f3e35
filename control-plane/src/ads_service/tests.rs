//! Streams over real connections; who calls is said by the test instead of a certificate.

use std::sync::Arc;

use outrider_proto::envoy::core::Node;
use outrider_proto::envoy::discovery::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use outrider_proto::envoy::discovery::aggregated_discovery_service_server::AggregatedDiscoveryServiceServer;
use outrider_proto::envoy::discovery::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use outrider_proto::google::Status as WireStatus;
use outrider_proto::v1::registry_client::RegistryClient;
use outrider_proto::v1::registry_server::RegistryServer;
use outrider_proto::v1::{Announcement, Lease};
use outrider_proto::{Kind, TRUST_BUNDLE_SECRET};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Streaming};

use super::{Ads, Context};
use crate::ads::Answer;
use crate::authority::Bundle;
use crate::caller::{Caller, Workload};
use crate::clock;
use crate::desk::Desired;
use crate::journal::Journal;
use crate::metrics::{Levels, Metrics};
use crate::publish::{Publisher, Sources};
use crate::registry::{Announcements, Registry};
use crate::sidecars::{Sidecar, Sidecars};
use crate::store::Store;

const DOCUMENTS: &str = "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: { name: pay }\n\
                         spec: { grpcServices: [shop.v1.Pay] }\n";

/// A control plane without its door: everybody is who the test says.
struct Mesh {
    channel: Channel,
    desired: watch::Sender<Arc<Desired>>,
    sidecars: Sidecars,
    metrics: Arc<Metrics>,
    stop: watch::Sender<bool>,
    _bundle: watch::Sender<Arc<Bundle>>,
    _folder: tempfile::TempDir,
}

fn desired(text: &str, version: u64) -> Arc<Desired> {
    let documents = outrider_documents::load(&[("mesh.yaml", text)]);
    let documents = documents.expect("the documents are right");
    Arc::new(Desired { documents, version })
}

fn bundle() -> Bundle {
    let root = rcgen::generate_simple_self_signed([]).expect("a certificate");
    Bundle::new(vec![root.cert.der().clone()]).expect("a bundle")
}

fn orders(life_seconds: i64) -> Caller {
    Caller::Sidecar(Workload {
        namespace: "default".to_owned(),
        service: "orders".to_owned(),
        expires_unix: clock::unix_seconds() + life_seconds,
    })
}

impl Mesh {
    async fn new(caller: Caller) -> Mesh {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a store");
        let journal = Journal::open(&store).expect("a journal");
        let metrics = Arc::new(Metrics::new());
        let sidecars = Sidecars::default();
        let (stop, stopping) = watch::channel(false);
        let (desired, documents) = watch::channel(desired(DOCUMENTS, 1));
        let (registry, registrar) = Registry::open(&store, &journal).expect("a registry");
        let bundle = watch::Sender::new(Arc::new(bundle()));
        let sources = Sources {
            desired: documents,
            registry: registry.published(),
            bundle: bundle.subscribe(),
        };
        let (publisher, published) = Publisher::new(sources, Arc::clone(&metrics));
        tokio::spawn(registrar.run());
        tokio::spawn(publisher.run());
        let ads = Ads::new(Context {
            published,
            sidecars: sidecars.clone(),
            journal: journal.clone(),
            metrics: Arc::clone(&metrics),
            stopping: stopping.clone(),
        });
        let announcements = Announcements {
            registry,
            sidecars: sidecars.clone(),
            journal,
            metrics: Arc::clone(&metrics),
            stopping,
        };
        Mesh {
            channel: serve(caller, ads, announcements).await,
            desired,
            sidecars,
            metrics,
            stop,
            _bundle: bundle,
            _folder: folder,
        }
    }

    async fn delta(&self) -> Result<Delta, Code> {
        let (requests, sent) = mpsc::channel(16);
        let mut client = AggregatedDiscoveryServiceClient::new(self.channel.clone());
        let opened = client.delta_aggregated_resources(ReceiverStream::new(sent));
        let responses = opened.await.map_err(|status| status.code())?.into_inner();
        Ok(Delta {
            requests,
            responses,
        })
    }

    /// The one sidecar that is connected.
    async fn sidecar(&self) -> Sidecar {
        let mut connected = self.sidecars.list().await;
        assert_eq!(connected.len(), 1);
        connected.remove(0)
    }
}

async fn serve(caller: Caller, ads: Ads, announcements: Announcements) -> Channel {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let introduce = move |mut request: Request<()>| {
        request.extensions_mut().insert(caller.clone());
        Ok(request)
    };
    let server = Server::builder()
        .add_service(AggregatedDiscoveryServiceServer::with_interceptor(
            ads,
            introduce.clone(),
        ))
        .add_service(RegistryServer::with_interceptor(announcements, introduce))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URL");
    endpoint.connect().await.expect("a connection")
}

/// A delta stream, from the client's side.
struct Delta {
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    responses: Streaming<DeltaDiscoveryResponse>,
}

impl Delta {
    async fn send(&self, request: DeltaDiscoveryRequest) {
        self.requests
            .send(request)
            .await
            .expect("the stream is open");
    }

    async fn subscribe(&self, kind: Kind, names: &[&str]) {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        self.send(DeltaDiscoveryRequest {
            type_url: kind.type_url(),
            resource_names_subscribe: names,
            ..DeltaDiscoveryRequest::default()
        })
        .await;
    }

    async fn receive(&mut self) -> DeltaDiscoveryResponse {
        let response = self.responses.message().await.expect("no error");
        response.expect("a response")
    }

    /// Receives and acknowledges; tells the names.
    async fn take(&mut self, kind: Kind) -> (Vec<String>, Vec<String>) {
        let response = self.receive().await;
        assert_eq!(response.type_url, kind.type_url());
        self.send(DeltaDiscoveryRequest {
            type_url: response.type_url,
            response_nonce: response.nonce,
            ..DeltaDiscoveryRequest::default()
        })
        .await;
        let names = response.resources.into_iter().map(|resource| resource.name);
        (names.collect(), response.removed_resources)
    }

    /// How the stream ends.
    async fn end(&mut self) -> (Code, String) {
        loop {
            match self.responses.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return (Code::Ok, String::new()),
                Err(status) => return (status.code(), status.message().to_owned()),
            }
        }
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn announcement(serving: bool, withdraw: bool) -> Announcement {
    Announcement {
        instance: "run".to_owned(),
        address: "10.0.0.7:15006".to_owned(),
        serving,
        withdraw,
        observations: Vec::new(),
    }
}

#[tokio::test]
async fn a_member_subscribes_by_name_or_alias_and_is_told_of_changes() {
    let mesh = Mesh::new(orders(60)).await;
    let mut delta = mesh.delta().await.expect("a stream");
    delta
        .subscribe(Kind::Routes, &["grpc/shop.v1.Pay", "gone"])
        .await;
    let told = delta.take(Kind::Routes).await;
    assert_eq!(told, (owned(&["pay"]), owned(&["gone"])));
    delta
        .subscribe(Kind::Secret, &[TRUST_BUNDLE_SECRET, "pay"])
        .await;
    let told = delta.take(Kind::Secret).await;
    assert_eq!(told, (owned(&[TRUST_BUNDLE_SECRET]), owned(&["pay"])));

    mesh.desired.send_replace(desired("", 2));
    let gone = owned(&["grpc/shop.v1.Pay", "pay"]);
    assert_eq!(delta.take(Kind::Routes).await, (vec![], gone));
}

#[tokio::test]
async fn state_of_the_world_is_spoken_as_well() {
    let mesh = Mesh::new(orders(60)).await;
    let (requests, sent) = mpsc::channel(16);
    let mut client = AggregatedDiscoveryServiceClient::new(mesh.channel.clone());
    let opened = client.stream_aggregated_resources(ReceiverStream::new(sent));
    let mut responses = opened.await.expect("a stream").into_inner();
    let request = DiscoveryRequest {
        type_url: Kind::Cluster.type_url(),
        ..DiscoveryRequest::default()
    };
    requests.send(request).await.expect("the stream is open");
    let response: Option<DiscoveryResponse> = responses.message().await.expect("no error");
    let response = response.expect("a response");
    assert_eq!(response.resources.len(), 1);
    assert_eq!(mesh.sidecar().await.hello.protocol.word(), "sotw");
}

#[tokio::test]
async fn who_is_no_sidecar_gets_no_stream() {
    let cases = [
        (Caller::Anonymous, Code::Unauthenticated),
        (Caller::Operator, Code::PermissionDenied),
    ];
    for (caller, expected) in cases {
        let mesh = Mesh::new(caller.clone()).await;
        assert_eq!(mesh.delta().await.err(), Some(expected), "{caller:?}");
        let mut registry = RegistryClient::new(mesh.channel.clone());
        let refused = registry.announce(tokio_stream::empty()).await;
        assert_eq!(
            refused.err().map(|e| e.code()),
            Some(expected),
            "{caller:?}"
        );
    }
}

#[tokio::test]
async fn a_stream_has_ten_thousand_names_and_no_more() {
    let names: Vec<String> = (0..5_001).map(|number| format!("s{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mesh = Mesh::new(orders(60)).await;
    let mut delta = mesh.delta().await.expect("a stream");
    delta.subscribe(Kind::Routes, &names).await;
    delta.take(Kind::Routes).await;
    delta.subscribe(Kind::Cluster, &names).await;
    let (code, reason) = delta.end().await;
    assert_eq!(code, Code::ResourceExhausted, "{reason}");
}

#[tokio::test]
async fn a_name_is_no_longer_than_it_may_be() {
    let mesh = Mesh::new(orders(60)).await;
    let mut delta = mesh.delta().await.expect("a stream");
    delta
        .subscribe(Kind::Routes, &["a".repeat(1_025).as_str()])
        .await;
    assert_eq!(delta.end().await.0, Code::ResourceExhausted);
}

#[tokio::test]
async fn a_stream_ends_with_the_certificate_and_with_the_process() {
    let mesh = Mesh::new(orders(0)).await;
    let mut delta = mesh.delta().await.expect("a stream");
    let (code, reason) = delta.end().await;
    assert_eq!(code, Code::Unavailable);
    assert!(reason.contains("certificate"), "{reason}");

    let mesh = Mesh::new(orders(60)).await;
    let mut delta = mesh.delta().await.expect("a stream");
    mesh.stop.send_replace(true);
    let (code, reason) = delta.end().await;
    assert_eq!(code, Code::Unavailable);
    assert!(reason.contains("stops"), "{reason}");
}

#[tokio::test]
async fn a_node_that_names_another_service_changes_nothing_and_is_counted() {
    let mesh = Mesh::new(orders(60)).await;
    let mut delta = mesh.delta().await.expect("a stream");
    let request = DeltaDiscoveryRequest {
        node: Some(Node {
            id: "default/pay/run".to_owned(),
            ..Node::default()
        }),
        type_url: Kind::Routes.type_url(),
        resource_names_subscribe: owned(&["pay"]),
        ..DeltaDiscoveryRequest::default()
    };
    delta.send(request).await;
    assert_eq!(delta.take(Kind::Routes).await.0, ["pay"]);
    let hello = mesh.sidecar().await.hello;
    assert_eq!(hello.workload.service, "orders");
    let metrics = mesh.metrics.encode(Levels::default());
    assert!(metrics.contains("nodes_misnamed_total 1"), "{metrics}");
}

#[tokio::test]
async fn what_a_sidecar_uses_and_what_it_refuses_is_known() {
    let mesh = Mesh::new(orders(60)).await;
    let mut delta = mesh.delta().await.expect("a stream");
    delta.subscribe(Kind::Routes, &["pay"]).await;
    let response = delta.receive().await;
    let sidecar = mesh.sidecar().await;
    assert_eq!(sidecar.applied.version, "");
    let detail = WireStatus {
        code: Code::InvalidArgument.into(),
        message: "virtual_hosts: none".to_owned(),
        details: Vec::new(),
    };
    delta
        .send(DeltaDiscoveryRequest {
            type_url: response.type_url,
            response_nonce: response.nonce,
            error_detail: Some(detail),
            resource_names_subscribe: owned(&["gone"]),
            ..DeltaDiscoveryRequest::default()
        })
        .await;
    // Its answer says that the refusal before it has been read.
    delta.take(Kind::Routes).await;
    let sidecar = mesh.sidecar().await;
    assert_eq!(sidecar.applied.version, "");
    let reason = "virtual_hosts: none".to_owned();
    assert_eq!(sidecar.standings[0].answer, Answer::Rejected { reason });
}

#[tokio::test]
async fn an_instance_is_told_to_others_and_its_withdrawal_is_answered_after_that() {
    let mesh = Mesh::new(orders(60)).await;
    let mut delta = mesh.delta().await.expect("a stream");
    delta.subscribe(Kind::Endpoints, &["orders"]).await;
    assert_eq!(delta.take(Kind::Endpoints).await.1, ["orders"]);

    let (announcements, sent) = mpsc::channel(4);
    let mut registry = RegistryClient::new(mesh.channel.clone());
    announcements
        .try_send(announcement(true, false))
        .expect("room");
    let announced = registry.announce(ReceiverStream::new(sent)).await;
    let mut leases = announced.expect("a stream").into_inner();
    let lease = leases.message().await.expect("no error");
    let expected = Lease {
        duration_ms: 5_000,
        withdrawn: false,
    };
    assert_eq!(lease, Some(expected));
    let told = delta.receive().await;
    assert_eq!(told.resources[0].name, "orders");

    announcements
        .try_send(announcement(true, true))
        .expect("room");
    let lease = leases.message().await.expect("no error");
    assert!(lease.is_some_and(|lease| lease.withdrawn));
    let told_again = delta.receive().await;
    assert_ne!(told_again.resources[0].version, told.resources[0].version);
}

#[tokio::test]
async fn an_address_nobody_could_connect_to_is_refused() {
    let mesh = Mesh::new(orders(60)).await;
    let mut registry = RegistryClient::new(mesh.channel.clone());
    let unusable = Announcement {
        address: "0.0.0.0:15006".to_owned(),
        ..announcement(true, false)
    };
    let announced = registry.announce(tokio_stream::once(unusable)).await;
    let mut leases = announced.expect("a stream").into_inner();
    let refused = leases.message().await.expect_err("an error");
    assert_eq!(refused.code(), Code::InvalidArgument);
}
