//! Writes changes down, in order, and answers who announced them: an answer is a promise that a
//! restart keeps.
//!
//! Beside the registrar, so that who comes next is published while the disk is at work; what gathers
//! meanwhile becomes one write. A store that fails once stays broken until it is opened again: then the
//! writer ends, and the registry with it.

use tokio::sync::{mpsc, oneshot};

use super::change::Change;
use super::kept;
use super::lease::Refused;
use super::registrar::Taken;
use crate::store::Store;

/// Most batches in one write. 1,024.
const BATCHES_MAX: usize = 1_024;

/// What is published, and has to be written before it is answered.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// In order; may be empty.
    pub changes: Vec<Change>,
    /// Who waits for it, and whether it was refused.
    pub answers: Vec<(oneshot::Sender<Taken>, Option<Refused>)>,
    /// The publication that has the changes.
    pub revision: u64,
}

/// Writes what comes, until nothing can come any more or the store fails; who waits for an answer
/// then learns that the registry has stopped. Unbounded: a member waits for the
/// answer before it announces again.
pub(super) async fn write(store: Store, mut batches: mpsc::UnboundedReceiver<Batch>) {
    let mut gathered = Vec::new();
    while batches.recv_many(&mut gathered, BATCHES_MAX).await > 0 {
        let changes = gathered
            .iter_mut()
            .flat_map(|batch| batch.changes.drain(..));
        if !keep(&store, changes.collect()).await {
            return;
        }
        for batch in gathered.drain(..) {
            for (answer, refused) in batch.answers {
                let taken = refused.map_or(Taken::By(batch.revision), Taken::Refused);
                // Fails when the stream has ended meanwhile.
                let _ = answer.send(taken);
            }
        }
    }
}

/// Writes changes down; false when that failed.
async fn keep(store: &Store, changes: Vec<Change>) -> bool {
    if changes.is_empty() {
        return true;
    }
    let store = store.clone();
    let written = tokio::task::spawn_blocking(move || kept::write(&store, &changes));
    let failure = match written.await {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::error!(error = failure, "registrations are not written");
    false
}
