//! The connected sidecars and their progress.
//!
//! Each ADS stream adds its entry, removes it when it ends, and answers questions about its resources,
//! so that no copy of them is kept here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use outrider_proto::envoy::core::Node;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::ads::Standing;
use crate::clock;
use crate::members::caller::Workload;
use crate::text::clean;

/// Longest wait for a stream's answer. 1 s: a task that is busy for longer is a defect.
const ACCOUNT_WAIT: Duration = Duration::from_secs(1);

/// Longest kept text from a client's node. Bytes; 256.
const NODE_BYTES_MAX: usize = 256;

/// The two ways to speak ADS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// Changes only.
    Delta,
    /// All of a kind.
    StateOfTheWorld,
}

impl Protocol {
    /// How it is called in metrics and on the admin page.
    pub fn word(self) -> &'static str {
        match self {
            Protocol::Delta => "delta",
            Protocol::StateOfTheWorld => "sotw",
        }
    }
}

/// A sidecar as its first request describes it; only `workload`, from the certificate, is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SidecarInfo {
    /// Whose certificate it has shown.
    pub workload: Workload,
    /// How it speaks.
    pub protocol: Protocol,
    /// Its `node.id`, cut at 256 octets and cleaned.
    pub node_id: String,
    /// Its `node.user_agent_name`, cut at 256 octets and cleaned.
    pub user_agent: String,
    /// Its node names another service than its certificate.
    pub node_is_misnamed: bool,
    /// Since when. Milliseconds since 1970-01-01 UTC.
    pub connected_unix_ms: i64,
}

impl SidecarInfo {
    /// What the first request of a stream says.
    pub fn new(workload: &Workload, protocol: Protocol, node: Option<&Node>) -> SidecarInfo {
        let text = |field: fn(&Node) -> &String| {
            node.map_or(String::new(), |node| clean(field(node), NODE_BYTES_MAX))
        };
        SidecarInfo {
            workload: workload.clone(),
            protocol,
            node_id: text(|node| &node.id),
            user_agent: text(|node| &node.user_agent_name),
            node_is_misnamed: node.is_some_and(|node| is_misnamed(workload, node)),
            connected_unix_ms: clock::unix_ms(),
        }
    }
}

/// Our sidecars' `node.id` is `namespace/service/instance`; the ids of other clients name no service, and
/// their `node.cluster` does.
fn is_misnamed(workload: &Workload, node: &Node) -> bool {
    let mut parts = node.id.split('/');
    let named = match (parts.next(), parts.next(), parts.next()) {
        (Some(namespace), Some(service), Some(_)) => {
            (namespace, service) != (workload.namespace.as_str(), workload.service.as_str())
        }
        _ => false,
    };
    named || (!node.cluster.is_empty() && node.cluster != workload.service)
}

/// How far a sidecar is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The version of everything that it was last compared with.
    pub version: String,
    /// The state of the registry in that.
    pub registry_revision: u64,
    /// It was sent all that differs, and uses all it was sent.
    pub is_applied: bool,
}

/// A version in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Empty: none yet.
    pub version: String,
    /// Since when. Milliseconds since 1970-01-01 UTC.
    pub unix_ms: i64,
}

/// A connected sidecar, for the admin page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sidecar {
    /// Who it is.
    pub hello: SidecarInfo,
    /// How far it is.
    pub progress: Progress,
    /// The last version of which it uses everything it subscribes to.
    pub applied: Applied,
    /// What was sent to it, and which of that it refused.
    pub standings: Vec<Standing>,
}

/// All sidecars that are connected. Clones share the list.
#[derive(Clone, Debug)]
pub struct Sidecars {
    entries: watch::Sender<BTreeMap<u64, Arc<Entry>>>,
}

#[derive(Debug)]
struct Entry {
    hello: SidecarInfo,
    questions: mpsc::Sender<oneshot::Sender<Account>>,
    /// The state of the registry that has been handed to the connection.
    handed: watch::Receiver<u64>,
}

#[derive(Debug)]
struct Account {
    progress: Progress,
    applied: Applied,
    standings: Vec<Standing>,
}

impl Default for Sidecars {
    fn default() -> Sidecars {
        Sidecars {
            entries: watch::Sender::new(BTreeMap::new()),
        }
    }
}

