//! The configuration in force: resolves the names in a source's configuration, and sends it to the workers.
//!
//! Source (a folder or a control plane) -> names -> snapshot -> workers. A source publishes only accepted
//! configuration; a name without an answer keeps its addresses. Decides nothing about calls.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use outrider_engine::config::{Discovery, Snapshot};
use outrider_policy::Tick;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::answer::Answer;
use super::name_news::log_news;
use super::names::{Name, Names};
use super::resolve::{self, Files, Stamps};
use super::status::{ConfigurationStatus, NameStatus};
use crate::clock::Clock;
use crate::telemetry::{KnownLabels, Metrics};
use crate::worker::{Command, Workers};
use crate::xds;

/// Sleep when there is no name; any news ends it earlier.
const NOTHING_DUE: Duration = Duration::from_secs(3_600);

/// Time between two checks of the machine's files for name resolution. 2 s: a change takes effect within
/// 5 s, and a check is one `stat` for each of three files.
const FILES_LOOK: Duration = Duration::from_secs(2);

/// Most host names that the refusal of a call names.
const UNRESOLVED_MAX: usize = 3;

/// What a source says: accepted, but with names instead of addresses.
#[derive(Debug, Default)]
pub struct SourceUpdate {
    /// What is in force.
    pub configuration: Arc<xds::Configuration>,
    /// Services that were asked for and are not there, or not usable; `None` when `configuration` is everything
    /// there is.
    pub absent: Option<BTreeSet<String>>,
    /// When the configuration came into force.
    pub accepted_at: Tick,
    /// What was refused since then, and why.
    pub refused: Vec<String>,
}

/// The configuration in force and everything needed to replace it.
#[derive(Debug)]
pub struct Configuration {
    clock: Clock,
    /// The name of this sidecar's inbound listener.
    inbound_listener: String,
    metrics: Arc<Metrics>,
    source: watch::Receiver<Arc<SourceUpdate>>,
    update: Arc<SourceUpdate>,
    names: Names,
    files: Files,
    /// The state of the machine's files at the last check.
    stamps: Stamps,
    questions: JoinSet<(String, Answer)>,
    snapshot: Arc<Snapshot>,
    status: watch::Sender<Arc<ConfigurationStatus>>,
    known: watch::Sender<Arc<KnownLabels>>,
}

impl Configuration {
    /// Takes the present configuration of `source`; nothing is looked up or published yet.
    pub fn new(
        clock: Clock,
        inbound_listener: String,
        metrics: Arc<Metrics>,
        source: watch::Receiver<Arc<SourceUpdate>>,
    ) -> Configuration {
        let mut configuration = Configuration {
            clock,
            inbound_listener,
            metrics,
            source,
            update: Arc::default(),
            names: Names::default(),
            files: Files::default(),
            stamps: Files::default().stamps(),
            questions: JoinSet::new(),
            snapshot: Arc::default(),
            status: watch::channel(Arc::default()).0,
            known: watch::channel(Arc::default()).0,
        };
        configuration.take();
        configuration
    }

    /// What `/config` shows.
    pub fn status(&self) -> watch::Receiver<Arc<ConfigurationStatus>> {
        self.status.subscribe()
    }

    /// The label values that the configuration in force knows.
    pub fn known(&self) -> watch::Receiver<Arc<KnownLabels>> {
        self.known.subscribe()
    }

    /// Looks up all names once and waits up to `wait` for the answers, so that the first call
    /// finds endpoints. Without an answer the sidecar serves anyway and goes on trying.
    pub async fn resolve_first(&mut self, wait: Duration) {
        self.ask_due();
        let all = async {
            while self.names.any_unanswered() {
                let Some(answered) = self.questions.join_next().await else {
                    return;
                };
                self.record(answered);
            }
        };
        if tokio::time::timeout(wait, all).await.is_err() {
            tracing::warn!("not all endpoint names could be resolved yet");
        }
    }

    /// Follows the source and the names for as long as the process lives.
    pub async fn run(mut self, workers: Workers) {
        loop {
            self.look_at_files();
            self.ask_due();
            let until_due = self.until_due();
            tokio::select! {
                // A source that has ended publishes nothing more, and its end ends the process.
                Ok(()) = self.source.changed() => {
                    if self.take() {
                        self.publish(&workers).await;
                    }
                }
                Some(answered) = self.questions.join_next() => {
                    if self.record(answered) {
                        self.publish(&workers).await;
                    }
                }
                () = tokio::time::sleep(until_due) => {}
            }
        }
    }

