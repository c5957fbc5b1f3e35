//! Writes changes down, in order, and answers who announced them: an answer is a promise that a
//! restart keeps.
//!
//! Beside the registrar, so that who comes next is published while the disk is at work; what gathers
//! meanwhile becomes one write. While the disk takes no writes, leases live in memory and are
//! answered all the same, for calls need them now; they are written as soon as it does. A store
//! that fails for any other reason ends the writer, and the registry with it.

use tokio::sync::{mpsc, oneshot};

use super::change::Change;
use super::lease::LeaseRefusal;
use super::registrar::LeaseOutcome;
use super::tables::{self, Unwritten};
use crate::storage::store::{Store, StoreError};

/// Most batches in one write. 1,024.
const BATCHES_MAX: usize = 1_024;

/// What is published, and has to be written before it is answered.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// In order; may be empty.
    pub changes: Vec<Change>,
    /// Who waits for it, and whether it was refused.
    pub answers: Vec<(oneshot::Sender<LeaseOutcome>, Option<LeaseRefusal>)>,
    /// The publication that has the changes.
    pub revision: u64,
}

/// Writes what comes, until nothing can come any more or the store fails for good; who waits for an
/// answer then learns that the registry has stopped. Unbounded: a member waits for the answer before it
/// announces again.
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
            Err(GivenUp) => return,
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

/// The store failed, and not for the disk.
struct GivenUp;

/// Writes it down; what the disk does not take yet is still unwritten.
async fn keep(store: &Store, unwritten: Unwritten) -> Result<Unwritten, GivenUp> {
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
        GivenUp
    })
}
