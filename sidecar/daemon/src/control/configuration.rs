//! The configuration in force: follows the folder and the names, keeps the last good of each.
//!
//! Folder -> documents -> resources -> acceptance -> names -> snapshot -> workers. Each step has
//! its last good state: a folder that does not check changes nothing, a name that is not answered
//! keeps its addresses. Decides nothing about calls.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use outrider_engine::config::Snapshot;
use outrider_folder::{Files, Watch};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::change;
use super::dns;
use super::documents::{self, Loaded};
use super::names::{Answer, Names};
use super::status::{ConfigurationStatus, NameStatus};
use crate::clock::Clock;
use crate::error::StartupError;
use crate::telemetry::{Known, Metrics};
use crate::worker::{Command, Workers};

/// Longest wait for the first answers of DNS before the sidecar serves without them.
const FIRST_NAMES_WAIT: Duration = Duration::from_secs(2);

/// Sleep when no name is due; any news ends it earlier.
const NOTHING_DUE: Duration = Duration::from_secs(3_600);

/// The configuration in force and everything needed to replace it.
#[derive(Debug)]
pub struct Configuration {
    clock: Clock,
    folder: PathBuf,
    metrics: Arc<Metrics>,
    watch: Watch,
    /// What was found in the folder last, good or bad; tells news from a rescan.
    seen: Result<Files, String>,
    in_force: Loaded,
    names: Names,
    questions: JoinSet<(String, Answer)>,
    snapshot: Arc<Snapshot>,
    status: watch::Sender<Arc<ConfigurationStatus>>,
    known: watch::Sender<Arc<Known>>,
}

impl Configuration {
    /// Reads the folder for the first time.
    ///
    /// # Errors
    /// When the folder cannot be read or its documents are not all right.
    pub fn load(
        clock: Clock,
        folder: &Path,
        metrics: Arc<Metrics>,
    ) -> Result<Configuration, StartupError> {
        let (files, loaded) = documents::load_first(folder)?;
        let problems = loaded.unserved();
        if !problems.is_empty() {
            return Err(StartupError::Documents {
                folder: folder.to_owned(),
                problems,
            });
        }
        // A change between the reading and the watch is found by the first rescan.
        let watch = Watch::folder(folder);
        let mut configuration = Configuration {
            clock,
            folder: folder.to_owned(),
            metrics,
            watch,
            seen: Ok(files),
            in_force: Loaded::default(),
            names: Names::default(),
            questions: JoinSet::new(),
            snapshot: Arc::default(),
            status: watch::channel(Arc::default()).0,
            known: watch::channel(Arc::default()).0,
        };
        configuration.take(loaded);
        Ok(configuration)
    }

    /// The trust domain of the mesh.
    pub fn trust_domain(&self) -> &str {
        &self.in_force.trust_domain
    }

    /// What `/config` shows.
    pub fn status(&self) -> watch::Receiver<Arc<ConfigurationStatus>> {
        self.status.subscribe()
    }

    /// The label values that the configuration in force knows.
    pub fn known(&self) -> watch::Receiver<Arc<Known>> {
        self.known.subscribe()
    }

    /// Asks for all names once and waits a while for the answers, so that the first call finds
    /// endpoints. Without an answer the sidecar serves anyway and goes on asking.
    pub async fn resolve_first(&mut self) {
        self.ask_due();
        let all = async {
            while self.names.any_unanswered() {
                let Some(answered) = self.questions.join_next().await else {
                    return;
                };
                self.record(answered);
            }
        };
        if tokio::time::timeout(FIRST_NAMES_WAIT, all).await.is_err() {
            tracing::warn!("not all endpoint names could be resolved yet");
        }
    }

