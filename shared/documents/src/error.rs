//! What is wrong with a document, and where.
//!
//! Checks push problems at places into a [`Report`] and go on, so that one run
//! shows everything. Snippets are cut at the end, when all sources are at hand.

use crate::stream;
use serde_saphyr::Location;

/// One thing wrong with one document. `Display` prints the message with file, line,
/// column and the offending line with a caret below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentError {
    /// The name of the file, as it was given to [`crate::load`].
    pub file: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in the line in characters, from 1.
    pub column: usize,
    /// What is wrong and, where it is not plain, what to write instead.
    pub message: String,
    /// The line of the file.
    pub snippet: String,
}

impl std::error::Error for DocumentError {}

/// Longest part of a line that is shown. Characters; a whole document may be one line.
const SNIPPET_CHARACTERS_MAX: usize = 160;

impl DocumentError {
    /// The part of the line around the column, and how far the column is into it.
    fn window(&self) -> (String, usize) {
        let column = self.column.saturating_sub(1);
        let start = match self.snippet.chars().count() <= SNIPPET_CHARACTERS_MAX {
            true => 0,
            false => column.saturating_sub(SNIPPET_CHARACTERS_MAX / 2),
        };
        let shown = self.snippet.chars().skip(start);
        let shown = shown.take(SNIPPET_CHARACTERS_MAX).collect();
        (shown, column - start)
    }
}

impl std::fmt::Display for DocumentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.show("error", f)
    }
}

impl DocumentError {
    pub(crate) fn show(&self, level: &str, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        let (snippet, caret) = self.window();
        let indent = " ".repeat(caret);
        writeln!(f, "{level}: {}", self.message)?;
        writeln!(f, "{gutter}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{number} | {snippet}")?;
        write!(f, "{gutter} | {indent}^")
    }
}

/// Something in a document that is right and does nothing. Shown as a [`DocumentError`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(pub DocumentError);

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.show("warning", f)
    }
}

/// A place in the set of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Index of the file in the set.
    pub file: usize,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// Which document is being checked: its file, and the lines before it in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub file: usize,
    pub lines_before: usize,
}

impl Origin {
    /// A location inside the document as a place in the set of files.
    pub fn place(self, location: Location) -> Place {
        let in_document = usize::try_from(location.line()).unwrap_or(usize::MAX);
        Place {
            file: self.file,
            line: self.lines_before.saturating_add(in_document.max(1)),
            column: usize::try_from(location.column())
                .unwrap_or(usize::MAX)
                .max(1),
        }
    }
}

/// Everything that was found wrong so far in a set of files (name, text).
#[derive(Debug)]
pub(crate) struct Report<'f> {
    files: &'f [(&'f str, &'f str)],
    problems: Vec<(Place, String)>,
    warnings: Vec<(Place, String)>,
}

impl<'f> Report<'f> {
    pub fn new(files: &'f [(&'f str, &'f str)]) -> Report<'f> {
        Report {
            files,
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub fn push(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push((place, message.into()));
    }

    pub fn warn(&mut self, place: Place, message: impl Into<String>) {
        self.warnings.push((place, message.into()));
    }

    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// A place for use inside of a message: `mesh/echo.yaml:12`.
    pub fn name(&self, place: Place) -> String {
        let file = self.files.get(place.file).map_or("", |(name, _)| name);
        format!("{file}:{}", place.line)
    }

    /// In the order of the files and lines, with the offending lines.
    pub fn into_errors(self) -> Vec<DocumentError> {
        located(self.files, self.problems)
    }

    /// As [`Report::into_errors`], what is right and does nothing.
    pub fn into_warnings(self) -> Vec<Warning> {
        let warnings = located(self.files, self.warnings).into_iter();
        warnings.map(Warning).collect()
    }
}

pub(crate) fn located(
    files: &[(&str, &str)],
    mut problems: Vec<(Place, String)>,
) -> Vec<DocumentError> {
    problems.sort();
    problems.dedup();
    let lines: Vec<Vec<&str>> = files
        .iter()
        .map(|(_, text)| stream::lines(text).map(str::trim_end).collect())
        .collect();
    let error = |(place, message): (Place, String)| {
        let name = files.get(place.file).map_or("", |(name, _)| name);
        let lines = lines.get(place.file);
        let line = lines.and_then(|lines| lines.get(place.line.saturating_sub(1)));
        DocumentError {
            file: name.to_owned(),
            line: place.line,
            column: place.column,
            message: printable(&message),
            snippet: printable(line.unwrap_or(&"")),
        }
    };
    problems.into_iter().map(error).collect()
}

/// Control characters would move the caret, or the operator's terminal.
fn printable(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_its_line_with_a_caret() {
        let error = DocumentError {
            file: "mesh/echo.yaml".into(),
            line: 12,
            column: 12,
            message: "the timeout is 0".into(),
            snippet: "  timeout: 0s".into(),
        };
        assert_eq!(
            error.to_string(),
            "error: the timeout is 0\n  --> mesh/echo.yaml:12:12\n   |\n12 |   timeout: 0s\n   |            ^"
        );
    }
    #[test]
    fn of_a_long_line_only_the_part_around_the_column_is_shown() {
        let error = DocumentError {
            file: "f".into(),
            line: 1,
            column: 1001,
            message: "x".into(),
            snippet: format!("{}!{}", "a".repeat(1000), "b".repeat(1000)),
        };
        let text = error.to_string();
        let mut lines = text.lines().skip(3);
        let (line, caret) = (lines.next().unwrap(), lines.next().unwrap());
        assert_eq!(line.find('!'), caret.find('^'));
        assert_eq!(line.len(), "1 | ".len() + SNIPPET_CHARACTERS_MAX);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let files = [("f", "a:\t\u{1b}[31m\n")];
        let mut report = Report::new(&files);
        let place = Place {
            file: 0,
            line: 1,
            column: 4,
        };
        report.push(place, "`\u{1b}[31m` is bad");
        let errors = report.into_errors();
        assert_eq!(errors[0].snippet, "a:  [31m");
        assert_eq!(errors[0].message, "` [31m` is bad");
    }
}
