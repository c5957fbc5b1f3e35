//! A TLS client that accepts every server: for asking a control plane for its bundle, and for
//! nothing else.
//!
//! What comes over it is believed only after its hash was compared with the token's; no secret ever
//! goes over it.

use std::sync::Arc;

use outrider_identity::AnyServer;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::version::TLS13;
use rustls::{ClientConfig, Error};

/// The client.
///
/// # Errors
/// When the provider has no cipher suite of TLS 1.3.
pub fn client() -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(Arc::new(config))
}
