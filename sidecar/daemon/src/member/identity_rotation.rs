//! The identity in use: kept in the folder, shown to peers, renewed in time.
//!
//! A new one is used only when all of it fits; until then the old one stays. What is believed of
//! others (the trust bundle) is part of it and may change alone.

use std::sync::Arc;
use std::time::Duration;

use outrider_causes::{CertificateDates, describe};
use outrider_engine::TlsMaterial;
use outrider_identity::SpiffeId;
use outrider_proto::v1::certificate_authority_client::CertificateAuthorityClient;
use outrider_proto::v1::{RenewRequest, StoredIdentity};
use rustls::ClientConfig;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::Request;

use super::connection::Connection;
use super::credential::{self, PendingKey};
use super::data_folder::DataFolder;
use super::join::control_plane_id;
use super::renewal_schedule;
use crate::clock;
use crate::control::identity::{Expected, Identity};
use crate::control::status::IdentityStatus;
use crate::grpc_error;
use crate::options::Options;
use crate::telemetry::Metrics;
use crate::worker::{Command, Workers};

/// Longest wait for a certificate.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The identity, if there is one.
#[derive(Debug)]
pub struct IdentityRotation {
    options: Arc<Options>,
    data: Arc<DataFolder>,
    metrics: Arc<Metrics>,
    in_use: Option<(Identity, StoredIdentity)>,
    /// Task that is publishing the current identity to workers and disk.
    publishing: Option<JoinHandle<()>>,
    /// The bundle as the control plane last said it, PEM.
    bundle: watch::Receiver<Option<Vec<u8>>>,
    status: watch::Sender<Option<IdentityStatus>>,
}

impl IdentityRotation {
    /// Begins with what was `stored`, if it is still good.
    pub fn new(
        options: &Arc<Options>,
        data: &Arc<DataFolder>,
        metrics: &Arc<Metrics>,
        bundle: watch::Receiver<Option<Vec<u8>>>,
        stored: Option<(SpiffeId, StoredIdentity)>,
    ) -> IdentityRotation {
        let mut rotation = IdentityRotation {
            options: Arc::clone(options),
            data: Arc::clone(data),
            metrics: Arc::clone(metrics),
            in_use: None,
            publishing: None,
            bundle,
            status: watch::channel(None).0,
        };
        if let Some((id, stored)) = stored {
            let expected = Expected::new(&rotation.options, id.trust_domain());
            match credential::check(&stored, &expected) {
                Ok(identity) => rotation.set_current(identity, stored),
                Err(problem) => tracing::warn!(problem, "the stored certificate is not used"),
            }
        }
        rotation
    }

    /// What `/readyz` and `/config` show.
    pub fn status(&self) -> watch::Receiver<Option<IdentityStatus>> {
        self.status.subscribe()
    }

    /// The identity as the workers take it, if there is one.
    pub fn material(&self) -> Option<Arc<TlsMaterial>> {
        let (identity, _) = self.in_use.as_ref()?;
        Some(Arc::clone(&identity.material))
    }

    /// The dates of the certificate in use, for what the other end says of it.
    pub fn dates(&self) -> Option<CertificateDates> {
        let (_, stored) = self.in_use.as_ref()?;
        CertificateDates::of(stored.chain.first()?, clock::unix_seconds())
    }

    /// How to connect to the control plane; `None` without an identity that is valid now.
    pub fn client(&self) -> Option<Arc<ClientConfig>> {
        let (identity, _) = self.in_use.as_ref()?;
        if identity.expires_unix <= clock::unix_seconds() {
            return None;
        }
        let peer = control_plane_id(identity.material.identity().trust_domain()).ok()?;
        identity.material.client(&peer).ok()
    }

