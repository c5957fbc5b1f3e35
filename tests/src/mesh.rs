//! A mesh on one machine: a control plane, and sidecars that are members of it.
//!
//! The service that tests call is orders; who calls it is the frontend.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use outrider_daemon::{Membership, Options};
use outrider_proto::v1::CreateTokenRequest;
use outrider_proto::v1::operator_client::OperatorClient;
use tempfile::TempDir;
use tokio::time::timeout;
use tonic::transport::{Channel, Uri};

use crate::application::Application;
use crate::caller::{Caller, Reply};
use crate::control_plane::{ControlPlane, operator};
use crate::sidecar::Sidecar;

/// Orders, as a document; where it runs, whoever registers says.
pub const ORDERS: &str = "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: { name: orders }\n\
                          spec: { grpcServices: [shop.v1.Orders] }\n";

/// Longest any of this may take; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A control plane on a folder of documents, and a folder for each member.
pub struct Mesh {
    /// The watched folder.
    pub documents: TempDir,
    data: TempDir,
    members: TempDir,
    /// Where the control plane is, or was while it is away.
    address: SocketAddr,
    life_seconds: u64,
    control_plane: Option<ControlPlane>,
}

impl Mesh {
    /// Starts a control plane that knows orders, whose certificates live for `life_seconds`.
    pub async fn start(life_seconds: u64) -> Mesh {
        Mesh::with(ORDERS, life_seconds).await
    }

    /// Starts a control plane that knows no service.
    pub async fn start_empty() -> Mesh {
        Mesh::with("", 86_400).await
    }

    async fn with(text: &str, life_seconds: u64) -> Mesh {
        let [documents, data, members] =
            [(); 3].map(|()| tempfile::tempdir().expect("a temporary folder"));
        let file = documents.path().join("mesh.yaml");
        fs::write(file, text).expect("a file is written");
        let mut mesh = Mesh {
            documents,
            data,
            members,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            life_seconds,
            control_plane: None,
        };
        mesh.bring_back().await;
        mesh
    }

    /// Takes the control plane away.
    pub async fn take_away(&mut self) {
        if let Some(control_plane) = self.control_plane.take() {
            control_plane.stop().await;
        }
    }

    /// Starts the control plane, at its address and with its state.
    pub async fn bring_back(&mut self) {
        let mut options = ControlPlane::options(self.data.path());
        options.listen = self.address;
        options.documents = Some(self.documents.path().to_owned());
        options.certificate_life = Duration::from_secs(self.life_seconds);
        let control_plane = ControlPlane::start(options).await.expect("it starts");
        self.address = control_plane.addresses().listen;
        self.control_plane = Some(control_plane);
    }

    /// Starts another control plane at the same address: it knows nobody.
    pub async fn make_anew(&mut self) {
        self.take_away().await;
        self.data = tempfile::tempdir().expect("a temporary folder");
        self.bring_back().await;
    }

    /// The operator of the control plane.
    pub async fn operator(&self) -> OperatorClient<Channel> {
        let connected = operator(self.data.path(), self.address).await;
        connected.expect("it takes its operator")
    }

    /// A token for `service`; its id and its text.
    pub async fn token(&self, service: &str) -> (String, String) {
        let mut operator = self.operator().await;
        let created = operator
            .create_token(CreateTokenRequest {
                namespace: "default".to_owned(),
                service: service.to_owned(),
                life_seconds: 0,
            })
            .await
            .expect("a token")
            .into_inner();
        (created.details.unwrap_or_default().id, created.token)
    }

    /// Where the control plane listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The file that `service` reads its token from.
    pub fn token_file(&self, service: &str) -> PathBuf {
        self.members.path().join(format!("{service}.token"))
    }

    /// The folder of the member `name`.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.members.path().join(name)
    }

    /// Options for a member of `service` on free ports, which keeps its state in a folder `name`
    /// and finds a token.
    pub async fn member(&self, service: &str, name: &str) -> Options {
        let (_, token) = self.token(service).await;
        fs::write(self.token_file(service), token).expect("a file is written");
        self.member_without_token(service, name)
    }

    /// As [`Mesh::member`]; whether there is a token in its file is the test's business.
    pub fn member_without_token(&self, service: &str, name: &str) -> Options {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let membership = Membership {
            control_plane: Mesh::url(self.address),
            token_file: Some(self.token_file(service)),
            data: self.folder(name),
            advertise: None,
        };
        Options {
            outbound: free,
            inbound: free,
            admin: free,
            ..Options::member(service, membership)
        }
    }

    /// The URL of a control plane at `address`.
    pub fn url(address: SocketAddr) -> Uri {
        let url = format!("https://{address}").parse();
        url.expect("a URL")
    }

    /// Starts a member that calls.
    pub async fn frontend(&self) -> Sidecar {
        let options = self.member("frontend", "frontend").await;
        Sidecar::start(options).await.expect("the sidecar starts")
    }

    /// Starts a member beside an instance of orders, which keeps its state in a folder `name`.
    pub async fn orders(&self, name: &str, application: &Application) -> Sidecar {
        let options = Options {
            app: Some(application.address),
            ..self.member("orders", name).await
        };
        Sidecar::start(options).await.expect("the sidecar starts")
    }
}

/// Returns when calls may be sent to `sidecar`.
pub async fn until_ready(sidecar: &Sidecar) {
    let admin = sidecar.admin();
    let ready = admin.until("/readyz", |status, _| status == 200);
    timeout(PATIENCE, ready).await.expect("it becomes ready");
}

/// A call from `frontend` to orders, over a connection of its own.
pub async fn call_orders(frontend: &Sidecar) -> Reply {
    let caller = Caller::connect(frontend.addresses().outbound).await;
    let called = caller.call("localhost", "/shop.v1.Orders/Get", b"hello");
    let called = timeout(PATIENCE, called).await;
    called.expect("an answer in time").expect("a response")
}
