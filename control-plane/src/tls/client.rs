//! TLS towards a control plane: for the operator's commands and for tests.
//!
//! A sidecar has a client of its own, which renews. Reads no files.

use std::sync::Arc;

use outrider_identity::{IdentityError, Svid};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::version::TLS13;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;

use super::trust::Roots;
use super::{ALPN, provider};
use crate::authority::{AuthorityError, Bundle};

/// Why a credential cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The bundle holds no root that can be read.
    #[error("the bundle holds no readable root certificate")]
    Bundle(#[source] AuthorityError),
    /// The certificate names no identity, or there is none.
    #[error("the certificate names no identity: {0}")]
    Name(#[from] IdentityError),
    /// Certificate and key do not fit.
    #[error("the key does not fit the certificate: {0}")]
    Key(#[from] rustls::Error),
}

/// A client's certificate and key.
#[derive(Debug)]
pub struct Credential {
    /// Leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
}

impl Credential {
    /// The trust domain of the certificate.
    ///
    /// # Errors
    /// [`ClientError::Name`].
    pub fn trust_domain(&self) -> Result<String, ClientError> {
        let leaf = self.chain.first().ok_or(IdentityError::Unreadable)?;
        Ok(Svid::parse(leaf)?.id.trust_domain().to_owned())
    }
}

/// A client that accepts only `spiffe://<trust domain>/control-plane` under `roots`, and presents
/// `credential`, if it has one.
///
/// # Errors
/// [`ClientError`] names the part that cannot be used.
pub fn client_config(
    trust_domain: &str,
    roots: Vec<CertificateDer<'static>>,
    credential: Option<Credential>,
) -> Result<Arc<ClientConfig>, ClientError> {
    let bundle = Bundle::new(roots).map_err(ClientError::Bundle)?;
    let roots = Roots {
        trust_domain: trust_domain.into(),
        // The sender is gone: the roots of a client do not change.
        bundle: watch::channel(Arc::new(bundle)).1,
    };
    let verifier = roots.server(format!("spiffe://{trust_domain}/control-plane"), None);
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match credential {
        Some(Credential { chain, key }) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(Arc::new(config))
}
