//! The one task that owns the leases: takes announcements, sweeps, publishes, has changes stored.
//!
//! A change is published first, stored second and answered third ([`super::writer`]), so a slow disk
//! delays answers but no publication.
//! Decides nothing: [`Leases`] does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outrider_documents::Registered;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

use super::address_check::Verification;
use super::change::{Announced, Change, LeaveReason, ServiceName};
use super::lease::{LeaseRefusal, Leases};
use super::listing::{LeaseCounts, ListedLease};
use super::sweep;
use super::tables;
use super::unready::Unready;
use super::writer::{self, Batch};
use crate::clock;
use crate::storage::journal::{EventKind, Journal};
use crate::storage::store::{Store, StoreError};

/// Announcements that may be queued; a sender waits when the queue is full. 1,024.
const WAITING: usize = 1_024;

/// The registered instances, and which state of the registry that is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Publication {
    /// Grows with every change. 0 at the start of the process.
    pub revision: u64,
    /// The endpoints.
    pub registered: Registered,
}

/// A handle to the registry. Clones share it.
#[derive(Clone, Debug)]
pub struct Registry {
    commands: mpsc::Sender<Command>,
    published: watch::Receiver<Arc<Publication>>,
}

/// What happened to an instance's lease.
#[derive(Debug)]
pub enum LeaseEvent {
    /// Its application takes calls.
    Serving(Announced, Verification),
    /// Its application takes no calls; the reason may be empty.
    Unready(Announced, String),
    /// The lease ends.
    Ended(Announced, LeaveReason),
    /// Its stream broke at that moment, and its address refuses connections.
    Died(Announced, Instant),
}

/// The state of the leases, for the admin page.
#[derive(Debug)]
pub struct RegistryReport {
    /// All leases, by service and address.
    pub leases: Vec<ListedLease>,
    /// Instances that take no calls.
    pub unready: Vec<(ServiceName, SocketAddr, Unready)>,
    /// The present, on the clock of the lease states.
    pub now: Duration,
    /// For how much longer no silent instance is removed.
    pub grace: Duration,
}

/// The registry has stopped: the process is about to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the registry has stopped")]
pub struct RegistryStopped;

/// The outcome of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseOutcome {
    /// Stored and published, in this revision at the latest.
    Recorded(u64),
    /// Not taken.
    Refused(LeaseRefusal),
}

#[derive(Debug)]
enum Command {
    Event {
        event: LeaseEvent,
        answer: oneshot::Sender<LeaseOutcome>,
    },
    Report(oneshot::Sender<RegistryReport>),
    Counts(oneshot::Sender<LeaseCounts>),
}

/// The task; run it, or nothing happens.
#[derive(Debug)]
pub struct Registrar {
    leases: Leases,
    commands: mpsc::Receiver<Command>,
    publisher: watch::Sender<Arc<Publication>>,
    store: Store,
    journal: Journal,
    started: Instant,
}

impl Registry {
    /// Reads what was registered. The registry works while the [`Registrar`] runs.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(store: &Store, journal: &Journal) -> Result<(Registry, Registrar), StoreError> {
        let stored = tables::load(store)?;
        let leases = Leases::restored(Duration::ZERO, stored.services, stored.registrations);
        let publication = Publication {
            revision: 0,
            registered: leases.registered(),
        };
        let (publisher, published) = watch::channel(Arc::new(publication));
        let (sender, commands) = mpsc::channel(WAITING);
        let registrar = Registrar {
            leases,
            commands,
            publisher,
            store: store.clone(),
            journal: journal.clone(),
            started: clock::now(),
        };
        let registry = Registry {
            commands: sender,
            published,
        };
        Ok((registry, registrar))
    }

    /// The registered instances, now and whenever they change.
    pub fn published(&self) -> watch::Receiver<Arc<Publication>> {
        self.published.clone()
    }

    /// Applies an event; returns when its changes are stored.
    ///
    /// # Errors
    /// The process is about to end.
    pub async fn apply(&self, event: LeaseEvent) -> Result<LeaseOutcome, RegistryStopped> {
        let (answer, answered) = oneshot::channel();
        let sent = self.commands.send(Command::Event { event, answer }).await;
        sent.map_err(|_| RegistryStopped)?;
        answered.await.map_err(|_| RegistryStopped)
    }

    /// The leases in numbers. Cheap.
    ///
    /// # Errors
    /// The process is about to end.
    pub async fn counts(&self) -> Result<LeaseCounts, RegistryStopped> {
        let (answer, answered) = oneshot::channel();
        let sent = self.commands.send(Command::Counts(answer)).await;
        sent.map_err(|_| RegistryStopped)?;
        answered.await.map_err(|_| RegistryStopped)
    }

    /// All leases with their states.
    ///
    /// # Errors
    /// The process is about to end.
    pub async fn report(&self) -> Result<RegistryReport, RegistryStopped> {
        let (answer, answered) = oneshot::channel();
        let sent = self.commands.send(Command::Report(answer)).await;
        sent.map_err(|_| RegistryStopped)?;
        answered.await.map_err(|_| RegistryStopped)
    }
}

