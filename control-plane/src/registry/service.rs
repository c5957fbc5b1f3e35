//! Announcements over gRPC: a stream for each instance, and a lease for each announcement.
//!
//! When a stream ends, the instance's address is checked once ([`super::address_check`]): if it refuses
//! connections the lease ends, otherwise it runs on. A withdrawal is answered when all connected
//! sidecars have been sent it.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use outrider_proto::v1::registry_server::Registry as RegistryService;
use outrider_proto::v1::{Announcement, Lease, Observation, Observed};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Request, Response, Status, Streaming};

use super::address_check::{AddressChecks, AddressClaim, Verification};
use super::announcement::{observed, parse, reason};
use super::change::{Announced, LeaveReason};
use super::lease::{LEASE, LeaseRefusal};
use super::registrar::{LeaseEvent, LeaseOutcome, Registry, RegistryStopped};
use crate::clock;
use crate::document_store::Desired;
use crate::members::caller::{self, Workload};
use crate::members::sidecars::Sidecars;
use crate::members::stream_limit::{StreamLimiter, StreamSlot};
use crate::metrics::Metrics;
use crate::storage::journal::Journal;

/// Longest time that a withdrawal waits until it was sent to the other sidecars. 500 ms: a sidecar that
/// has not received it by then fails to connect and tries another endpoint.
const WITHDRAWAL_WAIT: Duration = Duration::from_millis(500);

/// Most observations of one announcement that are read. 64: as many events as a member may record in
/// 10 s.
const OBSERVATIONS_MAX: usize = 64;

/// Answers that wait for the connection to take them. 4.
const WAITING: usize = 4;

/// The service.
#[derive(Clone, Debug)]
pub struct Announcements {
    /// Takes the announcements.
    pub registry: Registry,
    /// The sidecars that a withdrawal waits for.
    pub sidecars: Sidecars,
    /// Where observations are written down.
    pub journal: Journal,
    /// Where events are counted.
    pub metrics: Arc<Metrics>,
    /// Checks announced addresses.
    pub address_checks: AddressChecks,
    /// The documents in force.
    pub desired: watch::Receiver<Arc<Desired>>,
    /// How many streams a member has.
    pub streams: StreamLimiter,
    /// Becomes true when the process stops.
    pub stopping: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl RegistryService for Announcements {
    type AnnounceStream = ReceiverStream<Result<Lease, Status>>;

    async fn announce(
        &self,
        request: Request<Streaming<Announcement>>,
    ) -> Result<Response<Self::AnnounceStream>, Status> {
        let workload = caller::sidecar(request.extensions())?.clone();
        let from = caller::from(request.extensions());
        let place = self.streams.open(workload.member)?;
        let (leases, sent) = mpsc::channel(WAITING);
        let instance = Instance {
            place: Some(place),
            service: self.clone(),
            workload,
            from,
            last: None,
        };
        tokio::spawn(instance.run(request.into_inner(), leases));
        Ok(Response::new(ReceiverStream::new(sent)))
    }

    async fn observe(
        &self,
        request: Request<Streaming<Observation>>,
    ) -> Result<Response<Observed>, Status> {
        let workload = caller::sidecar(request.extensions())?.clone();
        let _place = self.streams.open(workload.member)?;
        let mut observations = request.into_inner();
        let mut expiry = pin!(sleep(workload.life(clock::unix_seconds())));
        let mut stopping = self.stopping.clone();
        loop {
            let observation = tokio::select! {
                observation = observations.message() => observation?,
                () = &mut expiry => return Err(caller::expired()),
                _ = stopping.wait_for(|stops| *stops) => return Err(caller::stopping()),
            };
            match observation {
                Some(observation) => self.note(&workload, &[observation]),
                None => return Ok(Response::new(Observed {})),
            }
        }
    }
}

impl Announcements {
    /// Records what a sidecar of `workload` observed.
    fn note(&self, workload: &Workload, observations: &[Observation]) {
        for observation in observations.iter().take(OBSERVATIONS_MAX) {
            let event = observed(workload, observation);
            if let Some((kind, service, detail)) = event {
                let subject = self.with_namespace(service);
                (self.journal).record_of(workload.member, kind, &subject, &detail);
            }
        }
    }

