//! One ADS stream: a task around a pure state machine.
//!
//! The task waits for one thing at a time and never for the client alone: what is to be sent
//! waits in an outbox, and while something is in it nothing new is asked of the state machine,
//! which finds what was missed by comparing. So a burst of changes becomes one response, and a
//! client that does not read delays no other. Decides when a stream ends; what is sent is
//! [`crate::ads`]' business.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use outrider_proto::Kind;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use super::dialect::{Dialect, Head};
use super::visibility::Visibility;
use crate::ads::View;
use crate::clock;
use crate::members::caller::{self, Workload};
use crate::members::sidecars::{Connected, Progress, SidecarInfo, Sidecars};
use crate::members::stream_limit::{StreamLimiter, StreamSlot};
use crate::metrics::Metrics;
use crate::publish::Published;
use crate::storage::journal::{EventKind, Journal};

/// Most names a client may subscribe to on one stream, of all kinds together, and most others that
/// one request may mention. 10,000: what one application calls is tens.
const NAMES_MAX: usize = 10_000;

/// Longest name. Bytes; 1,024: four times the longest gRPC service.
const NAME_BYTES_MAX: usize = 1_024;

/// Longest wait for a client to take the status that ends its stream. 1 s.
const LAST_WORD: Duration = Duration::from_secs(1);

/// What all streams share.
#[derive(Clone, Debug)]
pub struct Context {
    /// What exists.
    pub published: watch::Receiver<Arc<Published>>,
    /// Where connected sidecars are listed.
    pub sidecars: Sidecars,
    /// Where rejections are written down.
    pub journal: Journal,
    /// Where events are counted.
    pub metrics: Arc<Metrics>,
    /// How many streams a member has.
    pub streams: StreamLimiter,
    /// Becomes true when the process stops.
    pub stopping: watch::Receiver<bool>,
}

/// One stream of one client.
pub struct AdsStream<D: Dialect> {
    context: Context,
    visibility: Visibility,
    workload: Workload,
    _place: StreamSlot,
    number: u64,
    dialect: D,
    outbox: VecDeque<D::Response>,
    connected: Option<Connected>,
}

impl<D: Dialect> AdsStream<D> {
    /// `number` is one that no other stream of this process has.
    ///
    /// # Errors
    /// The member has too many streams.
    pub fn new(context: Context, workload: Workload, number: u64) -> Result<AdsStream<D>, Status> {
        let place = context.streams.open(workload.member)?;
        Ok(AdsStream {
            context,
            visibility: Visibility::of(&workload),
            workload,
            _place: place,
            number,
            dialect: D::open(number),
            outbox: VecDeque::new(),
            connected: None,
        })
    }

    /// Runs until the client ends the stream or there is a reason to end it, which is sent as its
    /// status.
    pub async fn run(
        mut self,
        requests: impl Stream<Item = Result<D::Request, Status>>,
        responses: mpsc::Sender<Result<D::Response, Status>>,
    ) {
        if let Err(reason) = self.serve(requests, &responses).await {
            tracing::info!(
                sidecar = %self.workload.name(),
                stream = self.number,
                code = ?reason.code(),
                reason = reason.message(),
                "an ADS stream ends"
            );
            // Fails when the client has gone, or never reads.
            let _ = timeout(LAST_WORD, responses.send(Err(reason))).await;
        }
    }

    /// # Errors
    /// Why the stream ends, if the client did not end it.
    async fn serve(
        &mut self,
        requests: impl Stream<Item = Result<D::Request, Status>>,
        responses: &mpsc::Sender<Result<D::Response, Status>>,
    ) -> Result<(), Status> {
        let mut requests = pin!(requests);
        let mut expiry = pin!(sleep(self.workload.life(clock::unix_seconds())));
        let mut published = self.context.published.clone();
        let mut stopping = self.context.stopping.clone();
        loop {
            let is_idle = self.outbox.is_empty();
            tokio::select! {
                request = requests.next(), if is_idle => match request {
                    Some(Ok(request)) => self.receive(request, &published.borrow().clone())?,
                    // The client, or its connection, is gone.
                    Some(Err(_)) | None => return Ok(()),
                },
                changed = published.changed(), if is_idle => match changed {
                    Ok(()) => self.publish(&published.borrow_and_update().clone()),
                    Err(_) => return Err(caller::stopping()),
                },
                permit = responses.reserve(), if !is_idle => match permit {
                    Ok(permit) => self.send(permit),
                    Err(_) => return Ok(()),
                },
                () = ask(&mut self.connected) => self.report(),
                () = responses.closed() => return Ok(()),
                () = &mut expiry => return Err(caller::expired()),
                _ = stopping.wait_for(|stops| *stops) => return Err(caller::stopping()),
            }
        }
    }

