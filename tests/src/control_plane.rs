//! A control plane inside the test's process, and the operator of any control plane.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use outrider_control_plane::tls::{Credential, client_config};
use outrider_control_plane::{Addresses, Options, Running, StartupError};
use outrider_proto::v1::operator_client::OperatorClient;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Error, Uri};
use tower::service_fn;

/// A running control plane. Stops when dropped.
#[derive(Debug)]
pub struct ControlPlane {
    running: Option<Running>,
    data: PathBuf,
}

impl ControlPlane {
    /// Options on free ports, with the state in `data`.
    pub fn options(data: &Path) -> Options {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Options {
            listen: free,
            admin: free,
            ..Options::new(data)
        }
    }

    /// Starts a control plane and waits until it serves.
    ///
    /// # Errors
    /// What `outrider_control_plane::start` says.
    pub async fn start(options: Options) -> Result<ControlPlane, StartupError> {
        let data = options.data.clone();
        let started = spawn_blocking(|| outrider_control_plane::start(options)).await;
        let running = Some(started.expect("the start does not panic")?);
        Ok(ControlPlane { running, data })
    }

    /// The addresses in use.
    pub fn addresses(&self) -> Addresses {
        let running = self.running.as_ref().expect("it runs until `stop`");
        running.addresses()
    }

    /// Its operator.
    pub async fn operator(&self) -> OperatorClient<Channel> {
        let connected = operator(&self.data, self.addresses().listen).await;
        connected.expect("it takes its operator")
    }

    /// Stops it and waits for the end; the state can be used again.
    pub async fn stop(mut self) {
        let running = self.running.take().expect("it runs until `stop`");
        running.stop();
        let ended = spawn_blocking(|| running.join()).await;
        ended.expect("joining does not panic").expect("a good end");
    }
}

/// A connection to the control plane at `address` that keeps its state in `data`, as its operator.
///
/// # Errors
/// It cannot be reached.
///
/// # Panics
/// The credential in `data` cannot be read.
pub async fn operator(data: &Path, address: SocketAddr) -> Result<OperatorClient<Channel>, Error> {
    let tls = credential(&data.join("operator"));
    let dial = service_fn(move |_: Uri| dial(address, Arc::clone(&tls)));
    // tonic would make its own TLS of `https`; the connector makes the control plane's.
    let endpoint = Endpoint::from_static("http://control-plane.invalid");
    let channel = endpoint.connect_with_connector(dial).await?;
    Ok(OperatorClient::new(channel))
}

async fn dial(
    address: SocketAddr,
    tls: Arc<ClientConfig>,
) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    // No name is sent or compared: an identity is a URI.
    let nameless = ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into());
    let stream = TlsConnector::from(tls).connect(nameless, socket).await?;
    Ok(TokioIo::new(stream))
}

fn credential(folder: &Path) -> Arc<ClientConfig> {
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem"));
    let credential = Credential {
        chain: certificates(&folder.join("certificate.pem")),
        key: key.expect("a key in PEM"),
    };
    let trust_domain = credential.trust_domain().expect("an identity");
    let roots = certificates(&folder.join("bundle.pem"));
    client_config(&trust_domain, roots, Some(credential)).expect("they fit")
}

fn certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    read.expect("certificates in PEM")
}
