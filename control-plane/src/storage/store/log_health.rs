//! Logs when the disk stops taking writes, and when it takes them again.

use super::Store;
use crate::clock;
use crate::storage::journal::{EventKind, Journal};

/// What the events are about.
const SUBJECT: &str = "store";

/// Records both as events, and in the log, for as long as the store is there.
pub async fn record_health(store: Store, journal: Journal) {
    let mut health = store.health();
    let mut since = None;
    loop {
        let failing = health.borrow_and_update().failing.clone();
        match (failing, since) {
            (Some(reason), None) => {
                since = Some(clock::now());
                let detail = format!("The disk of --data takes no writes: {reason}.");
                tracing::error!(%reason, "the disk of --data takes no writes; trying again");
                journal.record(EventKind::Store, SUBJECT, &detail);
            }
            (None, Some(began)) => {
                since = None;
                let seconds = clock::now().duration_since(began).as_secs();
                let detail = format!("The disk of --data takes writes again, after {seconds} s.");
                tracing::info!(seconds, "the disk of --data takes writes again");
                journal.record(EventKind::Store, SUBJECT, &detail);
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        // Fails never: we have the store.
        let _ = health.changed().await;
    }
}
