//! docs/TRUST.md, of which two parts are written by this command and the rest by people.
//!
//! Decides where a part lies and that two commands at once do not lose each other's words. Knows
//! nothing of what the parts say.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

/// A part that is written by this command.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// The table of the classes.
    Measured,
    /// The table of the soaks.
    Soaks,
}

impl Part {
    fn marks(self) -> [&'static str; 2] {
        match self {
            Part::Measured => ["<!-- measured: begin -->", "<!-- measured: end -->"],
            Part::Soaks => ["<!-- soaks: begin -->", "<!-- soaks: end -->"],
        }
    }

    /// The page with `changed` of what this part says; `None` where its marks are gone.
    fn rewritten(self, page: &str, changed: impl FnOnce(&str) -> String) -> Option<String> {
        let [begin, end] = self.marks();
        let (before, rest) = page.split_once(begin)?;
        let (old, after) = rest.split_once(end)?;
        let new = changed(old.trim());
        Some(format!("{before}{begin}\n{}\n{end}{after}", new.trim()))
    }
}

/// Makes `changed` of what `part` says in docs/TRUST.md, with the page locked meanwhile.
///
/// # Errors
/// What the system says, or that the marks are gone.
pub fn rewrite(part: Part, changed: impl FnOnce(&str) -> String) -> Result<(), String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/TRUST.md");
    let written = OpenOptions::new().read(true).write(true).open(page);
    let written = written.and_then(|file| rewrite_file(file, part, changed));
    written.map_err(|error| format!("docs/TRUST.md: {error}"))
}

fn rewrite_file(
    mut file: File,
    part: Part,
    changed: impl FnOnce(&str) -> String,
) -> io::Result<()> {
    file.lock()?;
    let mut old = String::new();
    file.read_to_string(&mut old)?;
    let new = part.rewritten(&old, changed);
    let new = new.ok_or_else(|| io::Error::other(format!("no {}", part.marks().join(" or "))))?;
    file.rewind()?;
    file.write_all(new.as_bytes())?;
    file.set_len(new.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "a\n<!-- soaks: begin -->\nold\n<!-- soaks: end -->\nb";

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let new = Part::Soaks.rewritten(PAGE, |old| format!("{old}\nnew\n"));
        assert_eq!(new, Some(PAGE.replace("old", "old\nnew")));
        assert_eq!(Part::Soaks.rewritten("a", str::to_owned), None);
        assert_eq!(Part::Measured.rewritten(PAGE, str::to_owned), None);
    }

    #[test]
    fn what_becomes_shorter_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("page");
        std::fs::write(&path, PAGE).expect("it is written");
        let file = OpenOptions::new().read(true).write(true).open(&path);
        rewrite_file(file.expect("it is there"), Part::Soaks, |_| "x".to_owned()).expect("marks");
        let new = std::fs::read_to_string(&path).expect("it is read");
        assert_eq!(new, PAGE.replace("old", "x"));
    }

    #[test]
    fn the_page_has_its_marks() {
        let page = include_str!("../../../docs/TRUST.md");
        for part in [Part::Measured, Part::Soaks] {
            assert!(part.rewritten(page, str::to_owned).is_some(), "{part:?}");
        }
    }
}