    /// Uses and stores a new identity. Cancelling the wait cancels nothing: a task publishes the
    /// identities to workers and disk in order.
    pub async fn replace(&mut self, workers: &Workers, identity: Identity, stored: StoredIdentity) {
        let material = Arc::clone(&identity.material);
        self.set_current(identity, stored.clone());
        self.metrics.identity_changed(true);
        let (before, workers) = (self.publishing.take(), workers.clone());
        let data = Arc::clone(&self.data);
        let publishing = self.publishing.insert(tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            workers
                .tell(|| Command::Identity(Arc::clone(&material)))
                .await;
            // A panic in there is one in the allocator: nothing to be saved from.
            let _ = tokio::task::spawn_blocking(move || data.save(&stored)).await;
        }));
        let _ = publishing.await;
        self.publishing = None;
    }

    /// Renews in time and believes the bundles that come; returns when there is a new certificate,
    /// or the old one has expired.
    pub async fn renew_in_time(&mut self, workers: &Workers, connection: &Connection) {
        let mut due = self.until_renewal();
        loop {
            tokio::select! {
                Ok(()) = self.bundle.changed() => {
                    self.update_trust_bundle(workers).await;
                    due = self.until_renewal();
                    if self.is_issued_by_old_root() {
                        due = renewal_schedule::after_promotion(due, clock::seed());
                    }
                }
                () = tokio::time::sleep(due) => match self.renew(connection).await {
                    Ok((identity, stored)) => return self.replace(workers, identity, stored).await,
                    Err(problem) if self.remaining_lifetime().is_zero() => return self.refuse(problem),
                    Err(problem) => {
                        self.refuse(problem);
                        due = renewal_schedule::next_after_failure(self.remaining_lifetime(), clock::seed());
                    }
                },
            }
        }
    }

    async fn renew(&self, connection: &Connection) -> Result<(Identity, StoredIdentity), String> {
        let pending = PendingKey::new().map_err(|error| describe(&error, None))?;
        let mut request = Request::new(RenewRequest {
            certificate_signing_request: pending.request.clone(),
        });
        request.set_timeout(ANSWER_TIMEOUT);
        let mut authority = CertificateAuthorityClient::new(connection.channel.clone());
        let issued = authority.renew(request).await;
        let issued = issued.map_err(|status| {
            format!(
                "the control plane gave none: {}",
                grpc_error::describe(&status, self.dates())
            )
        })?;
        self.check(pending.into_identity(issued.into_inner()))
    }

    /// Believes the roots that the control plane says, with the certificate in use.
    async fn update_trust_bundle(&mut self, workers: &Workers) {
        let bundle = self.bundle.borrow_and_update().clone().unwrap_or_default();
        let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bundle).collect();
        let Some((_, stored)) = &self.in_use else {
            return;
        };
        let updated = roots.map_err(|error| format!("the bundle is not PEM: {error}"));
        let updated = updated.and_then(|roots| {
            self.check(StoredIdentity {
                roots: roots.iter().map(|root| root.to_vec()).collect(),
                ..stored.clone()
            })
        });
        match updated {
            Ok((_, updated)) if updated == *stored => {}
            Ok((identity, updated)) => self.replace(workers, identity, updated).await,
            Err(problem) => self.refuse(problem),
        }
    }

    fn check(&self, stored: StoredIdentity) -> Result<(Identity, StoredIdentity), String> {
        let (in_use, _) = self.in_use.as_ref().ok_or("there is no identity")?;
        let trust_domain = in_use.material.identity().trust_domain();
        let expected = Expected::new(&self.options, trust_domain);
        let identity = credential::check(&stored, &expected)?;
        Ok((identity, stored))
    }

    fn refuse(&self, problem: String) {
        tracing::error!(problem, "no new identity; the old one stays in use");
        self.metrics.identity_changed(false);
        self.status.send_modify(|status| {
            if let Some(status) = status {
                status.refused = Some(problem);
            }
        });
    }

    fn set_current(&mut self, identity: Identity, stored: StoredIdentity) {
        let id = identity.material.identity();
        tracing::info!(%id, expires_unix = identity.expires_unix, "identity in use");
        self.status.send_replace(Some(identity.status(None)));
        self.in_use = Some((identity, stored));
    }

    /// Time until the certificate expires.
    fn remaining_lifetime(&self) -> Duration {
        let expires = self.in_use.as_ref().map_or(0, |(it, _)| it.expires_unix);
        seconds(expires.saturating_sub(clock::unix_seconds()))
    }

    /// Does another root sign now? The first of the bundle does. Asked at a change of the bundle
    /// only, so that a control plane with another order gets one renewal more and not one after
    /// the other.
    fn is_issued_by_old_root(&self) -> bool {
        let stored = self.in_use.as_ref().map(|(_, stored)| stored);
        let leaf = stored.and_then(|stored| stored.chain.first());
        let signing = stored.and_then(|stored| stored.roots.first());
        match (leaf, signing) {
            (Some(leaf), Some(signing)) => !credential::is_issued_by(leaf, signing),
            (Some(_) | None, None) | (None, Some(_)) => false,
        }
    }

    fn until_renewal(&self) -> Duration {
        let Some((identity, _)) = &self.in_use else {
            return Duration::ZERO;
        };
        let life = seconds(identity.expires_unix.saturating_sub(identity.since_unix));
        let lived = seconds(clock::unix_seconds().saturating_sub(identity.since_unix));
        renewal_schedule::first_after(life, clock::seed()).saturating_sub(lived)
    }
}

fn seconds(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or(0))
}