    /// A service as events name it: `namespace/service`, or its name alone if it has left the documents.
    fn with_namespace(&self, service: String) -> String {
        let desired = self.desired.borrow();
        match desired.documents.namespace_of(&service) {
            Some(namespace) => format!("{namespace}/{service}"),
            None => service,
        }
    }
}

/// An instance, while its stream lasts.
struct Instance {
    place: Option<StreamSlot>,
    service: Announcements,
    workload: Workload,
    from: IpAddr,
    /// What it announced last.
    last: Option<Announced>,
}

impl Instance {
    async fn run(
        mut self,
        announcements: impl Stream<Item = Result<Announcement, Status>>,
        leases: mpsc::Sender<Result<Lease, Status>>,
    ) {
        let mut announcements = pin!(announcements);
        let mut expiry = pin!(sleep(self.workload.life(clock::unix_seconds())));
        let mut stopping = self.service.stopping.clone();
        let last_word = loop {
            let announcement = tokio::select! {
                announcement = announcements.next() => announcement,
                () = &mut expiry => break caller::expired(),
                _ = stopping.wait_for(|stops| *stops) => break caller::stopping(),
            };
            let Some(Ok(announcement)) = announcement else {
                return self.end_if_dead().await;
            };
            match self.take(&announcement).await {
                Ok(lease) if leases.send(Ok(lease)).await.is_ok() => {}
                // The stream broke while the announcement was stored.
                Ok(_) => return self.end_if_dead().await,
                Err(status) => break status,
            }
        };
        // Fails when the client has gone.
        let _ = leases.send(Err(last_word)).await;
    }

    /// The stream has broken: ends the lease if the instance is dead and has not come back on another
    /// stream.
    async fn end_if_dead(mut self) {
        let Some(announced) = self.last.take() else {
            return;
        };
        let broke = clock::now();
        // The check takes time, and the stream is already over.
        self.place = None;
        if self
            .service
            .address_checks
            .is_dead(self.claim(&announced))
            .await
        {
            // Fails when the process stops.
            let _ = self
                .service
                .registry
                .apply(LeaseEvent::Died(announced, broke))
                .await;
        }
    }

    async fn take(&mut self, announcement: &Announcement) -> Result<Lease, Status> {
        let taken = self.record(announcement).await;
        self.service.metrics.announced(taken.is_ok());
        let revision = taken?;
        if announcement.withdraw {
            let sidecars = &self.service.sidecars;
            sidecars.wait_for_registry(revision, WITHDRAWAL_WAIT).await;
        }
        Ok(Lease {
            duration_ms: u32::try_from(LEASE.as_millis()).unwrap_or(u32::MAX),
            withdrawn: announcement.withdraw,
        })
    }

    /// Applies the announcement to the registry; returns the revision that contains it.
    async fn record(&mut self, announcement: &Announcement) -> Result<u64, Status> {
        let announced = parse(&self.workload, announcement);
        let announced =
            announced.map_err(|unusable| Status::invalid_argument(unusable.to_string()))?;
        self.service
            .note(&self.workload, &announcement.observations);
        let before = self.last.replace(announced.clone());
        let moved = before.filter(|before| *before != announced);
        if let Some(before) = moved {
            self.send(LeaseEvent::Ended(before, LeaveReason::Moved))
                .await?;
        }
        if announcement.withdraw {
            self.send(LeaseEvent::Ended(announced, LeaveReason::Withdrawn))
                .await
        } else if announcement.serving {
            self.serve(announced).await
        } else {
            let because = reason(announcement);
            self.send(LeaseEvent::Unready(announced, because)).await
        }
    }

    /// The address is verified first. If another member has a live lease there, this member is checked by
    /// a handshake: if it answers, the other one is gone.
    async fn serve(&self, announced: Announced) -> Result<u64, Status> {
        let claim = self.claim(&announced);
        let checks = &self.service.address_checks;
        let mut verification = checks.verify_once(claim).await;
        if verification == Verification::Unverified && self.requires_proof() {
            verification = checks.verify(claim).await;
            if verification == Verification::Unverified {
                return Err(unverified(announced.address));
            }
        }
        let event = LeaseEvent::Serving(announced.clone(), verification);
        match self.service.registry.apply(event).await {
            Ok(LeaseOutcome::Refused(LeaseRefusal::AddressInUse(_)))
                if verification != Verification::Handshake =>
            {
                verification = checks.verify(claim).await;
                self.send(LeaseEvent::Serving(announced, verification))
                    .await
            }
            taken => answer(taken),
        }
    }