impl Sidecars {
    /// A stream begins; it is listed until what is returned is dropped.
    pub fn enter(&self, stream: u64, hello: SidecarInfo) -> Connected {
        let (questions, asked) = mpsc::channel(1);
        let (handed, handing) = watch::channel(0);
        let entry = Entry {
            hello,
            questions,
            handed: handing,
        };
        self.entries.send_modify(|entries| {
            entries.insert(stream, Arc::new(entry));
        });
        Connected {
            sidecars: self.clone(),
            stream,
            asked,
            question: None,
            handed,
            progress: Progress::default(),
            applied: Applied::default(),
        }
    }

    /// How many speak each protocol.
    pub fn count(&self, protocol: Protocol) -> usize {
        let entries = self.entries.borrow();
        let speaking = entries.values().map(|entry| entry.hello.protocol);
        speaking.filter(|spoken| *spoken == protocol).count()
    }

    /// How many are connected, and how many of them with a certificate of the root of that name.
    pub fn count_by_issuer(&self, root: &str) -> (usize, usize) {
        let entries = self.entries.borrow();
        let issuers = entries.values().map(|entry| &entry.hello.workload.issuer);
        (
            entries.len(),
            issuers.filter(|issuer| *issuer == root).count(),
        )
    }

    /// Returns when every connected sidecar has been sent that revision of the registry, or after
    /// `patience`.
    pub async fn wait_for_registry(&self, revision: u64, patience: Duration) {
        let waiting = self.entries().into_iter().map(|entry| async move {
            // Fails when the stream has ended.
            let _ = entry
                .handed
                .clone()
                .wait_for(|handed| *handed >= revision)
                .await;
        });
        // After the timeout the remaining sidecars are not waited for.
        let _ = timeout(patience, join_all(waiting)).await;
    }

    /// All connected sidecars, in the order of connection. One that does not answer within a second is
    /// left out.
    pub async fn list(&self) -> Vec<Sidecar> {
        let waiting = self.entries().into_iter().map(|entry| async move {
            let account = timeout(ACCOUNT_WAIT, entry.ask()).await.ok().flatten()?;
            Some(Sidecar {
                hello: entry.hello.clone(),
                progress: account.progress,
                applied: account.applied,
                standings: account.standings,
            })
        });
        join_all(waiting).await.into_iter().flatten().collect()
    }

    fn entries(&self) -> Vec<Arc<Entry>> {
        self.entries.borrow().values().cloned().collect()
    }
}

impl Entry {
    async fn ask(&self) -> Option<Account> {
        let (answer, answered) = oneshot::channel();
        self.questions.send(answer).await.ok()?;
        answered.await.ok()
    }
}

/// A stream's own entry in the list. Dropped, it leaves.
#[derive(Debug)]
pub struct Connected {
    sidecars: Sidecars,
    stream: u64,
    asked: mpsc::Receiver<oneshot::Sender<Account>>,
    question: Option<oneshot::Sender<Account>>,
    handed: watch::Sender<u64>,
    progress: Progress,
    applied: Applied,
}

impl Connected {
    /// Completes when a report is requested: then call [`Connected::answer`].
    pub async fn asked(&mut self) {
        match self.asked.recv().await {
            Some(question) => self.question = Some(question),
            // The list keeps the other end as long as this is in it.
            None => std::future::pending().await,
        }
    }

    /// Answers the request for a report.
    pub fn answer(&mut self, standings: impl FnOnce() -> Vec<Standing>) {
        if let Some(question) = self.question.take() {
            // Fails when the asker has gone.
            let _ = question.send(Account {
                progress: self.progress.clone(),
                applied: self.applied.clone(),
                standings: standings(),
            });
        }
    }

    /// How far the client is now.
    pub fn progress(&mut self, progress: Progress) {
        if progress.is_applied && self.applied.version != progress.version {
            self.applied = Applied {
                version: progress.version.clone(),
                unix_ms: clock::unix_ms(),
            };
        }
        self.progress = progress;
    }

    /// Everything that was to be sent so far has been given to the connection.
    pub fn handed_over(&self) {
        self.handed.send_replace(self.progress.registry_revision);
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.sidecars.entries.send_modify(|entries| {
            entries.remove(&self.stream);
        });
    }
}