    fn receive(&mut self, request: D::Request, published: &Published) -> Result<(), Status> {
        let head = D::head(&request);
        let names = head.names.iter().chain(head.mentioned.iter().copied());
        let longest = names.map(String::len).max();
        if longest.is_some_and(|bytes| bytes > NAME_BYTES_MAX) {
            return Err(Status::resource_exhausted(format!(
                "a name longer than {NAME_BYTES_MAX} octets"
            )));
        }
        if head.mentioned.len() > NAMES_MAX {
            return Err(too_many_names());
        }
        self.note(&head);
        let sees = |kind, name: &str| self.visibility.includes(kind, name);
        let view = View::new(&published.catalogue, &sees);
        let responses = self.dialect.receive(request, view);
        if self.dialect.names_count() > NAMES_MAX {
            return Err(too_many_names());
        }
        self.outbox.extend(responses);
        self.make_progress(published);
        Ok(())
    }

    /// What a request says beside its subscription.
    fn note(&mut self, head: &Head<'_>) {
        let Context {
            sidecars,
            journal,
            metrics,
            ..
        } = &self.context;
        if self.connected.is_none() {
            let hello = SidecarInfo::new(&self.workload, D::PROTOCOL, head.node);
            if hello.node_is_misnamed {
                metrics.node_misnamed();
            }
            self.connected = Some(sidecars.enter(self.number, hello));
        }
        if let Some(rejection) = head.rejection {
            metrics.rejected(D::PROTOCOL);
            let what = Kind::of_type_url(head.type_url).map_or("resource", Kind::name);
            let detail = format!("It refuses a {what}: {}", rejection.message);
            let (member, name) = (self.workload.member, self.workload.name());
            journal.record_of(member, EventKind::Rejected, &name, &detail);
        }
    }

    fn publish(&mut self, published: &Published) {
        let sees = |kind, name: &str| self.visibility.includes(kind, name);
        let view = View::new(&published.catalogue, &sees);
        let responses = self.dialect.publish(view);
        self.outbox.extend(responses);
        self.make_progress(published);
    }

    fn send(&mut self, permit: mpsc::Permit<'_, Result<D::Response, Status>>) {
        if let Some(response) = self.outbox.pop_front() {
            permit.send(Ok(response));
            self.context.metrics.responded(D::PROTOCOL);
        }
        if self.outbox.is_empty()
            && let Some(connected) = &self.connected
        {
            connected.handed_over();
        }
    }

    /// Tells how far the client is: what it is being sent, and whether it uses all of that.
    fn make_progress(&mut self, published: &Published) {
        let Some(connected) = &mut self.connected else {
            return;
        };
        let progress = Progress {
            version: published.version.clone(),
            registry_revision: published.registry_revision,
            is_applied: self.outbox.is_empty() && self.dialect.has_accepted_all(),
        };
        connected.progress(progress);
        if self.outbox.is_empty() {
            connected.handed_over();
        }
    }

    fn report(&mut self) {
        if let Some(connected) = &mut self.connected {
            connected.answer(|| self.dialect.standings());
        }
    }
}

fn too_many_names() -> Status {
    Status::resource_exhausted(format!("more than {NAMES_MAX} names on one stream"))
}

/// Completes when somebody asks for the standings; never without a first request.
async fn ask(connected: &mut Option<Connected>) {
    match connected {
        Some(connected) => connected.asked().await,
        None => std::future::pending().await,
    }
}