    fn claim(&self, announced: &Announced) -> AddressClaim<'_> {
        AddressClaim {
            workload: &self.workload,
            from: self.from,
            address: announced.address,
        }
    }

    fn requires_proof(&self) -> bool {
        self.service.desired.borrow().documents.requires_proof()
    }

    async fn send(&self, event: LeaseEvent) -> Result<u64, Status> {
        answer(self.service.registry.apply(event).await)
    }
}

/// The revision of the registry that contains the event.
fn answer(taken: Result<LeaseOutcome, RegistryStopped>) -> Result<u64, Status> {
    match taken {
        Ok(LeaseOutcome::Recorded(revision)) => Ok(revision),
        Ok(LeaseOutcome::Refused(refused)) => Err(status_of(refused)),
        Err(RegistryStopped) => Err(caller::stopping()),
    }
}

/// Does not say why, so that a member cannot use checks to scan addresses.
fn unverified(address: SocketAddr) -> Status {
    Status::failed_precondition(format!(
        "{address} is not proven, and this mesh wants it to be: the control plane connects there and \
         must find the certificate of this member, or the announcement must come from that IP"
    ))
}

fn status_of(refused: LeaseRefusal) -> Status {
    let code = match refused {
        LeaseRefusal::TooManyInstances | LeaseRefusal::TooManyAddresses => Code::ResourceExhausted,
        LeaseRefusal::AddressInUse(_) => Code::FailedPrecondition,
    };
    Status::new(code, refused.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::Authority;
    use crate::members::MemberId;
    use crate::storage::store::Store;
    use crate::tls::AddressVerifier;

    fn announcement(address: SocketAddr) -> Announcement {
        Announcement {
            instance: "one".to_owned(),
            address: address.to_string(),
            serving: true,
            ..Announcement::default()
        }
    }

    async fn refused() -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let address = listener.expect("a listener").local_addr();
        address.expect("its address")
    }

    /// A lease is published before it is stored, so the stream may end in between.
    #[tokio::test]
    async fn who_dies_while_it_is_written_down_keeps_no_lease() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a store");
        let journal = Journal::open(&store).expect("a journal");
        let (registry, registrar) = Registry::open(&store, &journal).expect("a registry");
        let mut published = registry.published();
        let _registrar = tokio::spawn(registrar.run());
        let (_stop, stopping) = watch::channel(false);
        let life = Duration::from_hours(1);
        let authority = Authority::open(&store, "outrider.local", life, clock::unix_seconds());
        let verifier = AddressVerifier::new(&authority.expect("an authority"));
        let metrics = Arc::new(Metrics::new());
        let desired = Desired {
            documents: outrider_documents::load(&[]).expect("none is right"),
            version: 0,
        };
        let service = Announcements {
            registry,
            sidecars: Sidecars::default(),
            journal,
            address_checks: AddressChecks::new(verifier, Arc::clone(&metrics)),
            desired: watch::channel(Arc::new(desired)).1,
            metrics,
            streams: StreamLimiter::default(),
            stopping,
        };
        let place = service.streams.open(MemberId::UNKNOWN);
        let instance = Instance {
            place: place.ok(),
            service,
            workload: Workload {
                namespace: "default".to_owned(),
                service: "orders".to_owned(),
                member: MemberId::UNKNOWN,
                expires_unix: clock::unix_seconds() + 3_600,
                issuer: String::new(),
            },
            from: IpAddr::from([127, 0, 0, 1]),
            last: None,
        };
        let (leases, broken) = mpsc::channel(WAITING);
        drop(broken);
        let one = tokio_stream::once(Ok(announcement(refused().await)));
        instance
            .run(one.chain(tokio_stream::pending()), leases)
            .await;
        let last = published.borrow_and_update().clone();
        assert_eq!(last.revision, 2, "announced, then dead");
        assert!(last.registered.of("orders")[0].addresses.is_empty());
    }
}
