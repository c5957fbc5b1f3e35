//! Verifies that a member listens at an address, by a mutual TLS handshake and nothing after it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::SignatureScheme;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

use super::trust::Roots;
use super::{ALPN, CurrentCertificate, provider, roots};
use crate::authority::Authority;
use crate::members::caller::Workload;

/// Verifies addresses of members.
#[derive(Clone, Debug)]
pub struct AddressVerifier {
    roots: Roots,
    own: watch::Receiver<Arc<CertifiedKey>>,
}

impl AddressVerifier {
    /// Verifies with the certificate and roots of `authority`.
    pub fn new(authority: &Authority) -> AddressVerifier {
        AddressVerifier {
            roots: roots(authority),
            own: authority.own(),
        }
    }

    /// Connects to `address` and returns when `member` has shown its certificate there.
    ///
    /// # Errors
    /// No answer, or not this member.
    pub async fn verify(&self, address: SocketAddr, member: &Workload) -> io::Result<()> {
        let config = self.config(member).map_err(io::Error::other)?;
        let socket = TcpStream::connect(address).await?;
        // No name is sent or compared: an identity is a URI.
        let nameless = ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into());
        TlsConnector::from(Arc::new(config))
            .connect(nameless, socket)
            .await
            .map(drop)
    }

    fn config(&self, member: &Workload) -> Result<ClientConfig, rustls::Error> {
        let id = member.spiffe_id(&self.roots.trust_domain);
        let verifier = self.roots.clone().server(id, Some(member.member));
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(CurrentCertificate(self.own.clone())));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        Ok(config)
    }
}

impl ResolvesClientCert for CurrentCertificate {
    fn resolve(&self, _roots: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.borrow()))
    }

    fn has_certs(&self) -> bool {
        true
    }
}
