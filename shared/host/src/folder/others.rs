//! What is in a folder of documents and is not read: named once in the log.
//!
//! So the author of a document finds out that its file has the wrong name.

use std::collections::BTreeSet;
use std::path::Path;

/// Most names that are said. 1,000; a program that makes files without end must not fill the log.
const NAMES_MAX: usize = 1_000;

/// What is not read, said.
pub const NOT_READ: &str = "not read: documents are in *.yaml, *.yml and *.json";

/// The names that were said already.
#[derive(Debug, Default)]
pub struct Others(BTreeSet<String>);

impl Others {
    /// Says each of the names that is new.
    pub fn log(&mut self, folder: &Path, names: &[String]) {
        let folder = folder.display();
        for name in self.news(names) {
            tracing::warn!(%folder, name, "{NOT_READ}");
        }
    }

    fn news<'n>(&mut self, names: &'n [String]) -> Vec<&'n String> {
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
    fn a_name_is_said_once() {
        let mut others = Others::default();
        let names = ["more.txt", "notes.txt"].map(str::to_owned);
        assert_eq!(others.news(&names[1..]), ["notes.txt"]);
        assert_eq!(others.news(&names), ["more.txt"]);
        assert!(others.news(&names).is_empty());
        let many: Vec<String> = (0..2 * NAMES_MAX).map(|n| n.to_string()).collect();
        assert_eq!(others.news(&many).len(), NAMES_MAX - 2);
        assert!(others.news(&many).is_empty());
    }
}