impl Registrar {
    /// Runs until every [`Registry`] is dropped or the store fails for good. Callers that still wait then
    /// get [`RegistryStopped`].
    pub async fn run(mut self) {
        let (unwritten, batches) = mpsc::unbounded_channel();
        let writer = tokio::spawn(writer::write(self.store.clone(), batches));
        self.serve(&unwritten).await;
        drop(unwritten);
        // A panic there loses only changes that were not answered.
        let _ = writer.await;
    }

    async fn serve(&mut self, unwritten: &mpsc::UnboundedSender<Batch>) {
        let mut sweeps = tokio::time::interval(sweep::INTERVAL);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut commands = Vec::new();
        loop {
            let (changes, answers) = tokio::select! {
                count = self.commands.recv_many(&mut commands, WAITING) => {
                    if count == 0 {
                        return;
                    }
                    self.run_commands(commands.drain(..))
                }
                _ = sweeps.tick() => {
                    let now = self.now();
                    (self.leases.sweep(now), Vec::new())
                }
                () = unwritten.closed() => return,
            };
            self.publish();
            self.record(&changes);
            let revision = self.publisher.borrow().revision;
            // Fails when the writer has ended, which ends this.
            let _ = unwritten.send(Batch {
                changes,
                answers,
                revision,
            });
        }
    }

    fn now(&self) -> Duration {
        clock::now().duration_since(self.started)
    }

    /// Runs commands; returns the changes and the answers that wait until they are stored.
    fn run_commands(
        &mut self,
        commands: impl Iterator<Item = Command>,
    ) -> (Vec<Change>, Vec<Answer>) {
        let (now, unix_ms) = (self.now(), clock::unix_ms());
        let (mut changes, mut answers) = (Vec::new(), Vec::new());
        for command in commands {
            match command {
                Command::Event { event, answer } => match self.apply(now, unix_ms, event) {
                    Ok(changed) => {
                        changes.extend(changed);
                        answers.push((answer, None));
                    }
                    Err(refused) => answers.push((answer, Some(refused))),
                },
                Command::Counts(answer) => {
                    // Fails when the caller has gone.
                    let _ = answer.send(self.leases.counts(now));
                }
                Command::Report(answer) => {
                    // Fails when the caller has gone.
                    let _ = answer.send(RegistryReport {
                        leases: self.leases.list(),
                        unready: self.leases.list_unready(),
                        now,
                        grace: self.leases.grace(now),
                    });
                }
            }
        }
        (changes, answers)
    }

    fn apply(
        &mut self,
        now: Duration,
        unix_ms: i64,
        event: LeaseEvent,
    ) -> Result<Vec<Change>, LeaseRefusal> {
        match event {
            LeaseEvent::Serving(announced, verification) => {
                (self.leases).announce(now, unix_ms, announced, verification)
            }
            LeaseEvent::Unready(announced, because) => {
                let leases = &mut self.leases;
                leases.announce_unready(now, unix_ms, &announced, because)
            }
            LeaseEvent::Ended(announced, cause) => Ok(self.leases.end(now, &announced, cause)),
            LeaseEvent::Died(announced, broke) => {
                let broke = broke.saturating_duration_since(self.started);
                Ok(self.leases.died(now, &announced, broke))
            }
        }
    }

