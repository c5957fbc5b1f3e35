//! Logs each file in a folder of documents that is not read, once.
//!
//! So the author of a document finds out that its file has the wrong name.

use std::collections::BTreeSet;
use std::path::Path;

/// Most names that are logged. 1,000; a program that makes files without end must not fill the log.
const NAMES_MAX: usize = 1_000;

/// Why a file is not read.
pub const NOT_READ: &str = "not read: documents are in *.yaml, *.yml and *.json";

/// The files that were logged already, by name.
#[derive(Debug, Default)]
pub struct UnreadFiles(BTreeSet<String>);

impl UnreadFiles {
    /// Logs each name that was not logged before.
    pub fn log(&mut self, folder: &Path, names: &[String]) {
        let folder = folder.display();
        for name in self.new_names(names) {
            tracing::warn!(%folder, name, "{NOT_READ}");
        }
    }

    fn new_names<'n>(&mut self, names: &'n [String]) -> Vec<&'n String> {
        let room = NAMES_MAX.saturating_sub(self.0.len());
        let new = names.iter().filter(|name| !self.0.contains(*name));
        let new: Vec<&String> = new.take(room).collect();
        self.0.extend(new.iter().copied().cloned());
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_logged_once() {
        let mut unread = UnreadFiles::default();
        let names = ["more.txt", "notes.txt"].map(str::to_owned);
        assert_eq!(unread.new_names(&names[1..]), ["notes.txt"]);
        assert_eq!(unread.new_names(&names), ["more.txt"]);
        assert!(unread.new_names(&names).is_empty());
        let many: Vec<String> = (0..2 * NAMES_MAX).map(|n| n.to_string()).collect();
        assert_eq!(unread.new_names(&many).len(), NAMES_MAX - 2);
        assert!(unread.new_names(&many).is_empty());
    }
}