    /// Follows the folder and the names for as long as the process lives.
    pub async fn run(mut self, workers: Workers) {
        loop {
            self.ask_due();
            let until_due = self.until_due();
            tokio::select! {
                () = self.watch.changed() => {
                    if self.reload() {
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
        let mut snapshot = self
            .in_force
            .configuration
            .snapshot(|host| names.addresses(host));
        snapshot.inherit(&self.snapshot);
        self.snapshot = Arc::new(snapshot);
        self.known.send_replace(Arc::new(Known::of(&self.snapshot)));
        tracing::info!(version = %self.snapshot.version, "configuration in force");
        Arc::clone(&self.snapshot)
    }

    async fn publish(&mut self, workers: &Workers) {
        let snapshot = self.renew();
        workers
            .tell(|| Command::Configure(Arc::clone(&snapshot)))
            .await;
    }

    /// Looks into the folder; returns whether there is something new to publish.
    fn reload(&mut self) -> bool {
        let found = outrider_folder::read(&self.folder).map_err(|error| error.to_string());
        if found == self.seen {
            return false;
        }
        let loaded = match &found {
            Ok(files) => self.load_change(files),
            Err(problem) => Err(vec![problem.clone()]),
        };
        self.seen = found;
        let taken = loaded.is_ok();
        match loaded {
            Ok(loaded) => self.take(loaded),
            Err(problems) => self.refuse(problems),
        }
        self.metrics.configuration_changed(taken);
        taken
    }

    fn load_change(&self, files: &Files) -> Result<Loaded, Vec<String>> {
        let loaded = documents::load(files, &self.in_force.configuration)?;
        let mut problems = change::problems(&self.in_force, &loaded);
        problems.extend(loaded.unserved());
        if problems.is_empty() {
            Ok(loaded)
        } else {
            Err(problems)
        }
    }

    fn refuse(&mut self, problems: Vec<String>) {
        for problem in &problems {
            tracing::error!(folder = %self.folder.display(), problem, "a change of the documents was refused");
        }
        self.update_status(|status| status.refused = problems);
    }

    fn take(&mut self, loaded: Loaded) {
        self.in_force = loaded;
        let configuration = &self.in_force.configuration;
        self.names.follow(configuration.host_names());
        let (version, accepted) = (configuration.version(), configuration.resources());
        let accepted_at = self.clock.now();
        self.update_status(|status| {
            *status = ConfigurationStatus {
                version,
                accepted_at,
                accepted,
                refused: Vec::new(),
                names: std::mem::take(&mut status.names),
            };
        });
    }

    fn ask_due(&mut self) {
        for host in self.names.take_due(self.clock.now()) {
            let clock = self.clock;
            self.questions.spawn(async move {
                let answer = dns::lookup(clock, host.clone()).await;
                (host, answer)
            });
        }
    }

    fn until_due(&self) -> Duration {
        let due = self.names.next_due();
        due.map_or(NOTHING_DUE, |due| due.since(self.clock.now()))
    }

    /// Takes an answer; returns whether addresses changed.
    fn record(&mut self, answered: Result<(String, Answer), tokio::task::JoinError>) -> bool {
        // A lookup contains its own panics and nobody cancels it.
        let Ok((host, answer)) = answered else {
            return false;
        };
        self.metrics.name_looked_up(answer.word());
        let changed = self.names.record(self.clock.now(), &host, answer);
        let names = self.names.iter().map(name_status).collect();
        self.update_status(|status| status.names = names);
        changed
    }

    fn update_status(&self, change: impl FnOnce(&mut ConfigurationStatus)) {
        self.status
            .send_modify(|status| change(Arc::make_mut(status)));
    }
}

fn name_status((host, name): (&str, &super::names::Name)) -> NameStatus {
    NameStatus {
        host: host.to_owned(),
        addresses: name.addresses.iter().map(ToString::to_string).collect(),
        problem: name.problem.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: &str = "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: { name: orders }\n\
                          spec:\n  tls: none\n  endpoints: { static: [ { address: \"127.0.0.1:1\" } ] }\n";

    #[tokio::test]
    async fn a_file_between_truncated_and_written_changes_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("orders.yaml");
        std::fs::write(&file, ORDERS).expect("a file is written");
        let metrics = Arc::new(Metrics::new());
        let configuration = Configuration::load(Clock::start(), folder.path(), metrics);
        let mut configuration = configuration.expect("the document is right");
        let status = configuration.status();
        let (first, second) = (ORDERS, ORDERS.replace(":1", ":2"));
        let half = &second[..second.len() / 2];
        for (text, taken) in [("", false), (half, false), (&second, true), (first, true)] {
            let before = status.borrow().version.clone();
            std::fs::write(&file, text).expect("a file is written");
            assert_eq!(configuration.reload(), taken, "{text:?}");
            let status = status.borrow();
            assert_eq!(status.version != before, taken, "{text:?}");
            assert_eq!(status.refused.is_empty(), taken, "{text:?}");
        }
    }
}