    fn publish(&mut self) {
        if let Some(registered) = self.leases.take_update() {
            self.publisher.send_modify(|publication| {
                let revision = publication.revision + 1;
                *publication = Arc::new(Publication {
                    revision,
                    registered,
                });
            });
        }
    }

    fn record(&self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Joined(registration) => {
                    let Announced { name, address, .. } = &registration.announced;
                    let detail = format!("An instance at {address} takes calls.");
                    self.journal
                        .record(EventKind::Registered, &name.to_string(), &detail);
                }
                Change::Left(Announced { name, address, .. }, cause) => {
                    let detail = format!("The instance at {address} {}.", cause.describe());
                    self.journal
                        .record(EventKind::Left, &name.to_string(), &detail);
                }
                Change::Known(..) | Change::Forgotten(..) => {}
            }
        }
    }
}

/// Where the answer goes, and why the event was refused.
type Answer = (oneshot::Sender<LeaseOutcome>, Option<LeaseRefusal>);

#[cfg(test)]
mod tests {
    use redb::TableDefinition;

    use super::*;
    use crate::members::MemberId;
    use crate::registry::change::ServiceName;

    fn announced() -> Announced {
        Announced {
            name: ServiceName {
                service: "orders".to_owned(),
                namespace: "default".to_owned(),
            },
            member: MemberId::UNKNOWN,
            instance: "run".to_owned(),
            address: "10.0.0.1:15006".parse().expect("an address"),
        }
    }

    fn serving() -> LeaseEvent {
        LeaseEvent::Serving(announced(), Verification::SourceAddress)
    }

    fn endpoints(publication: &Publication) -> usize {
        let services = publication.registered.iter();
        let services = services.flat_map(|(_, candidates)| candidates);
        services.map(|service| service.addresses.len()).sum()
    }

    #[tokio::test]
    async fn an_answer_is_a_promise_that_a_restart_keeps() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a store");
        let journal = Journal::open(&store).expect("a journal");
        let (registry, registrar) = Registry::open(&store, &journal).expect("a registry");
        let task = tokio::spawn(registrar.run());
        let taken = registry.apply(serving()).await;
        assert_eq!(taken, Ok(LeaseOutcome::Recorded(1)));
        let again = registry.apply(serving()).await;
        assert_eq!(again, Ok(LeaseOutcome::Recorded(1)));
        assert_eq!(endpoints(&registry.published().borrow()), 1);

        let (second, _unrun) = Registry::open(&store, &journal).expect("a restart");
        assert_eq!(endpoints(&second.published().borrow()), 1);

        let ended = LeaseEvent::Ended(announced(), LeaveReason::Withdrawn);
        assert_eq!(registry.apply(ended).await, Ok(LeaseOutcome::Recorded(2)));
        assert_eq!(endpoints(&registry.published().borrow()), 0);
        assert_eq!(registry.report().await.expect("it runs").leases, []);
        drop(registry);
        task.await.expect("it ends when nobody has it");
        let (third, _unrun) = Registry::open(&store, &journal).expect("a restart");
        assert_eq!(endpoints(&third.published().borrow()), 0);
    }

    #[tokio::test]
    async fn what_is_not_written_down_is_not_answered_and_ends_the_registry() {
        const SAME_NAME: TableDefinition<'_, u64, u64> = TableDefinition::new("registrations");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a store");
        let journal = Journal::open(&store).expect("a journal");
        let (registry, registrar) = Registry::open(&store, &journal).expect("a registry");
        let broken = store.write(|transaction| {
            let deleted = transaction.delete_table(SAME_NAME);
            deleted.map_err(redb::Error::from)?;
            let made = transaction.open_table(SAME_NAME).map_err(redb::Error::from);
            Ok::<_, StoreError>(made.map(drop)?)
        });
        broken.expect("a table that is not ours");
        let task = tokio::spawn(registrar.run());
        let taken = registry.apply(serving()).await;
        assert_eq!(taken, Err(RegistryStopped));
        task.await.expect("it ends");
    }
}
