//! The journal: numbered events of the mesh, stored and sent to followers.
//!
//! Recording never waits: events go through a bounded queue to one thread, which writes all that wait
//! in one transaction. Events that do not fit are counted as lost.

mod filter;
mod kind;
mod tables;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};

use tokio::sync::{broadcast, mpsc};

use crate::clock;
use crate::members::MemberId;
use crate::members::rate_limit::RateLimiter;
use crate::storage::store::{Store, StoreError};
use crate::text::clean;

pub use filter::Filter;
pub use kind::EventKind;

use kind::Origin;

/// Events that may wait to be written. 1,024; a mesh that starts at once makes two a sidecar.
const WAITING: usize = 1_024;

/// Events that wait while the disk takes no writes. 10,000, as many as are kept.
const UNWRITTEN: usize = 10_000;

/// Events that a follower may be behind before it misses some. 1,024.
const BEHIND: usize = 1_024;

/// Longest text of an event. Bytes; 1,024: a sentence that is longer is cut.
pub(crate) const TEXT_BYTES_MAX: usize = 1_024;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Grows by one with every event, over restarts too.
    pub number: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub time_unix_ms: i64,
    /// What kind of thing.
    pub kind: EventKind,
    /// What it is about: a service, an instance, a document.
    pub subject: String,
    /// One sentence.
    pub detail: String,
}

/// The journal of the mesh; clones write to the same one. The last one dropped waits until what
/// was recorded is written.
#[derive(Clone, Debug)]
pub struct Journal {
    open: Arc<Open>,
}

struct Open {
    store: Store,
    // `None` only in `drop`: its end tells the writer to finish.
    queue: Option<mpsc::Sender<Event>>,
    followers: broadcast::Sender<Event>,
    dropped: Arc<AtomicU64>,
    limiter: RateLimiter<MemberId>,
    writer: Option<JoinHandle<()>>,
}

/// When the last event that `store` keeps happened. Seconds since 1970-01-01 UTC; blocks for the disk.
///
/// # Errors
/// The store cannot be read.
pub fn last_event_unix(store: &Store) -> Result<Option<i64>, StoreError> {
    let last = store.read(|transaction| tables::recent(transaction, 1, &Filter::default()))?;
    Ok(last.first().map(|event| event.time_unix_ms / 1_000))
}

impl Journal {
    /// Opens the journal that is kept in `store`, and starts its writer.
    ///
    /// # Errors
    /// The store cannot be read or written, or there is no thread to be had.
    pub fn open(store: &Store) -> Result<Journal, StoreError> {
        let last = store.read(tables::last_number)?;
        let (queue, recorded) = mpsc::channel(WAITING);
        let (followers, _) = broadcast::channel(BEHIND);
        let dropped = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            store: store.clone(),
            last,
            followers: followers.clone(),
            dropped: Arc::clone(&dropped),
        };
        let thread = thread::Builder::new().name("journal".to_owned());
        let writer = thread.spawn(move || writer.run(recorded));
        let open = Open {
            store: store.clone(),
            queue: Some(queue),
            followers,
            dropped,
            limiter: RateLimiter::default(),
            writer: Some(writer.map_err(redb::Error::Io)?),
        };
        Ok(Journal {
            open: Arc::new(open),
        })
    }

    /// Records an event of this moment about `subject`; `detail` is one sentence. Control characters in
    /// either become spaces, because both may come from a client and are printed. Never waits: an event for
    /// which there is no room is counted in [`Journal::dropped`].
    pub fn record(&self, kind: EventKind, subject: &str, detail: &str) {
        let event = Event {
            number: 0,
            time_unix_ms: clock::unix_ms(),
            kind,
            subject: printable(subject),
            detail: printable(detail),
        };
        let queue = self.open.queue.as_ref();
        if queue.is_none_or(|queue| queue.try_send(event).is_err()) {
            self.open.dropped.fetch_add(1, Relaxed);
        }
    }

    /// As [`Journal::record`], for an event that a member can cause as often as it likes: events over the
    /// member's allowance are counted as lost.
    pub fn record_of(&self, member: MemberId, kind: EventKind, subject: &str, detail: &str) {
        if self.open.limiter.take(member, clock::now()) {
            self.record(kind, subject, detail);
        } else {
            self.open.dropped.fetch_add(1, Relaxed);
        }
    }

    /// The last `limit` events that `filter` wants, oldest first. Reads the store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn recent(&self, limit: usize, filter: &Filter) -> Result<Vec<Event>, StoreError> {
        (self.open.store).read(|transaction| tables::recent(transaction, limit, filter))
    }

    /// Every event from now on, once it is written. A follower that is more than 1,024 events
    /// behind misses some (`RecvError::Lagged`) and goes on.
    pub fn follow(&self) -> broadcast::Receiver<Event> {
        self.open.followers.subscribe()
    }

    /// How many events were lost since the start: the queue was full, or the disk.
    pub fn dropped(&self) -> u64 {
        self.open.dropped.load(Relaxed)
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").finish_non_exhaustive()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.queue = None;
        // A writer that panicked has nothing more to write.
        let _ = self.writer.take().map(JoinHandle::join);
    }
}

