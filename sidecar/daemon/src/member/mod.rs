//! A member of a control plane's mesh: joins, is configured, announces its application.
//!
//! One connection carries configuration ([`subscription`]), certificate renewal
//! ([`identity_rotation`]) and the application's announcement ([`announcer`]). Without a
//! connection everything in force stays, without limit and across restarts ([`data_folder`],
//! [`last_good`]). Decides nothing about calls.
//!
//! Reading order: this file; `join`, `credential` (getting an identity); `identity_rotation`,
//! `renewal_schedule` (keeping it); `connection`, `happy_eyeballs`, `unverified`; `subscription`,
//! `ads_stream`; `announcer`, `application_watch`, `health_check`, `application_health`,
//! `observer`, `observation_stream`, `withdrawal`; `data_folder`, `stored_file`, `last_good`;
//! `status`.

mod ads_stream;
mod announcer;
mod application_health;
mod application_watch;
mod connection;
mod credential;
mod data_folder;
mod happy_eyeballs;
mod health_check;
mod identity_rotation;
mod join;
mod last_good;
mod observation_stream;
mod observer;
mod renewal_schedule;
mod status;
mod stored_file;
mod subscription;
mod unverified;
mod withdrawal;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use outrider_causes::{describe, is_certificate_rejection};
use outrider_engine::TlsMaterial;
use outrider_identity::SpiffeId;
use outrider_proto::OUTBOUND_LISTENER;
use outrider_proto::envoy::core::Node;
use tokio::sync::{mpsc, watch};

use crate::clock::{self, Clock};
use crate::control::configuration::SourceUpdate;
use crate::control::status::IdentityStatus;
use crate::error::StartupError;
use crate::options::Options;
use crate::source::Membership;
use crate::telemetry::Metrics;
use crate::worker::Workers;
use crate::xds::client::{Client, Closed};

use connection::Connection;
use data_folder::DataFolder;
use identity_rotation::IdentityRotation;
use join::JoinError;
use last_good::Latest;
use subscription::{Subscription, SubscriptionOutputs};

pub use announcer::Announcer;
pub use application_health::ApplicationHealth;
pub use application_watch::watch as watch_application;
pub use observer::Observer;
pub use status::MemberStatus;
pub use withdrawal::{WithdrawalHandle, channel as withdrawal};

/// Longest time to the next try with a token that was refused, unless its file changes.
const REFUSED_WAIT: Duration = Duration::from_secs(30);

/// Time between two looks at the token's file.
const FILE_LOOK: Duration = Duration::from_secs(1);

/// Longest wait between two tries to reach the control plane for joining.
const JOIN_WAIT_MAX: Duration = Duration::from_secs(5);

/// This sidecar as a member.
#[derive(Debug)]
pub struct Member {
    clock: Clock,
    options: Arc<Options>,
    membership: Membership,
    data: Arc<DataFolder>,
    identity: IdentityRotation,
    /// The last time one end refused the other's certificate: the control plane may have been set
    /// up again, or its root replaced, while we were away. A token says which bundle is right.
    is_stranger: bool,
    subscription: Subscription,
    /// What was told of other endpoints, where there is no lease to tell it with.
    observer: Observer,
    latest: watch::Receiver<Latest>,
    updates: watch::Receiver<Arc<SourceUpdate>>,
    status: watch::Sender<MemberStatus>,
    wants: mpsc::UnboundedSender<String>,
}

