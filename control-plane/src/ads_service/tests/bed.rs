//! A control plane without TLS: the test chooses each caller's identity.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use outrider_proto::Kind;
use outrider_proto::envoy::discovery::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use outrider_proto::envoy::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Streaming};

use crate::authority::{Authority, Bundle};
use crate::clock;
use crate::document_store::Desired;
use crate::members::MemberId;
use crate::members::caller::{Caller, Identity, Workload};
use crate::members::mesh::{Mesh, MeshInputs};
use crate::members::sidecars::Sidecar;
use crate::storage::journal::Journal;
use crate::storage::store::Store;
use crate::tls::AddressVerifier;

const DOCUMENTS: &str = "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: { name: pay }\n\
                         spec: { grpcServices: [shop.v1.Pay] }\n";

/// A running mesh and a connection to it.
pub struct Bed {
    pub mesh: Mesh,
    pub channel: Channel,
    pub desired: watch::Sender<Arc<Desired>>,
    pub stop: watch::Sender<bool>,
    _bundle: watch::Sender<Arc<Bundle>>,
    _folder: tempfile::TempDir,
}

pub fn desired(text: &str, version: u64) -> Arc<Desired> {
    let documents = outrider_documents::load(&[("mesh.yaml", text)]);
    let documents = documents.expect("the documents are right");
    Arc::new(Desired { documents, version })
}

fn bundle() -> Bundle {
    let root = rcgen::generate_simple_self_signed([]).expect("a certificate");
    Bundle::new(vec![root.cert.der().clone()]).expect("a bundle")
}

pub fn orders(life_seconds: i64) -> Caller {
    caller(Identity::Sidecar(Workload {
        namespace: "default".to_owned(),
        service: "orders".to_owned(),
        member: MemberId::UNKNOWN,
        expires_unix: clock::unix_seconds() + life_seconds,
        issuer: String::new(),
    }))
}

pub fn caller(identity: Identity) -> Caller {
    let from = Ipv4Addr::LOCALHOST.into();
    Caller { identity, from }
}

impl Bed {
    pub async fn new(caller: Caller) -> Bed {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a store");
        let journal = Journal::open(&store).expect("a journal");
        let stop = watch::Sender::new(false);
        let desired = watch::Sender::new(desired(DOCUMENTS, 1));
        let bundle = watch::Sender::new(Arc::new(bundle()));
        let (life, now) = (Duration::from_hours(1), clock::unix_seconds());
        let authority = Authority::open(&store, "outrider.local", life, now);
        let verifier = AddressVerifier::new(&authority.expect("an authority"));
        let opened = Mesh::open(MeshInputs {
            store: &store,
            journal: &journal,
            desired: desired.subscribe(),
            bundle: bundle.subscribe(),
            verifier,
            stopping: stop.subscribe(),
        });
        let (mesh, tasks) = opened.expect("a mesh");
        tokio::spawn(tasks.registrar.run());
        tokio::spawn(tasks.publisher.run());
        Bed {
            channel: serve(caller, &mesh).await,
            mesh,
            desired,
            stop,
            _bundle: bundle,
            _folder: folder,
        }
    }

    pub async fn delta(&self) -> Result<Delta, Code> {
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
    pub async fn sidecar(&self) -> Sidecar {
        let mut connected = self.mesh.sidecars.list().await;
        assert_eq!(connected.len(), 1);
        connected.remove(0)
    }
}

async fn serve(caller: Caller, mesh: &Mesh) -> Channel {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let introduce = move |mut request: Request<()>| {
        request.extensions_mut().insert(caller.clone());
        Ok(request)
    };
    let server = Server::builder()
        .add_service(InterceptedService::new(mesh.ads(), introduce.clone()))
        .add_service(InterceptedService::new(mesh.announcements(), introduce))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URL");
    endpoint.connect().await.expect("a connection")
}

/// A delta stream, from the client's side.
pub struct Delta {
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    responses: Streaming<DeltaDiscoveryResponse>,
}

impl Delta {
    pub async fn send(&self, request: DeltaDiscoveryRequest) {
        self.requests
            .send(request)
            .await
            .expect("the stream is open");
    }

    pub async fn subscribe(&self, kind: Kind, names: &[&str]) {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        self.send(DeltaDiscoveryRequest {
            type_url: kind.type_url(),
            resource_names_subscribe: names,
            ..DeltaDiscoveryRequest::default()
        })
        .await;
    }

    pub async fn receive(&mut self) -> DeltaDiscoveryResponse {
        let response = self.responses.message().await.expect("no error");
        response.expect("a response")
    }

    /// Receives and acknowledges; tells the names.
    pub async fn take(&mut self, kind: Kind) -> (Vec<String>, Vec<String>) {
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
    pub async fn end(&mut self) -> (Code, String) {
        loop {
            match self.responses.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return (Code::Ok, String::new()),
                Err(status) => return (status.code(), status.message().to_owned()),
            }
        }
    }
}
