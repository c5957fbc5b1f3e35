//! The watched paths, what is there now, and the system's notices of changes.
//!
//! A notice comes for the folder that was there when the watch was set, so twice a second its path is
//! looked at: when another folder stands there (it was removed and made again, a link on the way to it
//! was moved), that one is watched from then on.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, mpsc};

/// Time between two looks at what stands at a watched path. 500 ms, so that a folder that was
/// replaced is read within a second, settling included; a look is one `stat` for each path.
pub const REPLACED: Duration = Duration::from_millis(500);

/// The watched paths, and what stood there at the last look.
pub struct Places {
    folders: BTreeMap<PathBuf, Option<Identity>>,
    files: BTreeMap<PathBuf, Option<Identity>>,
    /// `None`: the system refused one.
    watcher: Option<RecommendedWatcher>,
}

impl Places {
    /// Watches the folders that stand there now; `changed` is notified of every change.
    pub fn watch(
        folders: impl IntoIterator<Item = PathBuf>,
        files: impl IntoIterator<Item = PathBuf>,
        changed: &Arc<Notify>,
    ) -> Places {
        let watcher = start_watcher(Arc::clone(changed));
        if let Err(error) = &watcher {
            tracing::warn!(%error, "no change notices: looking every 10 s instead");
        }
        let unseen = |path| (path, None);
        let mut places = Places {
            folders: folders.into_iter().map(unseen).collect(),
            files: files.into_iter().map(unseen).collect(),
            watcher: watcher.ok(),
        };
        places.renew();
        places
    }

    /// Looks at the paths until the reader of `looks` is gone.
    pub async fn follow(mut self, changed: Arc<Notify>, looks: mpsc::Sender<()>) {
        while !looks.is_closed() {
            tokio::time::sleep(REPLACED).await;
            if self.renew() {
                changed.notify_one();
            }
        }
    }

    /// Watches the folders that stand there now. Returns whether something else stands at a path.
    fn renew(&mut self) -> bool {
        let mut is_news = false;
        for (folder, seen) in &mut self.folders {
            let found = Identity::of(folder);
            if found != *seen {
                is_news = true;
                *seen = found;
                if found.is_some() {
                    watch_again(self.watcher.as_mut(), folder);
                }
            }
        }
        for (file, seen) in &mut self.files {
            let found = Identity::of(file);
            is_news |= found != *seen;
            *seen = found;
        }
        is_news
    }
}

/// What stands at a path, links followed.
// The number of a folder that was removed is soon given to the next one; the time of its last change
// tells those apart. It moves with every entry, too: then the same folder is watched once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Identity {
    /// `None`: nothing stands there that we may look at.
    fn of(path: &Path) -> Option<Identity> {
        let found = fs::metadata(path).ok()?;
        Some(Identity {
            device: found.dev(),
            inode: found.ino(),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

fn watch_again(watcher: Option<&mut RecommendedWatcher>, folder: &Path) {
    let Some(watcher) = watcher else { return };
    // It was not watched, or is gone and with it the watch.
    let _ = watcher.unwatch(folder);
    if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
        tracing::warn!(%error, folder = %folder.display(), "no change notices: looking every 10 s instead");
    }
}

fn start_watcher(changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    notify::recommended_watcher(move |event: notify::Result<Event>| {
        // An error means lost notices: look.
        if event.map_or(true, |event| may_change(event.kind)) {
            changed.notify_one();
        }
    })
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
}