impl Member {
    /// Opens the folder and takes from it what is still good. Asks nobody yet.
    ///
    /// # Errors
    /// When the folder cannot be this sidecar's, or holds no identity and there is no token file.
    pub fn open(
        clock: Clock,
        options: &Options,
        membership: &Membership,
        instance: &str,
        metrics: &Arc<Metrics>,
    ) -> Result<Member, StartupError> {
        let data = Arc::new(DataFolder::open(&membership.data)?);
        let stored = data.identity(options)?;
        if stored.is_none() && membership.token_file.is_none() {
            let folder = membership.data.display();
            let problem = format!("is needed to join: {folder} (--data) holds no identity");
            return Err(StartupError::Flag {
                flag: "--token-file",
                problem,
            });
        }
        let mut status = MemberStatus {
            control_plane: membership.control_plane.to_string(),
            application: options.app,
            ..MemberStatus::default()
        };
        let id = stored.as_ref().map(|(id, _)| id);
        let listeners = BTreeSet::from([OUTBOUND_LISTENER.to_owned(), options.inbound_listener()]);
        let mut client = client(node(options, instance), listeners, &data, id, &mut status);
        if options.app.is_some() {
            // What is known of the own methods names them in metrics. There is no stream to ask on.
            client.want(clock.now(), &options.service);
        }
        let (updates, updates_received) = watch::channel(Arc::default());
        let (bundle, bundles) = watch::channel(client.trust_bundle().map(<[u8]>::to_vec));
        let (latest, to_be_saved) = watch::channel(None);
        let (wants, wanted) = mpsc::unbounded_channel();
        let (status, _) = watch::channel(status);
        let out = SubscriptionOutputs {
            updates,
            status: status.clone(),
            bundle,
            latest,
        };
        let options = Arc::new(options.clone());
        let identity = IdentityRotation::new(&options, &data, metrics, bundles, stored);
        let subscription = Subscription::new(clock, Arc::clone(metrics), client, wanted, out);
        Ok(Member {
            clock,
            options,
            membership: membership.clone(),
            data,
            identity,
            is_stranger: false,
            subscription,
            observer: Observer::default(),
            latest: to_be_saved,
            updates: updates_received,
            status,
            wants,
        })
    }

    /// What the control plane says of services.
    pub fn updates(&self) -> watch::Receiver<Arc<SourceUpdate>> {
        self.updates.clone()
    }

    /// The identity in use.
    pub fn identity(&self) -> watch::Receiver<Option<IdentityStatus>> {
        self.identity.status()
    }

    /// The identity as the workers take it, if there is one already.
    pub fn material(&self) -> Option<Arc<TlsMaterial>> {
        self.identity.material()
    }

    /// Where the operator says that the application is reached.
    pub fn advertise(&self) -> Option<SocketAddr> {
        self.membership.advertise
    }

    /// How it goes.
    pub fn status(&self) -> &watch::Sender<MemberStatus> {
        &self.status
    }

    /// Takes the names of services that calls wait for. Unbounded, because an engine asks for each
    /// name once and for so many only.
    pub fn wants(&self) -> mpsc::UnboundedSender<String> {
        self.wants.clone()
    }

    /// Keeps the last good configuration on disk, for as long as the process lives.
    pub fn save(&self) -> impl Future<Output = ()> + use<> {
        last_good::save(
            Arc::clone(&self.data),
            self.identity.status(),
            self.latest.clone(),
        )
    }

    /// Joins, connects, and does so again, for as long as the process lives.
    pub async fn run(mut self, workers: Workers, mut announcer: Option<Announcer>) {
        loop {
            let wait = match self.connect(&workers).await {
                Ok(connection) => self.stay(&workers, &connection, &mut announcer).await,
                Err(wait) => wait,
            };
            self.subscription.meanwhile(tokio::time::sleep(wait)).await;
        }
    }

    /// A connection under an identity that is valid now; without either, how long to wait.
    async fn connect(&mut self, workers: &Workers) -> Result<Connection, Duration> {
        let is_stranger = std::mem::take(&mut self.is_stranger);
        if self.identity.client().is_none() || (is_stranger && self.membership.token_file.is_some())
        {
            self.join(workers).await?;
        }
        let Some(tls) = self.identity.client() else {
            return Err(FILE_LOOK);
        };
        let opening = connection::open(self.clock, &self.membership.control_plane, tls);
        let opened = self.subscription.meanwhile(opening).await;
        opened.map_err(|error| {
            self.is_stranger = is_certificate_rejection(&error);
            self.say(describe(&error, self.identity.dates()));
            self.subscription.closed(Closed::Lost)
        })
    }

    /// Everything there is to say over a connection, until it ends or is to be replaced; gives
    /// how long to wait.
    async fn stay(
        &mut self,
        workers: &Workers,
        connection: &Connection,
        announcer: &mut Option<Announcer>,
    ) -> Duration {
        let dates = self.identity.dates();
        let ended = tokio::select! {
            ended = self.subscription.follow(&connection.channel, dates) => Some(ended),
            () = self.identity.renew_in_time(workers, connection) => None,
            () = report_to_control_plane(announcer.as_mut(), &mut self.observer, workers, connection) => None,
        };
        let Some(ended) = ended else {
            self.subscription.replaced();
            return Duration::ZERO;
        };
        if let Some(announcer) = announcer {
            announcer.disconnected();
        }
        self.is_stranger = ended.is_certificate_rejection;
        self.say(ended.problem);
        self.subscription.closed(ended.how)
    }

