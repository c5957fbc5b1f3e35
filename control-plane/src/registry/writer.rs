//! Stores changes, in order, and then answers the announcements: an answered change survives a restart.
//!
//! Runs beside the registrar, so that the next changes are published while the disk works; what
//! gathers meanwhile becomes one write. While the disk takes no writes, leases stay in memory and are
//! answered all the same; they are written as soon as it does. Any other failure of the store ends the
//! writer, and the registry with it.

use tokio::sync::{mpsc, oneshot};

use super::change::Change;
use super::lease::LeaseRefusal;
use super::registrar::LeaseOutcome;
use super::tables::{self, Unwritten};
use crate::storage::store::{Store, StoreError};

/// Most batches in one write. 1,024.
const BATCHES_MAX: usize = 1_024;

/// Published changes that must be stored before they are answered.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// In order; may be empty.
    pub changes: Vec<Change>,
    /// The waiting callers, and why their event was refused.
    pub answers: Vec<(oneshot::Sender<LeaseOutcome>, Option<LeaseRefusal>)>,
    /// The publication that contains the changes.
    pub revision: u64,
}

/// Writes batches until their sender is dropped or the store fails for good; callers that wait then get
/// `RegistryStopped`. Unbounded: a member waits for its answer before it announces again.
pub(super) async fn write(store: Store, mut batches: mpsc::UnboundedReceiver<Batch>) {
    let (mut gathered, mut unwritten) = (Vec::new(), Unwritten::default());
    let mut health = store.health();
    loop {
        tokio::select! {
            count = batches.recv_many(&mut gathered, BATCHES_MAX) => if count == 0 {
                return;
            },
            // Fails never: we have the store.
            _ = health.changed() => {}
        }
        let batches = gathered.iter_mut();
        unwritten.add(batches.flat_map(|batch| batch.changes.drain(..)));
        unwritten = match keep(&store, unwritten).await {
            Ok(unwritten) => unwritten,
            Err(StoreFailed) => return,
        };
        for batch in gathered.drain(..) {
            for (answer, refused) in batch.answers {
                let taken = refused.map_or(
                    LeaseOutcome::Recorded(batch.revision),
                    LeaseOutcome::Refused,
                );
                // Fails when the stream has ended meanwhile.
                let _ = answer.send(taken);
            }
        }
    }
}

/// The store failed for a reason other than the disk.
struct StoreFailed;

/// Writes it down; what the disk does not take yet is still unwritten.
async fn keep(store: &Store, unwritten: Unwritten) -> Result<Unwritten, StoreFailed> {
    if unwritten.is_empty() {
        return Ok(unwritten);
    }
    let store = store.clone();
    let write = move || match tables::write(&store, &unwritten) {
        Err(StoreError::Unwritable(_)) => Ok(unwritten),
        written => written.map(|()| Unwritten::default()),
    };
    let written = tokio::task::spawn_blocking(write).await;
    let written = written.map_err(|error| error.to_string());
    let written = written.and_then(|written| written.map_err(|error| error.to_string()));
    written.map_err(|error| {
        tracing::error!(error, "registrations are not written");
        StoreFailed
    })
}
