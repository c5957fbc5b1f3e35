//! Tells when something in a set of folders may have changed.
//!
//! Says *may*: the reader compares what it finds with what it had. Folders are watched, never
//! files, because editors and Kubernetes replace files by renaming. Where no notice arrives (a
//! folder shared into a virtual machine, a network file system) the rescan still finds a change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, mpsc};

/// Quiet time after the last notice before reading, so that a change in several files, or of a file
/// that is written piece by piece, is seen whole.
const SETTLE: Duration = Duration::from_millis(100);

/// Longest wait for quiet. 2 s; a folder that is written to without end is read all the same.
const SETTLE_MAX: Duration = Duration::from_secs(2);

/// Longest time between two looks without any notice. Seconds; 10. Shorter finds changes sooner
/// where notices do not arrive, and reads the folder more often for nothing everywhere else.
const RESCAN: Duration = Duration::from_secs(10);

/// A watch on some folders; ends when dropped.
#[derive(Debug)]
pub struct Watch {
    looks: mpsc::Receiver<()>,
    // Held for its `Drop`: the notices end with it. `None`: the system refused, only rescans.
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watches `folder`. Needs a runtime.
    pub fn folder(folder: &Path) -> Watch {
        Watch::start(&BTreeSet::from([folder.to_owned()]))
    }

    /// Watches the folders that `files` lie in. Needs a runtime.
    pub fn files<'a>(files: impl IntoIterator<Item = &'a Path>) -> Watch {
        Watch::start(&files.into_iter().map(folder_of).collect())
    }

    /// Returns when something may have changed and the dust has settled, or after [`RESCAN`].
    /// Nothing is lost when the wait is given up and begun again.
    pub async fn changed(&mut self) {
        // Never `None`: the task that sends ends only after us.
        let _ = self.looks.recv().await;
    }

    fn start(folders: &BTreeSet<PathBuf>) -> Watch {
        let changed = Arc::new(Notify::new());
        let watcher = start_watcher(folders, Arc::clone(&changed));
        if let Err(error) = &watcher {
            tracing::warn!(%error, ?folders, "no change notices: looking every 10 s instead");
        }
        let (say_look, looks) = mpsc::channel(1);
        tokio::spawn(settle(changed, say_look));
        Watch {
            looks,
            _watcher: watcher.ok(),
        }
    }
}

/// Turns notices into looks: one after the dust of a change has settled, one after [`RESCAN`].
async fn settle(changed: Arc<Notify>, say_look: mpsc::Sender<()>) {
    while !say_look.is_closed() {
        if tokio::time::timeout(RESCAN, changed.notified())
            .await
            .is_ok()
        {
            quiet(&changed).await;
        }
        // A look that waits to be taken covers this one too.
        let _ = say_look.try_send(());
    }
}

/// Returns when there was no notice for [`SETTLE`], or after [`SETTLE_MAX`].
async fn quiet(changed: &Notify) {
    let last_notice = async {
        while tokio::time::timeout(SETTLE, changed.notified())
            .await
            .is_ok()
        {}
    };
    // The cap is no failure: what is half-written is refused and looked at again.
    let _ = tokio::time::timeout(SETTLE_MAX, last_notice).await;
}

fn start_watcher(
    folders: &BTreeSet<PathBuf>,
    changed: Arc<Notify>,
) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // An error means lost notices: look.
        if event.map_or(true, |event| may_change(event.kind)) {
            changed.notify_one();
        }
    })?;
    for folder in folders {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

/// Our own reading is noticed too; without this we would read for ever.
fn may_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, ModifyKind};

    #[test]
    fn reading_is_no_change() {
        let cases = [
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), false),
            (EventKind::Access(AccessKind::Read), false),
            (
                EventKind::Access(AccessKind::Close(AccessMode::Read)),
                false,
            ),
            (
                EventKind::Access(AccessKind::Close(AccessMode::Write)),
                true,
            ),
            (EventKind::Create(CreateKind::File), true),
            (EventKind::Modify(ModifyKind::Any), true),
        ];
        for (kind, expected) in cases {
            assert_eq!(may_change(kind), expected, "{kind:?}");
        }
    }

    #[test]
    fn a_bare_file_name_lies_in_the_present_folder() {
        assert_eq!(folder_of(Path::new("key.pem")), Path::new("."));
        assert_eq!(
            folder_of(Path::new("/etc/outrider/key.pem")),
            Path::new("/etc/outrider")
        );
    }

    /// A folder is noticed to change `count` times, each [`SETTLE`] / 2 after the last: the first
    /// look comes `settled` after the first notice, not earlier and hardly later.
    async fn check_first_look(count: u32, settled: Duration) {
        let changed = Arc::new(Notify::new());
        let (say_look, mut looks) = mpsc::channel(1);
        tokio::spawn(settle(Arc::clone(&changed), say_look));
        tokio::spawn(async move {
            for _ in 0..count {
                changed.notify_one();
                tokio::time::sleep(SETTLE / 2).await;
            }
        });
        let early = tokio::time::timeout(settled - SETTLE / 10, looks.recv()).await;
        assert!(
            early.is_err(),
            "{count} notices: looked before it was quiet"
        );
        let due = tokio::time::timeout(SETTLE / 5, looks.recv()).await;
        assert!(due.is_ok(), "{count} notices: no look after {settled:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn looks_when_there_was_no_notice_for_a_while() {
        for (notices, settled) in [(1, SETTLE), (2, SETTLE * 3 / 2), (11, SETTLE * 6)] {
            check_first_look(notices, settled).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn looks_at_a_folder_that_never_rests() {
        check_first_look(1_000, SETTLE_MAX).await;
    }

    #[tokio::test]
    async fn notices_a_file_that_is_renamed_into_place() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut watch = Watch::folder(folder.path());
        let draft = folder.path().join(".draft");
        std::fs::write(&draft, "1").expect("a file is written");
        std::fs::rename(&draft, folder.path().join("a.yaml")).expect("a file is renamed");
        let notice = tokio::time::timeout(RESCAN / 2, watch.changed()).await;
        assert!(notice.is_ok(), "no notice, only the rescan");
    }

    #[tokio::test]
    async fn a_notice_survives_a_wait_that_was_given_up() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut watch = Watch::folder(folder.path());
        std::fs::write(folder.path().join("a.yaml"), "1").expect("a file is written");
        let interrupted = async {
            while tokio::time::timeout(SETTLE / 10, watch.changed())
                .await
                .is_err()
            {}
        };
        let notice = tokio::time::timeout(RESCAN / 2, interrupted).await;
        assert!(notice.is_ok(), "the notice was lost");
    }
}