    /// Builds the next snapshot from what is accepted and resolved.
    pub fn renew(&mut self) -> Arc<Snapshot> {
        let names = &self.names;
        let configuration = &self.update.configuration;
        let mut snapshot =
            configuration.snapshot(&self.inbound_listener, |host| names.addresses(host));
        for cluster in snapshot.clusters.values_mut() {
            let unresolved = unresolved(names, configuration.host_names_of(&cluster.name));
            if cluster.endpoints.is_empty() && unresolved.is_some() {
                Arc::make_mut(cluster).unresolved = unresolved;
            }
        }
        snapshot.discovery = discovery(self.update.absent.as_ref());
        snapshot.inherit(&self.snapshot, self.clock.now());
        self.snapshot = Arc::new(snapshot);
        self.known
            .send_replace(Arc::new(KnownLabels::of(&self.snapshot)));
        tracing::info!(version = %self.snapshot.version, "configuration in force");
        Arc::clone(&self.snapshot)
    }

    async fn publish(&mut self, workers: &Workers) {
        let snapshot = self.renew();
        workers
            .tell(|| Command::Configure(Arc::clone(&snapshot)))
            .await;
    }

    /// Takes the source's configuration; returns whether there is something new to publish.
    fn take(&mut self) -> bool {
        let update = Arc::clone(&self.source.borrow_and_update());
        let configuration = &update.configuration;
        let (version, accepted) = (configuration.version(), configuration.resources());
        let is_news =
            version != self.status.borrow().version || update.absent != self.update.absent;
        self.names.follow(configuration.host_names());
        self.update = Arc::clone(&update);
        self.update_status(|status| {
            *status = ConfigurationStatus {
                version,
                accepted_at: update.accepted_at,
                accepted,
                refused: update.refused.clone(),
                names: std::mem::take(&mut status.names),
            };
        });
        is_news
    }

    fn ask_due(&mut self) {
        for host in self.names.take_due(self.clock.now()) {
            let (clock, files) = (self.clock, self.files.clone());
            self.questions.spawn(async move {
                let answer = resolve::lookup(clock, files, host.clone()).await;
                (host, answer)
            });
        }
    }

    fn until_due(&self) -> Duration {
        if self.names.is_empty() {
            return NOTHING_DUE;
        }
        let due = self.names.next_due();
        let due = due.map_or(FILES_LOOK, |due| due.since(self.clock.now()));
        due.min(FILES_LOOK)
    }

    /// A changed /etc/hosts may change the addresses of every name.
    fn look_at_files(&mut self) {
        if self.names.is_empty() {
            return;
        }
        let stamps = self.files.stamps();
        if stamps != self.stamps {
            self.stamps = stamps;
            self.names.ask_again(self.clock.now());
        }
    }

    /// Takes an answer; returns whether there is something new to publish.
    fn record(&mut self, answered: Result<(String, Answer), tokio::task::JoinError>) -> bool {
        // A lookup contains its own panics and is never cancelled.
        let Ok((host, answer)) = answered else {
            return false;
        };
        self.metrics.name_looked_up(answer.word());
        let before = self.names.find(&host).cloned().unwrap_or_default();
        let changed = self.names.record(self.clock.now(), &host, answer);
        let after = self.names.find(&host);
        let has_other_cause = after.is_some_and(|after| {
            log_news(&host, &before, after);
            after.addresses.is_empty() && after.problem != before.problem
        });
        let names = self.names.iter().map(name_status).collect();
        self.update_status(|status| status.names = names);
        changed || has_other_cause
    }

    fn update_status(&self, change: impl FnOnce(&mut ConfigurationStatus)) {
        self.status
            .send_modify(|status| change(Arc::make_mut(status)));
    }
}

fn discovery(absent: Option<&BTreeSet<String>>) -> Discovery {
    absent.map_or(Discovery::Complete, |absent| Discovery::OnDemand {
        absent: absent.clone(),
    })
}

/// Why names do not resolve, for the callers of a cluster without endpoints.
fn unresolved<'a>(names: &Names, hosts: impl Iterator<Item = &'a str>) -> Option<String> {
    let sentences = hosts.take(UNRESOLVED_MAX).map(|host| {
        let known = names.find(host);
        let problem = known.and_then(|name| name.problem.as_deref());
        match problem {
            Some(problem) => format!("{host} does not resolve: {problem}"),
            None if names.addresses(host).is_empty() => {
                format!("{host} is not resolved yet: no name server has answered")
            }
            None => format!("{host} has no address of the family that its Service asks for"),
        }
    });
    let sentences: Vec<String> = sentences.collect();
    (!sentences.is_empty()).then(|| sentences.join("; "))
}

fn name_status((host, name): (&str, &Name)) -> NameStatus {
    NameStatus {
        host: host.to_owned(),
        addresses: name.addresses.iter().map(ToString::to_string).collect(),
        problem: name.problem.clone(),
    }
}
