//! What happened in the mesh, numbered: written down, told to whoever follows.
//!
//! Whoever records never waits: events go through a bounded queue to one thread that writes them,
//! as many in one transaction as wait. What does not fit is counted. Decides nothing of what is
//! worth an event.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};

use redb::{ReadableTable, Table, TableDefinition};
use tokio::sync::{broadcast, mpsc};

use crate::clock;
use crate::store::{Store, StoreError};

/// Number to (milliseconds since 1970-01-01 UTC, kind, subject, detail).
const EVENTS: TableDefinition<'_, u64, (i64, &str, &str, &str)> = TableDefinition::new("events");

/// Events kept; an older one is gone. 10,000: a day of a restless mesh, about a megabyte.
const KEPT: u64 = 10_000;

/// Events that may wait to be written. 1,024; a mesh that starts at once makes two a sidecar.
const WAITING: usize = 1_024;

/// Events that a follower may be behind before it misses some. 1,024.
const BEHIND: usize = 1_024;

/// Longest text of an event. Bytes; 1,024: a sentence that is longer is cut.
const TEXT_BYTES_MAX: usize = 1_024;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A sidecar has got its first certificate, or an instance its lease.
    Joined,
    /// An instance is no endpoint any more.
    Left,
    /// A sidecar sends an endpoint nothing for a while.
    Ejected,
    /// A sidecar sends an endpoint calls again.
    Returned,
    /// There is a new version of the documents.
    Applied,
    /// Documents, or what was made of them, were refused.
    Rejected,
    /// A certificate was renewed.
    Renewed,
    /// A step of a rollover of the root.
    Rotated,
}

impl EventKind {
    const ALL: [EventKind; 8] = [
        EventKind::Joined,
        EventKind::Left,
        EventKind::Ejected,
        EventKind::Returned,
        EventKind::Applied,
        EventKind::Rejected,
        EventKind::Renewed,
        EventKind::Rotated,
    ];

    /// The word of `MeshEvent.kind`.
    pub fn word(self) -> &'static str {
        match self {
            EventKind::Joined => "joined",
            EventKind::Left => "left",
            EventKind::Ejected => "ejected",
            EventKind::Returned => "returned",
            EventKind::Applied => "applied",
            EventKind::Rejected => "rejected",
            EventKind::Renewed => "renewed",
            EventKind::Rotated => "rotated",
        }
    }

    fn parse(word: &str) -> Option<EventKind> {
        let mut all = EventKind::ALL.into_iter();
        all.find(|kind| kind.word() == word)
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Grows by one with every event, over restarts too.
    pub number: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub time_unix_ms: i64,
    /// What kind of thing.
    pub kind: EventKind,
    /// Whom it is about: a service, an instance, a document.
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
    writer: Option<JoinHandle<()>>,
}

impl Journal {
    /// Opens the journal that is kept in `store`, and starts its writer.
    ///
    /// # Errors
    /// The store cannot be read or written, or there is no thread to be had.
    pub fn open(store: &Store) -> Result<Journal, StoreError> {
        let last = store.write(last_number)?;
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
            writer: Some(writer.map_err(redb::Error::Io)?),
        };
        Ok(Journal {
            open: Arc::new(open),
        })
    }

    /// Writes down that something happened just now to `subject`; `detail` is one sentence. Control
    /// characters in either become spaces: they may be a client's words, and are printed. Never
    /// waits: an event for which there is no room is counted in [`Journal::dropped`].
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

    /// The last `limit` events, oldest first. Reads the store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn recent(&self, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.open.store.read(|transaction| {
            let events = transaction.open_table(EVENTS).map_err(redb::Error::from)?;
            let newest = events.iter().map_err(redb::Error::from)?.rev().take(limit);
            let mut found = Vec::new();
            for entry in newest {
                let (number, event) = entry.map_err(redb::Error::from)?;
                found.extend(decode(number.value(), event.value()));
            }
            found.reverse();
            Ok(found)
        })
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
            self.number(&mut events);
            match self.store.write(|transaction| append(transaction, &events)) {
                Ok(()) => self.tell(events.drain(..)),
                Err(error) => {
                    tracing::error!(%error, events = events.len(), "events are not written");
                    self.last -= events.len() as u64;
                    self.dropped.fetch_add(events.len() as u64, Relaxed);
                }
            }
            events.clear();
        }
    }

    fn number(&mut self, events: &mut [Event]) {
        for event in events {
            self.last += 1;
            event.number = self.last;
        }
    }

    fn tell(&self, events: impl Iterator<Item = Event>) {
        for event in events {
            // Nobody follows: nobody is told.
            let _ = self.followers.send(event);
        }
    }
}