    async fn join(&mut self, workers: &Workers) -> Result<(), Duration> {
        let Some(file) = self.membership.token_file.clone() else {
            let problem = "the certificate has expired, and there is no --token-file to join with";
            self.say(problem.to_owned());
            self.note_rejoining(Some(problem.to_owned()));
            return Err(clock::spread(REFUSED_WAIT, clock::seed()));
        };
        let text = std::fs::read(&file).ok();
        let joining = join::join(
            self.clock,
            &self.membership.control_plane,
            &file,
            &self.options,
        );
        match self.subscription.meanwhile(joining).await {
            Ok((identity, stored)) => {
                self.identity.replace(workers, identity, stored).await;
                self.note_rejoining(None);
                Ok(())
            }
            Err(error) => Err(self.not_joined(&error, &file, text).await),
        }
    }

    /// Says why, and waits for another token if that is what it takes.
    async fn not_joined(
        &mut self,
        error: &JoinError,
        file: &Path,
        text: Option<Vec<u8>>,
    ) -> Duration {
        let problem = describe(error, self.identity.dates());
        self.say(problem.clone());
        if error.is_refused() {
            self.note_rejoining(Some(problem));
        }
        if error.is_the_tokens_fault() && self.identity.client().is_none() {
            let wait = clock::spread(REFUSED_WAIT, clock::seed());
            let replaced = tokio::time::timeout(wait, replaced(file, text));
            // A time-out is a reason to try the same one again.
            let _ = self.subscription.meanwhile(replaced).await;
            return Duration::ZERO;
        }
        self.subscription.closed(Closed::Lost).min(JOIN_WAIT_MAX)
    }

    fn note_rejoining(&self, refused: Option<String>) {
        self.status
            .send_modify(|status| status.rejoin_refused = refused);
    }

    fn say(&self, problem: String) {
        let is_news = self.status.borrow().problem.as_ref() != Some(&problem);
        if is_news {
            tracing::warn!(problem, "no control plane");
        }
        self.status
            .send_modify(|status| status.problem = Some(problem));
    }
}

/// Without an application there is nothing to hold, only what this sidecar sees to be told.
async fn report_to_control_plane(
    announcer: Option<&mut Announcer>,
    observer: &mut Observer,
    workers: &Workers,
    connection: &Connection,
) {
    match announcer {
        Some(announcer) => announcer.run(connection).await,
        None => observation_stream::report(observer, workers, connection).await,
    }
}

/// Returns when the file says something else than `text`.
async fn replaced(file: &Path, text: Option<Vec<u8>>) {
    while std::fs::read(file).ok() == text {
        tokio::time::sleep(FILE_LOOK).await;
    }
}

/// What this client is; who it is, its certificate says.
fn node(options: &Options, instance: &str) -> Node {
    let Options {
        namespace, service, ..
    } = options;
    Node {
        id: format!("{namespace}/{service}/{instance}"),
        cluster: service.clone(),
        user_agent_name: "outrider".to_owned(),
        ..Node::default()
    }
}

/// A client that begins with the last good configuration of `id`, if there is one.
fn client(
    node: Node,
    listeners: BTreeSet<String>,
    data: &DataFolder,
    id: Option<&SpiffeId>,
    status: &mut MemberStatus,
) -> Client {
    let Some(stored) = id.and_then(|id| data.configuration(id.as_str())) else {
        return Client::new(node, listeners);
    };
    let (saved_unix, services) = (stored.saved_unix, stored.services.iter().cloned());
    let services: BTreeSet<String> = services.collect();
    match last_good::resources(stored) {
        Ok(resources) => {
            let age_seconds = clock::unix_seconds().saturating_sub(saved_unix);
            tracing::info!(age_seconds, "begins with the last good configuration");
            status.restored_unix = Some(saved_unix);
            Client::restored(node, listeners, services, &resources)
        }
        Err(error) => {
            tracing::error!(%error, "the last good configuration is not used");
            Client::new(node, listeners)
        }
    }
}
