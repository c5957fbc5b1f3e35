//! The requests of sidecars to the authority: its bundle, a first certificate, a renewal.
//!
//! Decides which service a certificate names: for a first one the service of the token, for a renewal
//! that of the connection's certificate. Names in the request have no effect.

use std::sync::Arc;
use std::time::Duration;

use outrider_proto::token::Token;
use outrider_proto::v1;
use outrider_proto::v1::certificate_authority_server as server;
use rcgen::{PublicKeyData, SubjectPublicKeyInfo};
use tonic::{Code, Request, Response, Status};

use super::{Authority, random_member, requested_key};
use crate::clock;
use crate::members::MemberId;
use crate::members::caller;
use crate::members::join_refusals::{JoinAttempt, JoinRefusals};
use crate::members::rate_limit::{Rate, RateLimiter};
use crate::metrics::Metrics;
use crate::serve::parts::Parts;
use crate::storage::journal::{EventKind, Journal};
use crate::tokens::{Joining, Tokens};

/// Largest request that is read. Bytes; 64 KiB. Clients without a certificate may send one, and a token
/// with a signing request is below 1 KiB.
const REQUEST_BYTES_MAX: usize = 64 << 10;

/// Renewals of one member: the shortest certificates live for 10 s, and are renewed after half of it.
const RENEWALS: Rate = Rate {
    max: 10,
    window: Duration::from_secs(10),
};

/// The service of that name.
#[derive(Clone)]
pub struct CertificateAuthority {
    authority: Authority,
    tokens: Tokens,
    journal: Journal,
    metrics: Arc<Metrics>,
    renewals: Arc<RateLimiter<MemberId>>,
    refusals: Arc<JoinRefusals>,
}

impl CertificateAuthority {
    /// The service, made of `parts`.
    pub fn service(parts: &Parts) -> server::CertificateAuthorityServer<CertificateAuthority> {
        let service = CertificateAuthority {
            authority: parts.authority.clone(),
            tokens: parts.tokens.clone(),
            journal: parts.journal.clone(),
            metrics: Arc::clone(&parts.mesh.metrics),
            renewals: Arc::new(RateLimiter::new(RENEWALS)),
            refusals: Arc::new(JoinRefusals::new(&parts.journal, &parts.mesh.metrics)),
        };
        server::CertificateAuthorityServer::new(service)
            .max_decoding_message_size(REQUEST_BYTES_MAX)
    }

    /// The service that may join with this token, which has been counted.
    async fn redeem(
        &self,
        request: &v1::JoinRequest,
    ) -> Result<(Joining, SubjectPublicKeyInfo), Status> {
        let now = clock::unix_seconds();
        let token = self.tokens.check(&request.token, now).await?;
        check_service(&token, request)?;
        // Before the join is counted: a malformed request must not use up the token.
        let key = requested_key(&request.certificate_signing_request)?;
        let joining = self.tokens.record_join(token, now).await?;
        Ok((joining, key))
    }

    fn issue(
        &self,
        namespace: &str,
        service: &str,
        member: MemberId,
        key: &impl PublicKeyData,
    ) -> Result<Response<v1::IssuedCertificate>, Status> {
        let now = clock::unix_seconds();
        let issued = self
            .authority
            .issue_workload(namespace, service, member, key, now)?;
        let bundle = self.authority.bundle();
        let roots = bundle
            .borrow()
            .roots()
            .iter()
            .map(|root| root.to_vec())
            .collect();
        let chain = issued.chain.iter().map(|der| der.to_vec()).collect();
        Ok(Response::new(v1::IssuedCertificate { chain, roots }))
    }
}

/// Refuses a sidecar with the token of another service: it is set up wrong. Otherwise only the sidecar would
/// notice, by the name in its certificate.
fn check_service(token: &Token, request: &v1::JoinRequest) -> Result<(), Status> {
    let v1::JoinRequest {
        namespace, service, ..
    } = request;
    if service.is_empty() || (namespace, service) == (&token.namespace, &token.service) {
        return Ok(());
    }
    Err(Status::permission_denied(format!(
        "the token is for service {}/{}, but this sidecar is {namespace}/{service} (--namespace, \
         --service)",
        token.namespace, token.service
    )))
}

#[tonic::async_trait]
impl server::CertificateAuthority for CertificateAuthority {
    async fn get_bundle(
        &self,
        request: Request<v1::GetBundleRequest>,
    ) -> Result<Response<v1::GetBundleResponse>, Status> {
        let from = caller::from(request.extensions());
        let request = request.into_inner();
        let sha256 = request.sha256.clone();
        let present = self.authority.bundle().borrow().clone();
        if sha256.is_empty() || sha256 == present.sha256() {
            let roots = present.roots().iter().map(|root| root.to_vec()).collect();
            return Ok(Response::new(v1::GetBundleResponse { roots }));
        }
        let authority = self.authority.clone();
        let looked = tokio::task::spawn_blocking(move || authority.earlier_bundle(&sha256)).await;
        let earlier = looked.map_err(|_| Status::unavailable("the control plane stops"))??;
        earlier.map(Response::new).ok_or_else(|| {
            let because = "the root that it trusts is unknown here, or has retired";
            self.refusals
                .record(&JoinAttempt::bundle(&request), from, because);
            Status::not_found(
                "no bundle of this control plane has that hash, or its roots have retired: the \
                 token is of another mesh, or too old; make a new one",
            )
        })
    }

    async fn join(
        &self,
        request: Request<v1::JoinRequest>,
    ) -> Result<Response<v1::IssuedCertificate>, Status> {
        let from = caller::from(request.extensions());
        let request = request.into_inner();
        let redeemed = self.redeem(&request).await;
        let (joining, key) = redeemed.inspect_err(|status| {
            if matches!(
                status.code(),
                Code::Unauthenticated | Code::PermissionDenied
            ) {
                let tried = JoinAttempt::token(&request.token);
                self.refusals.record(&tried, from, status.message());
            }
        })?;
        let (namespace, service) = (&joining.namespace, &joining.service);
        let issued = self.issue(namespace, service, random_member()?, &key)?;
        self.metrics.joined();
        let detail = format!("With token {}, from {from}.", joining.id);
        let subject = format!("{namespace}/{service}");
        self.journal.record(EventKind::Joined, &subject, &detail);
        Ok(issued)
    }

    async fn renew(
        &self,
        request: Request<v1::RenewRequest>,
    ) -> Result<Response<v1::IssuedCertificate>, Status> {
        let from = caller::from(request.extensions());
        let workload = caller::sidecar(request.extensions())?.clone();
        if !self.renewals.take(workload.member, clock::now()) {
            return Err(Status::resource_exhausted(
                "this member has renewed 10 times in 10 s, and may not again yet",
            ));
        }
        let key = requested_key(&request.into_inner().certificate_signing_request)?;
        let (namespace, service) = (&workload.namespace, &workload.service);
        let issued = self.issue(namespace, service, workload.member, &key)?;
        self.metrics.renewed();
        let detail = format!("Its certificate, from {from}.");
        let member = workload.member;
        (self.journal).record_of(member, EventKind::Renewed, &workload.name(), &detail);
        Ok(issued)
    }
}
