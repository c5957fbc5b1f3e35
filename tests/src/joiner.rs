//! What a sidecar does to be somebody, a step at a time, so that a test can do each one wrongly.
//!
//! Believes and shows what it is told. Knows nothing of what a control plane should answer.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use outrider_control_plane::tls::{Credential, client_config};
use outrider_identity::{AnyServer, Svid};
use outrider_proto::token::Token;
use outrider_proto::v1;
use outrider_proto::v1::certificate_authority_client::CertificateAuthorityClient;
use rcgen::{CertificateParams, KeyPair, SanType};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::Status;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// A key, and what was issued for it.
#[derive(Debug)]
pub struct Identity {
    /// The key.
    pub key: KeyPair,
    /// The certificate, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The roots that came with it.
    pub roots: Vec<CertificateDer<'static>>,
}

impl Identity {
    /// TLS that shows it and believes the control plane under `roots`.
    pub fn tls_under(&self, roots: &[CertificateDer<'static>]) -> Arc<ClientConfig> {
        let credential = Credential {
            chain: self.chain.clone(),
            key: PrivateKeyDer::Pkcs8(self.key.serialize_der().into()),
        };
        client_config("outrider.local", roots.to_vec(), Some(credential)).expect("they fit")
    }

    /// TLS that shows it and believes the roots that came with it.
    pub fn tls(&self) -> Arc<ClientConfig> {
        self.tls_under(&self.roots)
    }

    /// The one URI of the certificate.
    pub fn name(&self) -> String {
        let leaf = self.chain.first().expect("a leaf");
        Svid::parse(leaf).expect("one identity").id.to_string()
    }
}

/// TLS that shows nothing and believes the control plane under `roots`.
pub fn believing(roots: &[CertificateDer<'static>]) -> Arc<ClientConfig> {
    client_config("outrider.local", roots.to_vec(), None).expect("good roots")
}

/// A connection, with the handshake done.
///
/// # Errors
/// The handshake failed at our end, or there is nobody.
pub async fn dial(address: SocketAddr, tls: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    secure(TcpStream::connect(address).await?, tls).await
}

/// The handshake alone.
///
/// # Errors
/// As [`dial`].
pub async fn secure(socket: TcpStream, tls: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    // No name is sent or compared: an identity is a URI.
    let nameless = ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into());
    TlsConnector::from(tls).connect(nameless, socket).await
}

/// A channel for calls.
///
/// # Errors
/// As [`dial`].
pub async fn channel(
    address: SocketAddr,
    tls: Arc<ClientConfig>,
) -> Result<Channel, tonic::transport::Error> {
    let dial = service_fn(move |_: Uri| {
        let dialled = dial(address, Arc::clone(&tls));
        async move { dialled.await.map(TokioIo::new) }
    });
    // tonic would make its own TLS of `https`.
    let endpoint = Endpoint::from_static("http://control-plane.invalid");
    endpoint.connect_with_connector(dial).await
}

/// The bundle with that hash, asked of whoever is there.
///
/// # Errors
/// What the control plane answers.
pub async fn bundle(
    address: SocketAddr,
    sha256: &[u8],
) -> Result<Vec<CertificateDer<'static>>, Status> {
    let channel = channel(address, believing_anybody(None)).await;
    let mut client = CertificateAuthorityClient::new(channel.expect("a connection"));
    let request = v1::GetBundleRequest {
        sha256: sha256.to_vec(),
        ..v1::GetBundleRequest::default()
    };
    let answer = client.get_bundle(request).await?;
    let roots = answer.into_inner().roots;
    Ok(roots.into_iter().map(CertificateDer::from).collect())
}

/// A request for a certificate that asks for the name of `service`.
pub fn request(key: &KeyPair, service: &str) -> Vec<u8> {
    let mut params = CertificateParams::default();
    let uri = format!("spiffe://outrider.local/ns/default/svc/{service}");
    params.subject_alt_names = vec![SanType::URI(uri.as_str().try_into().expect("ASCII"))];
    let request = params.serialize_request(key).expect("a request");
    request.der().to_vec()
}

/// The whole of joining with a token, as a sidecar does it.
///
/// # Errors
/// What the control plane answers.
pub async fn join(address: SocketAddr, token: &Token) -> Result<Identity, Status> {
    let roots = bundle(address, &token.bundle_sha256).await?;
    let tls = believing(&roots);
    let channel = channel(address, tls).await;
    let channel = channel.map_err(|error| Status::unavailable(format!("{error:?}")))?;
    let key = KeyPair::generate().expect("a key");
    let certificate_signing_request = request(&key, &token.service);
    join_over(channel, token.to_string(), certificate_signing_request)
        .await
        .map(|issued| identity(key, issued))
}

/// Says a token and a request.
///
/// # Errors
/// What the control plane answers.
pub async fn join_over(
    channel: Channel,
    token: String,
    certificate_signing_request: Vec<u8>,
) -> Result<v1::IssuedCertificate, Status> {
    let request = v1::JoinRequest {
        token,
        certificate_signing_request,
        ..v1::JoinRequest::default()
    };
    let mut client = CertificateAuthorityClient::new(channel);
    client.join(request).await.map(tonic::Response::into_inner)
}

/// The next certificate, asked for over `channel` with a new key and the name of `service`.
///
/// # Errors
/// What the control plane answers.
pub async fn renew_over(channel: Channel, service: &str) -> Result<Identity, Status> {
    let key = KeyPair::generate().expect("a key");
    let request = v1::RenewRequest {
        certificate_signing_request: request(&key, service),
    };
    let mut client = CertificateAuthorityClient::new(channel);
    let issued = client.renew(request).await?.into_inner();
    Ok(identity(key, issued))
}

/// What was issued for `key`.
pub fn identity(key: KeyPair, issued: v1::IssuedCertificate) -> Identity {
    let der = |list: Vec<Vec<u8>>| list.into_iter().map(CertificateDer::from).collect();
    Identity {
        key,
        chain: der(issued.chain),
        roots: der(issued.roots),
    }
}

/// TLS that believes whoever is there, and shows `credential`. So is the first connection of a
/// sidecar: the bundle is checked against the token, not the peer.
pub fn believing_anybody(credential: Option<Credential>) -> Arc<ClientConfig> {
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3 is there")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer(provider)));
    let mut config = match credential {
        Some(Credential { chain, key }) => builder
            .with_client_auth_cert(chain, key)
            .expect("the key fits"),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}
