//! TLS for all clients of the control plane: their identity, and how long it is accepted.
//!
//! A client may show no certificate, and is then [`Identity::Anonymous`](crate::Identity); one that it
//! shows must lead to a root of the bundle of that moment and name exactly one SPIFFE id of ours.
//! No session is resumed, so no handshake accepts a root that has retired. TLS 1.3 only.
//! Reference: SPIFFE X.509-SVID 5, RFC 8446.

mod client;
mod connection;
mod connection_counts;
mod connection_limits;
mod listener;
mod name;
mod trust;
mod verify_address;

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use tokio::sync::watch;

use crate::authority::Authority;

pub use client::{ClientError, Credential, client_config};
pub use connection::Connection;
pub use connection_counts::{ConnectionCounts, RefusedConnections};
pub use connection_limits::{ConnectionLimiter, ConnectionLimits};
pub use listener::Listener;
pub use verify_address::AddressVerifier;

use trust::Roots;

/// HTTP/2 and nothing else.
const ALPN: &[u8] = b"h2";

/// The roots of `authority`, as they are at each moment.
fn roots(authority: &Authority) -> Roots {
    Roots {
        trust_domain: authority.trust_domain().into(),
        bundle: authority.bundle(),
    }
}

/// The control plane's certificate and the clients that it accepts, both as of each handshake.
///
/// # Errors
/// rustls does not know its own TLS 1.3, which would be our bug.
fn server_config(authority: &Authority) -> Result<Arc<ServerConfig>, rustls::Error> {
    let verifier = roots(authority).clients();
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(CurrentCertificate(authority.own())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The control plane's certificate at the moment of each handshake.
#[derive(Debug)]
struct CurrentCertificate(watch::Receiver<Arc<CertifiedKey>>);

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.borrow()))
    }
}
