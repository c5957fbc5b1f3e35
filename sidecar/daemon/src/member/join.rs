//! Becoming a member: a token in, an identity out.
//!
//! In this order: the token says which bundle to believe; the bundle is asked for on a connection
//! that proves nothing and compared with the token's hash; the control plane proves itself under
//! it on a second connection; the token is sent only there.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use outrider_engine::{MaterialError, anonymous_client};
use outrider_identity::SpiffeId;
use outrider_proto::token::{Token, TokenError, hex};
use outrider_proto::v1::certificate_authority_client::CertificateAuthorityClient;
use outrider_proto::v1::{GetBundleRequest, JoinRequest, StoredIdentity};
use rustls::time_provider::DefaultTimeProvider;
use tonic::transport::Uri;
use tonic::{Request, Status};

use super::connection::{self, ConnectError};
use super::credential::{self, PendingKey};
use super::unverified;
use crate::clock::Clock;
use crate::control::identity::{Expected, Identity};
use crate::grpc_error;
use crate::options::Options;

/// Longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Why this sidecar is no member yet.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The token's file cannot be read.
    #[error("the token file {path} (--token-file) cannot be read")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It holds no token.
    #[error("the token in {path} (--token-file) cannot be used")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: TokenError,
    },
    /// It is for another service.
    #[error("the token is for service {of}, but this sidecar is {own} (--namespace, --service)")]
    Foreign {
        /// Namespace and service of the token.
        of: String,
        /// Our own.
        own: String,
    },
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The control plane's bundle is not the one that the token knows.
    #[error(
        "the control plane's bundle is not the one the token was made for: it is another control \
         plane, or the token is from before a rollover"
    )]
    OtherBundle,
    /// TLS cannot be set up with what there is.
    #[error("the bundle cannot be used")]
    Bundle(#[from] MaterialError),
    /// The control plane said no, or nothing.
    #[error("{}", grpc_error::describe_answer(.0))]
    Refused(Box<Status>),
    /// What it issued cannot be used.
    #[error("the certificate that was issued cannot be used: {0}")]
    Unfit(String),
    /// No key could be made.
    #[error("no key could be made")]
    Key(#[from] rcgen::Error),
}

impl From<Status> for JoinError {
    fn from(status: Status) -> JoinError {
        JoinError::Refused(Box::new(status))
    }
}

impl JoinError {
    /// Did the control plane say no, or would it?
    pub fn is_refused(&self) -> bool {
        let unknown = match self {
            JoinError::Refused(status) => status.code() == tonic::Code::NotFound,
            _ => false,
        };
        unknown || self.is_the_tokens_fault()
    }

    /// Is there no use in trying again with the same token?
    pub fn is_the_tokens_fault(&self) -> bool {
        match self {
            JoinError::Refused(status) => matches!(
                status.code(),
                tonic::Code::Unauthenticated
                    | tonic::Code::PermissionDenied
                    | tonic::Code::InvalidArgument
            ),
            JoinError::Unreadable { .. }
            | JoinError::Malformed { .. }
            | JoinError::Foreign { .. }
            | JoinError::OtherBundle
            | JoinError::Unfit(_) => true,
            JoinError::Connect(_) | JoinError::Bundle(_) | JoinError::Key(_) => false,
        }
    }
}

/// Joins with the token in `file`.
///
/// # Errors
/// [`JoinError`]: which step failed, and why.
pub async fn join(
    clock: Clock,
    control_plane: &Uri,
    file: &Path,
    options: &Options,
) -> Result<(Identity, StoredIdentity), JoinError> {
    let (text, token) = read(file)?;
    let outcome = join_with(clock, control_plane, text, &token, options).await;
    // A foreign token is sent anyway, so that the control plane's operator sees where it is.
    foreign(&token, options).map_or(outcome, Err)
}

async fn join_with(
    clock: Clock,
    control_plane: &Uri,
    text: String,
    token: &Token,
    options: &Options,
) -> Result<(Identity, StoredIdentity), JoinError> {
    let roots = bundle(clock, control_plane, token).await?;
    let peer = control_plane_id(&token.trust_domain)?;
    let tls = anonymous_client(
        &credential::certificates(&roots),
        &peer,
        Arc::new(DefaultTimeProvider),
    )?;
    let connection = connection::open(clock, control_plane, tls).await?;
    let pending = PendingKey::new()?;
    let mut request = Request::new(JoinRequest {
        token: text,
        certificate_signing_request: pending.request.clone(),
        namespace: options.namespace.clone(),
        service: options.service.clone(),
    });
    request.set_timeout(ANSWER_TIMEOUT);
    let mut authority = CertificateAuthorityClient::new(connection.channel);
    let issued = authority.join(request).await?.into_inner();
    let stored = pending.into_identity(issued);
    let expected = Expected::new(options, &token.trust_domain);
    let identity = credential::check(&stored, &expected).map_err(JoinError::Unfit)?;
    Ok((identity, stored))
}

/// The identity that the control plane of `trust_domain` must prove.
///
/// # Errors
/// When that is no trust domain.
pub fn control_plane_id(trust_domain: &str) -> Result<SpiffeId, JoinError> {
    let id = SpiffeId::parse(format!("spiffe://{trust_domain}/control-plane").as_bytes());
    id.map_err(|_| JoinError::Unfit(format!("{trust_domain} is no trust domain")))
}

fn read(file: &Path) -> Result<(String, Token), JoinError> {
    let path = || file.display().to_string();
    let text = fs::read_to_string(file).map_err(|source| JoinError::Unreadable {
        path: path(),
        source,
    })?;
    let token = text.parse::<Token>();
    let token = token.map_err(|source| JoinError::Malformed {
        path: path(),
        source,
    })?;
    Ok((text.trim().to_owned(), token))
}

/// The error for a token of another service.
fn foreign(token: &Token, options: &Options) -> Option<JoinError> {
    let is_ours = token.namespace == options.namespace && token.service == options.service;
    (!is_ours).then(|| JoinError::Foreign {
        of: format!("{}/{}", token.namespace, token.service),
        own: format!("{}/{}", options.namespace, options.service),
    })
}

/// Fetches the bundle without verifying the server and compares it with the token's hash.
async fn bundle(
    clock: Clock,
    control_plane: &Uri,
    token: &Token,
) -> Result<Vec<Vec<u8>>, JoinError> {
    let tls = unverified::client().map_err(MaterialError::Key)?;
    let connection = connection::open(clock, control_plane, tls).await?;
    let mut request = Request::new(GetBundleRequest {
        sha256: token.bundle_sha256.to_vec(),
        token_id: hex(&token.id),
        namespace: token.namespace.clone(),
        service: token.service.clone(),
    });
    request.set_timeout(ANSWER_TIMEOUT);
    let mut authority = CertificateAuthorityClient::new(connection.channel);
    let roots = authority.get_bundle(request).await?.into_inner().roots;
    let mut sha256 = Context::new(&SHA256);
    for root in &roots {
        sha256.update(root);
    }
    if sha256.finish().as_ref() == token.bundle_sha256 {
        Ok(roots)
    } else {
        Err(JoinError::OtherBundle)
    }
}
