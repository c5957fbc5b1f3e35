//! Reports when something in a set of folders may have changed.
//!
//! It says *may*: the reader compares what it finds with what it had. Folders are watched, never
//! files, because editors and Kubernetes replace files by renaming; `places.rs` follows a folder that
//! is replaced itself. Where no notice arrives (a folder shared into a virtual machine, a network
//! file system) the rescan still finds a change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use super::places::Places;

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
}

impl Watch {
    /// Watches `folder`. Needs a runtime.
    pub fn folder(folder: &Path) -> Watch {
        Watch::start([folder.to_owned()], [])
    }

    /// Watches the folders that `files` lie in, and where links lead that stand for them. Needs a
    /// runtime.
    pub fn files<'a>(files: impl IntoIterator<Item = &'a Path>) -> Watch {
        let files: Vec<PathBuf> = files.into_iter().map(Path::to_owned).collect();
        let folders: Vec<PathBuf> = files.iter().map(|file| folder_of(file)).collect();
        Watch::start(folders, files)
    }

    /// Returns when something may have changed and no notice came for [`SETTLE`], or after [`RESCAN`].
    /// Nothing is lost when the wait is given up and begun again.
    pub async fn changed(&mut self) {
        // Never `None`: the task that sends ends only after us.
        let _ = self.looks.recv().await;
    }

    fn start(
        folders: impl IntoIterator<Item = PathBuf>,
        files: impl IntoIterator<Item = PathBuf>,
    ) -> Watch {
        let changed = Arc::new(Notify::new());
        let places = Places::watch(folders, files, &changed);
        let (say_look, looks) = mpsc::channel(1);
        tokio::spawn(places.follow(Arc::clone(&changed), say_look.clone()));
        tokio::spawn(settle(changed, say_look));
        Watch { looks }
    }
}

/// Turns notices into looks: one after [`SETTLE`] without a notice, one after [`RESCAN`].
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

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::super::places::REPLACED;
    use super::*;
    use std::fs;

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
        fs::write(&draft, "1").expect("a file is written");
        fs::rename(&draft, folder.path().join("a.yaml")).expect("a file is renamed");
        let notice = tokio::time::timeout(RESCAN / 2, watch.changed()).await;
        assert!(notice.is_ok(), "no notice, only the rescan");
    }

    /// Replaces the folder at `path`; each leaves a new one with `a.yaml` in it.
    type Replace = fn(&Path);

    fn make(folder: &Path) {
        fs::create_dir(folder).expect("a folder is made");
        fs::write(folder.join("a.yaml"), "2").expect("a file is written");
    }

    fn link(to: &str, at: &Path) {
        let draft = at.with_extension("draft");
        std::os::unix::fs::symlink(to, &draft).expect("a link is made");
        fs::rename(draft, at).expect("a link is moved");
    }

    #[tokio::test]
    async fn a_folder_that_was_replaced_is_watched_from_then_on() {
        let cases: [(&str, Replace); 4] = [
            ("removed and made again", |folder| {
                fs::remove_dir_all(folder).expect("it is removed");
                make(folder);
            }),
            ("renamed away and made again", |folder| {
                fs::rename(folder, folder.with_extension("old")).expect("it is renamed");
                make(folder);
            }),
            ("another renamed into its place", |folder| {
                let draft = folder.with_extension("draft");
                make(&draft);
                fs::remove_dir_all(folder).expect("it is removed");
                fs::rename(draft, folder).expect("it is renamed");
            }),
            ("a link put in its place", |folder| {
                make(&folder.with_file_name("second"));
                fs::remove_dir_all(folder).expect("it is removed");
                link("second", folder);
            }),
        ];
        for (rule, replace) in cases {
            let above = tempfile::tempdir().expect("a temporary folder");
            let folder = above.path().join("documents");
            make(&folder);
            check_replaced(rule, &folder, || replace(&folder)).await;
        }
    }

    #[tokio::test]
    async fn a_link_that_was_moved_is_followed() {
        let above = tempfile::tempdir().expect("a temporary folder");
        for version in ["first", "second"] {
            fs::create_dir(above.path().join(version)).expect("a folder is made");
            make(&above.path().join(version).join("documents"));
        }
        let (current, folder) = (
            above.path().join("current"),
            above.path().join("current/documents"),
        );
        link("first", &current);
        check_replaced("above the folder", &folder, || link("second", &current)).await;
        let current = above.path().join("documents");
        link("first/documents", &current);
        check_replaced("at the folder", &current, || {
            link("second/documents", &current);
        })
        .await;
    }

    /// Notices that the folder is replaced, and then a change in the new one, in the time of a
    /// notice, not of a rescan.
    async fn check_replaced(rule: &str, folder: &Path, replace: impl FnOnce()) {
        let mut watch = Watch::folder(folder);
        replace();
        let notice = tokio::time::timeout(RESCAN / 2, watch.changed()).await;
        assert!(notice.is_ok(), "{rule}: not noticed");
        // What was replaced may make two notices; a change after the last one makes another.
        let settled = REPLACED + SETTLE_MAX;
        while tokio::time::timeout(settled, watch.changed()).await.is_ok() {}
        // Its contents alone: no entry comes or goes, so only a notice tells.
        fs::write(folder.join("a.yaml"), "3").expect("a file is written");
        let notice = tokio::time::timeout(RESCAN / 2, watch.changed()).await;
        assert!(notice.is_ok(), "{rule}: the new folder is not watched");
    }

    #[tokio::test]
    async fn a_file_behind_a_link_is_noticed_though_its_folder_is_not_watched() {
        let above = tempfile::tempdir().expect("a temporary folder");
        make(&above.path().join("secrets"));
        fs::create_dir(above.path().join("identity")).expect("a folder is made");
        let key = above.path().join("identity/key.pem");
        link("../secrets/a.yaml", &key);
        let mut watch = Watch::files([key.as_path()]);
        let draft = above.path().join("secrets/draft");
        fs::write(&draft, "3").expect("a file is written");
        fs::rename(draft, above.path().join("secrets/a.yaml")).expect("it is renamed");
        let notice = tokio::time::timeout(RESCAN / 2, watch.changed()).await;
        assert!(notice.is_ok(), "no notice, only the rescan");
    }

    #[tokio::test]
    async fn a_notice_survives_a_wait_that_was_given_up() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut watch = Watch::folder(folder.path());
        fs::write(folder.path().join("a.yaml"), "1").expect("a file is written");
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