struct Writer {
    store: Store,
    last: u64,
    followers: broadcast::Sender<Event>,
    dropped: Arc<AtomicU64>,
}

impl Writer {
    fn run(mut self, mut recorded: mpsc::Receiver<Event>) {
        let mut events = Vec::new();
        while recorded.blocking_recv_many(&mut events, WAITING) > 0 {
            self.write(&mut events);
        }
        // The store may be writable again since.
        self.write(&mut events);
        self.lose(&mut events, 0);
    }

    /// Writes the events, then sends them to followers. While the disk takes no writes the newest of them
    /// wait. The event that it takes writes again calls this once more.
    fn write(&mut self, events: &mut Vec<Event>) {
        for (number, event) in (self.last + 1..).zip(events.iter_mut()) {
            event.number = number;
        }
        match self
            .store
            .write(|transaction| tables::append(transaction, events))
        {
            Ok(()) => {
                self.last += events.len() as u64;
                self.tell(events.drain(..));
            }
            Err(StoreError::Unwritable(_)) => self.lose(events, UNWRITTEN),
            Err(error) => {
                tracing::error!(%error, events = events.len(), "events are not written");
                self.lose(events, 0);
            }
        }
    }

    /// Keeps the newest so many, and counts the others.
    fn lose(&self, events: &mut Vec<Event>, kept: usize) {
        let lost = events.len().saturating_sub(kept);
        events.drain(..lost);
        self.dropped.fetch_add(lost as u64, Relaxed);
    }

    fn tell(&self, events: impl Iterator<Item = Event>) {
        for event in events {
            // Fails when there is no follower.
            let _ = self.followers.send(event);
        }
    }
}

fn printable(text: &str) -> String {
    clean(text, TEXT_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(folder: &tempfile::TempDir) -> Journal {
        let store = Store::open(folder.path()).expect("a store");
        Journal::open(&store).expect("a journal")
    }

    fn numbers(events: &[Event]) -> Vec<u64> {
        events.iter().map(|event| event.number).collect()
    }

    #[test]
    fn events_are_there_after_a_restart_and_their_numbers_go_on() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let journal = opened(&folder);
        journal.record(EventKind::Joined, "orders", "It joined.");
        journal.record(EventKind::Left, "orders", "It left.");
        drop(journal);
        let journal = opened(&folder);
        let mut follower = journal.follow();
        journal.record(EventKind::Applied, "version 1", "By ada.");
        let told = follower.blocking_recv().expect("it is told");
        assert_eq!((told.number, told.kind), (3, EventKind::Applied));
        let recent = journal.recent(2, &Filter::default()).expect("readable");
        assert_eq!(numbers(&recent), [2, 3]);
        assert_eq!(recent[0].detail, "It left.");
        assert_eq!(recent[1], told);
    }

    #[test]
    fn recording_does_not_wait_for_the_disk() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a store");
        let journal = Journal::open(&store).expect("a journal");
        let busy = store.write(|_| {
            for _ in 0..3 * WAITING {
                journal.record(EventKind::Ejected, "orders", "It failed.");
            }
            Ok::<_, StoreError>(())
        });
        busy.expect("written");
        // One queue that the writer has taken, one that waits.
        assert!(journal.dropped() >= WAITING as u64);
        assert!(journal.dropped() <= 2 * WAITING as u64);
    }

    #[test]
    fn a_text_cannot_steer_the_terminal_that_shows_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let journal = opened(&folder);
        let mut follower = journal.follow();
        journal.record(EventKind::Rejected, "a\nb", "\u{1b}[2J\r\u{9b}é");
        let told = follower.blocking_recv().expect("it is told");
        assert_eq!(
            (told.subject, told.detail),
            ("a b".into(), " [2J  é".into())
        );
    }

    #[test]
    fn a_member_has_its_allowance_and_others_theirs() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let journal = opened(&folder);
        let [one, other] = [1, 2].map(|number| MemberId::new([number; 8]));
        for _ in 0..1_000 {
            journal.record_of(one, EventKind::Ejected, "orders", "It failed.");
        }
        journal.record_of(other, EventKind::Ejected, "pay", "It failed.");
        drop(journal);
        let events = opened(&folder)
            .recent(usize::MAX, &Filter::default())
            .expect("readable");
        let of = |name: &str| events.iter().filter(|event| event.subject == name).count();
        assert_eq!((of("orders"), of("pay")), (64, 1));
    }
}
