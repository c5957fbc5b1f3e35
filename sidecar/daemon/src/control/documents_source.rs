//! A folder of documents as a source of configuration.
//!
//! Folder -> documents -> resources -> acceptance. Keeps the last good: a folder that does not
//! check changes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use outrider_host::Rereads;
use outrider_host::folder::{Files, UnreadFiles, Watch};
use tokio::sync::watch;

use super::change;
use super::configuration::SourceUpdate;
use super::documents::{self, Loaded};
use crate::clock::Clock;
use crate::error::StartupError;
use crate::telemetry::Metrics;

/// The folder, and its documents in force.
#[derive(Debug)]
pub struct DocumentsSource {
    clock: Clock,
    folder: PathBuf,
    metrics: Arc<Metrics>,
    watch: Watch,
    /// The last contents of the folder, good or bad, so that a rescan without a change is noticed.
    seen: Result<Files, String>,
    unread: UnreadFiles,
    in_force: Loaded,
    updates: watch::Sender<Arc<SourceUpdate>>,
}

impl DocumentsSource {
    /// Reads the folder for the first time.
    ///
    /// # Errors
    /// When the folder cannot be read or its documents are not all right.
    pub fn load(
        clock: Clock,
        folder: &Path,
        metrics: Arc<Metrics>,
    ) -> Result<DocumentsSource, StartupError> {
        let (contents, loaded) = documents::load_first(folder)?;
        let problems = loaded.unserved();
        if !problems.is_empty() {
            return Err(StartupError::Documents {
                folder: folder.to_owned(),
                problems,
            });
        }
        // A change between the reading and the watch is found by the first rescan.
        let watch = Watch::folder(folder);
        let mut unread = UnreadFiles::default();
        unread.log(folder, &contents.unread);
        let mut source = DocumentsSource {
            clock,
            folder: folder.to_owned(),
            metrics,
            watch,
            seen: Ok(contents.files),
            unread,
            in_force: Loaded::default(),
            updates: watch::channel(Arc::default()).0,
        };
        source.take(loaded);
        Ok(source)
    }

    /// The trust domain of the mesh.
    pub fn trust_domain(&self) -> &str {
        &self.in_force.trust_domain
    }

    /// The configuration of the folder.
    pub fn updates(&self) -> watch::Receiver<Arc<SourceUpdate>> {
        self.updates.subscribe()
    }

    /// Follows the folder for as long as the process lives.
    pub async fn run(mut self, mut rereads: Rereads) {
        loop {
            tokio::select! {
                () = self.watch.changed() => {}
                () = rereads.next() => {}
            }
            self.reload();
        }
    }

    /// Reads the folder.
    fn reload(&mut self) {
        let found = outrider_host::folder::read(&self.folder).map_err(|error| error.to_string());
        let found = found.map(|contents| {
            self.unread.log(&self.folder, &contents.unread);
            contents.files
        });
        if found == self.seen {
            return;
        }
        let loaded = match &found {
            Ok(files) => self.load_change(files),
            Err(problem) => Err(vec![problem.clone()]),
        };
        self.seen = found;
        self.metrics.configuration_changed(loaded.is_ok());
        match loaded {
            Ok(loaded) => self.take(loaded),
            Err(problems) => self.refuse(problems),
        }
    }

    fn load_change(&self, files: &Files) -> Result<Loaded, Vec<String>> {
        let loaded = documents::load(files, &self.in_force.configuration)?;
        let mut problems = change::problems(&self.in_force, &loaded);
        problems.extend(loaded.unserved());
        if problems.is_empty() {
            Ok(loaded)
        } else {
            Err(problems)
        }
    }

    fn refuse(&self, problems: Vec<String>) {
        for problem in &problems {
            tracing::error!(folder = %self.folder.display(), problem, "a change of the documents was refused");
        }
        let before = Arc::clone(&self.updates.borrow());
        self.updates.send_replace(Arc::new(SourceUpdate {
            configuration: Arc::clone(&before.configuration),
            absent: None,
            accepted_at: before.accepted_at,
            refused: problems,
        }));
    }

    fn take(&mut self, loaded: Loaded) {
        self.in_force = loaded;
        self.updates.send_replace(Arc::new(SourceUpdate {
            configuration: Arc::new(self.in_force.configuration.clone()),
            absent: None,
            accepted_at: self.clock.now(),
            refused: Vec::new(),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: &str = "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: { name: orders }\n\
                          spec:\n  tls: none\n  endpoints: { static: [ { address: \"127.0.0.1:1\" } ] }\n";

    #[tokio::test]
    async fn a_file_between_truncated_and_written_changes_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("orders.yaml");
        std::fs::write(&file, ORDERS).expect("a file is written");
        let metrics = Arc::new(Metrics::new());
        let source = DocumentsSource::load(Clock::start(), folder.path(), metrics);
        let mut source = source.expect("the document is right");
        let updates = source.updates();
        let (first, second) = (ORDERS, ORDERS.replace(":1", ":2"));
        let half = &second[..second.len() / 2];
        for (text, taken) in [("", false), (half, false), (&second, true), (first, true)] {
            let before = updates.borrow().configuration.version();
            std::fs::write(&file, text).expect("a file is written");
            source.reload();
            let update = updates.borrow();
            assert_eq!(update.configuration.version() != before, taken, "{text:?}");
            assert_eq!(update.refused.is_empty(), taken, "{text:?}");
        }
    }
}
