//! The opened configuration source: a folder of documents or a control plane.
//!
//! Gives the rest of the process the configuration, the identity and the handle to the mesh.

use std::sync::Arc;
use std::time::Duration;

use outrider_engine::TlsMaterial;
use outrider_host::Rereads;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::control::configuration::SourceUpdate;
use crate::control::documents_source::DocumentsSource;
use crate::control::identity::Expected;
use crate::control::identity_watch::IdentityWatch;
use crate::control::status::IdentityStatus;
use crate::error::StartupError;
use crate::member::{
    self, Announcer, ApplicationHealth, Member, MemberStatus, Observer, WithdrawalHandle,
};
use crate::options::Options;
use crate::process::Addresses;
use crate::source::Source;
use crate::telemetry::Metrics;
use crate::worker::Workers;

/// Longest wait for the first answers of DNS before a sidecar serves without them. A member's calls
/// wait for endpoints themselves, and it is promised to serve at once.
const NAMES_WAIT_DOCUMENTS: Duration = Duration::from_secs(2);
const NAMES_WAIT_MEMBER: Duration = Duration::from_millis(100);

/// Where configuration and identity come from.
#[derive(Debug)]
pub enum ConfigSource {
    /// A folder of documents, and the files of an identity.
    Documents(Box<DocumentsSource>, Option<Box<IdentityWatch>>),
    /// A control plane.
    Member(Box<Member>),
}

/// This run of the process.
#[derive(Debug)]
pub struct Run<'a> {
    /// Unique identifier of this run.
    pub instance: String,
    /// Where it listens.
    pub addresses: &'a Addresses,
    /// When to look at files again.
    pub rereads: Rereads,
}

/// What the supervisor needs of a member.
#[derive(Debug)]
pub struct MeshHandle {
    /// Takes the names of services that calls wait for.
    pub wants: mpsc::UnboundedSender<String>,
    /// Withdraws the application.
    pub withdrawal: WithdrawalHandle,
}

impl ConfigSource {
    /// Opens what `options` name.
    ///
    /// # Errors
    /// When it cannot be read, or is not right.
    pub fn open(
        clock: Clock,
        options: &Options,
        instance: &str,
        metrics: &Arc<Metrics>,
    ) -> Result<ConfigSource, StartupError> {
        match &options.source {
            Source::Documents(folder) => {
                let documents = DocumentsSource::load(clock, folder, Arc::clone(metrics))?;
                let files = options.identity.clone();
                let expected = Expected::new(options, documents.trust_domain());
                let identity = files.map(|files| IdentityWatch::load(files, expected));
                let identity = identity.transpose()?.map(Box::new);
                Ok(ConfigSource::Documents(Box::new(documents), identity))
            }
            Source::ControlPlane(membership) => {
                let member = Member::open(clock, options, membership, instance, metrics)?;
                Ok(ConfigSource::Member(Box::new(member)))
            }
        }
    }

    /// The accepted configuration, and each later update of it.
    pub fn updates(&self) -> watch::Receiver<Arc<SourceUpdate>> {
        match self {
            ConfigSource::Documents(documents, _) => documents.updates(),
            ConfigSource::Member(member) => member.updates(),
        }
    }

    /// The identity as the workers take it, if there is one already.
    pub fn material(&self) -> Option<Arc<TlsMaterial>> {
        match self {
            ConfigSource::Documents(_, identity) => identity.as_ref().map(|it| it.material()),
            ConfigSource::Member(member) => member.material(),
        }
    }

    /// What the admin pages say of the identity.
    pub fn identity(&self) -> watch::Receiver<Option<IdentityStatus>> {
        match self {
            ConfigSource::Documents(_, Some(identity)) => identity.status(),
            ConfigSource::Documents(_, None) => watch::channel(None).1,
            ConfigSource::Member(member) => member.identity(),
        }
    }

    /// What the admin pages say of the control plane, if there is one.
    pub fn member(&self) -> Option<watch::Receiver<MemberStatus>> {
        match self {
            ConfigSource::Documents(..) => None,
            ConfigSource::Member(member) => Some(member.status().subscribe()),
        }
    }

    /// How long a start may wait for DNS.
    pub fn names_wait(&self) -> Duration {
        match self {
            ConfigSource::Documents(..) => NAMES_WAIT_DOCUMENTS,
            ConfigSource::Member(_) => NAMES_WAIT_MEMBER,
        }
    }

    /// Follows the source for as long as the process lives.
    pub fn follow(
        self,
        options: &Options,
        run: Run<'_>,
        workers: &Workers,
        metrics: &Arc<Metrics>,
        tasks: &mut JoinSet<()>,
    ) -> Option<MeshHandle> {
        let Run {
            instance,
            addresses,
            rereads,
        } = run;
        match self {
            ConfigSource::Documents(documents, identity) => {
                tasks.spawn(documents.run(rereads.clone()));
                if let Some(identity) = identity {
                    tasks.spawn(identity.run(rereads, workers.clone(), Arc::clone(metrics)));
                }
                None
            }
            ConfigSource::Member(member) => {
                let (withdrawal_handle, withdrawal) = member::withdrawal();
                let wants = member.wants();
                let ends = options.app.zip(addresses.inbound);
                let announcer = ends.map(|(application, inbound)| {
                    let (health_sender, health) = watch::channel(ApplicationHealth::Unknown);
                    tasks.spawn(member::watch_application(application, health_sender));
                    Announcer {
                        instance,
                        application,
                        health,
                        inbound,
                        advertise: member.advertise(),
                        withdrawal,
                        workers: workers.clone(),
                        observer: Observer::default(),
                        status: member.status().clone(),
                    }
                });
                tasks.spawn(member.save());
                tasks.spawn(member.run(workers.clone(), announcer));
                Some(MeshHandle {
                    wants,
                    withdrawal: withdrawal_handle,
                })
            }
        }
    }
}