/// The number of the last event ever written; makes the table where there is none.
fn last_number(transaction: &redb::WriteTransaction) -> Result<u64, StoreError> {
    let events = transaction.open_table(EVENTS).map_err(redb::Error::from)?;
    let last = events.last().map_err(redb::Error::from)?;
    Ok(last.map_or(0, |(number, _)| number.value()))
}

fn append(transaction: &redb::WriteTransaction, events: &[Event]) -> Result<(), StoreError> {
    let mut table = transaction.open_table(EVENTS).map_err(redb::Error::from)?;
    for event in events {
        let kind = event.kind.word();
        let value = (event.time_unix_ms, kind, &*event.subject, &*event.detail);
        let inserted = table.insert(event.number, value);
        inserted.map_err(redb::Error::from)?;
    }
    let last = events.last().map_or(0, |event| event.number);
    forget(&mut table, last.saturating_sub(KEPT))
}

/// Removes all events up to the number `until`.
fn forget(
    table: &mut Table<'_, u64, (i64, &str, &str, &str)>,
    until: u64,
) -> Result<(), StoreError> {
    let forgotten = table.retain_in(..=until, |_, _| false);
    Ok(forgotten.map_err(redb::Error::from)?)
}

/// `None`: an event of a kind that only a later version knows.
fn decode(number: u64, event: (i64, &str, &str, &str)) -> Option<Event> {
    let (time_unix_ms, kind, subject, detail) = event;
    Some(Event {
        number,
        time_unix_ms,
        kind: EventKind::parse(kind)?,
        subject: subject.to_owned(),
        detail: detail.to_owned(),
    })
}

fn printable(text: &str) -> String {
    cut(text).replace(char::is_control, " ")
}

/// As much of a text of somebody else as is kept: its first 1,024 bytes, or a few less where a
/// character would be split.
pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
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
    fn every_kind_has_its_word() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.word()), Some(kind));
        }
        assert_eq!(EventKind::parse("exploded"), None);
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
        let recent = journal.recent(2).expect("readable");
        assert_eq!(numbers(&recent), [2, 3]);
        assert_eq!(recent[0].detail, "It left.");
        assert_eq!(recent[1], told);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a store");
        let event = |number| Event {
            number,
            time_unix_ms: 0,
            kind: EventKind::Renewed,
            subject: String::new(),
            detail: String::new(),
        };
        let events: Vec<Event> = (1..=KEPT + 2).map(event).collect();
        let appended = store.write(|transaction| append(transaction, &events));
        appended.expect("written");
        let journal = Journal::open(&store).expect("a journal");
        let kept = journal.recent(usize::MAX).expect("readable");
        assert_eq!(kept.len() as u64, KEPT);
        assert_eq!(kept[0].number, 3);
    }

    #[test]
    fn whoever_records_does_not_wait_for_the_disk() {
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
    fn a_long_text_is_cut_between_characters() {
        let text = format!("a{}", "é".repeat(TEXT_BYTES_MAX));
        assert_eq!(cut(&text).len(), TEXT_BYTES_MAX - 1);
        assert_eq!(cut("short"), "short");
    }
}
